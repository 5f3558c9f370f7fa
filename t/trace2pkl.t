#!/bin/sh
# trace2pkl: the very bytes of the published files, and of Python.
. "${0%/*}/lib.sh"
D=$DATA/olmoe-kde
one='\000\000\000\000\000\000\360\077'
frame() { # KEYS: a table of (0, 0), (1, 1)
	printf '@kde %s rows=2 cols=x:f64,cdf:f64 bytes=80\n' "$1"
	printf "\000\000\000\000\000\000\000\000$one"
	head -c 48 /dev/zero
	printf "\000\000\000\000\000\000\000\000$one\n"
}
trace() { # KEYS...
	printf '@trace v=1 layers=8 experts=64 topk=8 model=%s\n' "$model"
	n=$#
	for k in "$@"; do frame "$k"; done
	printf '@end frames=%d\n' $n
}
model=org/m
trace 'layer=3' 'layer=3 kernel=linear trim=0' 'layer=3 kernel=gaussian trim=4' 'layer=3 kernel=tophat trim=2' 'layer=4 kernel=gaussian' >a.trace
ok 'several tables' trace2pkl --dir d a.trace
S=org_m_distribution_model_layer_
is 'under their names' "${S}3.pkl ${S}3_linear.pkl ${S}3_tophat_trimmed_4.pkl ${S}3_trimmed_8.pkl ${S}4_gaussian.pkl " \
	sh -c 'ls d | sort | tr "\n" " "'
is 'read back' 'layer=3 layer=3 trim=4 layer=3 kernel=tophat trim=2 layer=3 kernel=linear layer=4 kernel=gaussian ' \
	sh -c "pkl2trace d/*.pkl | trace-heads - | sed -n 's/^@kde \(.*\) table=.*/\1/p' | tr '\n' ' '"
ok 'a choice of one' trace2pkl -l 3 --kernel linear -o one.pkl a.trace
ok 'is that one' cmp one.pkl "d/${S}3_linear.pkl"
same 'by trim' 'trace2pkl --trim 4 a.trace' "cat d/${S}3_trimmed_8.pkl"
fails 2 'several into one file' 'trace2pkl -o x.pkl a.trace' 'a second table: one a file'
ok 'which is not there' test ! -e x.pkl
fails 2 '-o and --dir' 'trace2pkl -o x.pkl --dir d a.trace' 'together'
fails 2 'a choice that is empty' 'trace2pkl -l 7 a.trace' 'no kde frames of that choice'
trace 'layer=3 trim=2' 'layer=3 kernel=gaussian trim=2' >b.trace
fails 2 'two tables of one name' 'trace2pkl --dir d2 b.trace' 'a second table of that name'
trace 'layer=3 kernel=cubic' >b.trace
fails 2 'a kernel without a name' 'trace2pkl b.trace' 'a kernel that no file'
trace-gen --layers 1 --batches 1 --rows 8 --experts 8 >b.trace
fails 2 'no tables' 'trace2pkl b.trace' 'no kde frames: logit-kde writes them .routes: --gating.$'
one='\000\000\000\000\000\000\360\277' && trace 'layer=3' >b.trace && one='\000\000\000\000\000\000\360\077'
fails 2 'a table that is none' 'trace2pkl b.trace' 'frame 1 .*point 1: x does not rise'
trace 'layer=3' >b.trace
fails 2 'a full disk' 'trace2pkl b.trace >/dev/full' 'No space'
fails 2 'a cut stream' 'head -c 150 b.trace | trace2pkl -o cut.pkl'
ok 'and no file is left' test ! -e cut.pkl
fails 2 'a terminal' 'TRACE_FAKE_TTY=1 trace2pkl b.trace' 'nothing for a terminal'

if [ -d "$D" ]; then
	pkl2trace "$D"/*.pkl | trace2pkl --dir real
	for f in "$D"/*.pkl; do
		cmp "$f" "real/$(basename "$f")" 2>&1
		pkl2trace "$f" | trace2pkl | cmp - "$f" 2>&1
	done >differ
	is 'the published files come back byte for byte' '' cat differ
else
	skip_one 'no olmoe-kde'
fi
py=/usr/bin/python3
[ -x $py ] || py=python3
if $py -c 'import numpy, sys; sys.exit(numpy.__version__[0] != "1")' 2>/dev/null; then
	cat >layout.py <<'E'
import io, pickle, subprocess, sys
import numpy as np
def run(cmd, data):
    return subprocess.run([cmd], input=data, capture_output=True).stdout
for n in [*range(2, 36), 255, 256, 4000, *range(8168, 8195), 65535, 65536]:
    d = {"x": np.linspace(-1, 2, n), "cdf": np.linspace(0, 1, n)}
    f = io.BytesIO()
    pickle.dump(d, f, protocol=4)
    got = run("trace2pkl", run("pkl2trace", f.getvalue()))
    if got != f.getvalue():
        print(n, "points: other bytes")
    back = pickle.loads(got)
    if list(back) != ["x", "cdf"] or any((back[k] != d[k]).any() for k in d):
        print(n, "points: other values")
for protocol in 2, 3, 4, 5:
    for kind in "<f8", ">f8", "<f4", ">f4", "<i4", ">i4", "<i8", ">i8":
        d = {"x": np.arange(300).astype(kind), "cdf": np.linspace(0, 1, 300).astype(kind), "h": 0.25, "n": 7}
        p = pickle.dumps(d, protocol=protocol)
        for q in p, p.replace(b"\x15numpy.core.", b"\x16numpy._core.").replace(b"cnumpy.core.", b"cnumpy._core."):
            if protocol > 3 and q != p:
                continue  # its frames would be off
            back = pickle.loads(run("trace2pkl", run("pkl2trace", q)))
            if any((back[k] != d[k]).any() for k in ("x", "cdf")):
                print(protocol, kind, "other values")
E
	is 'the bytes of Python, and all its dialects' '' $py layout.py
else
	skip_one 'no numpy 1: the bytes of Python'
fi

# GatingDataPoints
fails 2 'of tables alone' 'trace2pkl --gating --trim 2 b.trace' 'a list goes into one file'
fails 2 'no routes' 'trace2pkl --gating b.trace' 'no route frames$'
gen() { trace-gen --tokens --layers 2 --map 1,3 --experts 6 --rows 5 --batches 3 --domains 2 "$@"; }
gen --logits -w f32 -o g.trace
fails 2 'no routes of that layer' 'trace2pkl --gating -l 2 g.trace -o x.pkl' 'of that choice'
ok 'and no file' test ! -e x.pkl
gen --request-rows 2 -o two.trace
fails 2 'several sequences a batch' 'trace2pkl --gating two.trace -o x.pkl' 'batch 0 has several sequences: trace-sample'
trace-filter --drop logit -o w.trace g.trace
gen --weights none -o none.trace
fails 2 'no probabilities' 'trace2pkl --gating none.trace -o x.pkl' 'neither logit nor w'
fails 2 'a cut stream' 'head -c 1500 g.trace | trace2pkl --gating -o x.pkl'
ok 'and still no file' test ! -e x.pkl
fails 2 'a full disk, of a list' 'trace2pkl --gating g.trace >/dev/full' 'No space'
for py in /usr/bin/python3 python3; do ! $py -c 'import numpy' 2>/dev/null || break; done
if $py -c 'import numpy' 2>/dev/null; then
	trace2pkl --gating g.trace -o g.pkl
	trace2pkl --gating w.trace -o w.pkl
	trace2jsonl g.trace >g.jsonl
	cat >load.py <<'PY'
import json, pickle, warnings
import numpy as np
warnings.simplefilter("ignore")
seq, tok, route = {}, {}, []
for line in open("g.jsonl"):
    f = json.loads(line)
    if f["kind"] == "seq": seq[f["batch"]] = f
    if f["kind"] == "tok": tok[f["batch"]] = f["tok"]
    if f["kind"] == "route": route.append(f)
for name in "g.pkl", "w.pkl":
    l = pickle.load(open(name, "rb"))
    ok = len(l) == len(route)
    for x, f in zip(l, route):
        b = f["batch"]
        p = x["target_routing"]
        if name == "g.pkl":
            z = np.exp(np.array(f["logit"], "f8"))
            want = z / z.sum(1, keepdims=True)
        else:
            want = np.zeros((5, 6))
            np.put_along_axis(want, np.array(f["ids"]), np.array(f["w"]), 1)
        ok &= list(x) == ["layer_id", "hidden_states", "input_embeddings", "target_routing", "target_top_k", "prev_layer_gates",
                          "sequence_length", "token_ids", "dataset_name", "sample_id", "synthetic"]
        ok &= p.dtype == "f4" and p.shape == (5, 6) and abs(p - want).max() < 1e-6
        ok &= x["target_top_k"].dtype == "i8" and x["target_top_k"].tolist() == f["ids"]
        ok &= x["token_ids"].dtype == "i8" and x["token_ids"].tolist() == tok[b] and x["input_embeddings"].tolist() == tok[b]
        ok &= x["layer_id"] == f["layer"] and x["sequence_length"] == 5 and x["prev_layer_gates"] == []
        ok &= x["hidden_states"] is None and x["synthetic"] is True
        ok &= x["dataset_name"] == seq[b]["dataset"] and x["sample_id"] == "%s_%d" % (seq[b]["dataset"], b)
    print(name, bool(ok), len(l))
PY
	is 'what Python loads, from logits and from weights' 'g.pkl True 6
w.pkl True 6' $py load.py
	same 'of frames in another order, record by record' 'trace-sort --order layer,batch g.trace | trace2pkl --gating | wc -c' 'wc -c <g.pkl'
else
	skip_one 'no numpy'
fi
done_testing
