#!/bin/sh
# router-capture: routing of Switch checkpoints, against references and by its properties.
. "${0%/*}/lib.sh"
. "$TOP/t/checkpoint.sh"

np=
for p in python3 /usr/bin/python3; do
	command -v $p >/dev/null && $p -c 'import numpy' 2>/dev/null && np=$p && break
done

# what another implementation computes
S=$DATA/switch-tiny
if [ -d "$S" ]; then
	while read -r ids dec ref args; do
		# shellcheck disable=SC2046,SC2086,SC2312
		if [ "$dec" = - ]; then
			tok "0 0 $(cat "$S/$ids.txt")"
		else
			tok "0 0 $(cat "$S/$ids.txt")" "0 1 $(cat "$S/$dec.txt")"
		fi >x.trace
		# shellcheck disable=SC2086
		router-capture "$S" $args <x.trace | column logit >x
		ok "logits of $ref" sh -c "[ -s x ]"
		near "$S/$ref.npy" 1e-5 <x
		report $? "$ref within 1e-5"
		if [ -z "$np" ]; then
			skip_one 'no numpy'
			continue
		fi
		# shellcheck disable=SC2086
		router-capture "$S" $args <x.trace | trace2npz -o x.npz
		ok "$ref as an NPZ" "$np" -c 'import numpy, sys
r = numpy.load(sys.argv[1])
d = numpy.load("x.npz")["logit"].transpose(1, 0, 2) - r
sys.exit(not (d.shape == r.shape and abs(d).max() < 1e-5 * abs(r).max()))' "$S/$ref.npy"
	done <<-'E'
		ids-200 - enc-200-cap4-zero --capacity 4
		ids-200 - enc-200-cap4-residual --capacity 4 --dropped residual
		ids-40 - enc-40-cap64 --capacity 64
		ids-40 - enc-40-cap64 --no-capacity
		ids-40 ids-dec-16 dec-16-cap64 --capacity 64 --decoder -l 5,7
	E
	router-capture "$S" --dropped residual --no-capacity <x.trace | column logit >x
	near "$S/enc-40-cap64.npy" 1e-5 <x
	report $? 'without drops --dropped says nothing'
else
	skip_one 'no shipped checkpoint here'
fi

LONG='3 8 1 29 4 4 17 22 9 3 3 8 0 11 12 13 28 27 26 5 6 7 3 3 3'
mk m
tok "0 0 $LONG" "1 0 5 6 7" "0 1 0 9 9 4" "1 1 0 2" >in.trace
router-capture m --decoder <in.trace >m.trace
is 'layers, rows' 'layer=1 rows=28 layer=3 rows=6 layer=4 rows=6' sh -c "
	trace-heads m.trace | sed -n 's/.*\\(layer=[0-9]*\\) .*\\(rows=[0-9]*\\).*/\\1 \\2/p' | xargs"

# properties
same 'the same bytes for any -j' 'router-capture m --decoder --no-prog <in.trace' \
	'router-capture m --decoder --no-prog -j 3 <in.trace'
for type in F16 BF16; do
	mk m$type type=$type
	router-capture m$type --decoder <in.trace | column logit >x
	router-capture m --decoder <in.trace | column logit >y
	is "$type of the same values: the same logits" 0 sh -c "paste x y | awk '{ d = \$1 - \$2; if (d > 1e-4 || d < -1e-4) n++ } END { print n + 0 + !NR }'"
done
mk s/m shards=4
same 'four files are one' 'router-capture m --decoder --no-prog <in.trace' \
	'router-capture s/m --decoder --no-prog <in.trace'
mk a/m edit='t["encoder.embed_tokens.weight"] = t.pop("shared.weight")'
same 'an alias of the embedding' 'router-capture m --no-prog <in.trace' 'router-capture a/m --no-prog <in.trace'
mk l/m edit='t = {k: v for k, v in t.items() if k.startswith("shared") or k.startswith("encoder.block.0") or k.startswith("encoder.block.1") and "expert_" not in k}'
same 'nothing behind the last router is read' 'router-capture m --no-prog <in.trace' 'router-capture l/m --no-prog <in.trace'
tok "7 0 $LONG" >one.trace
router-capture m <one.trace | column logit >x
router-capture m <in.trace | column logit | sed -n 1,125p >y
is 'a sequence does not see its batch' '125' sh -c 'cmp x y && wc -l <x'
trace2jsonl one.trace | "$py" -c 'import json, sys
for l in sys.stdin:
    f = json.loads(l)
    if f["kind"] == "tok":
        del f["pos"], f["phase"]
        f["cols"] = "tok:u32,seq:u32"
    print(json.dumps(f))' | jsonl2trace | router-capture m | column logit >y
router-capture m <one.trace | column logit >x
is 'without phase and pos it is a source' '125' sh -c 'cmp x y && wc -l <x'
tok '0 1 0 9' "0 0 $LONG" '0 1 4 4 5' >c.trace
tok '0 1 0 9 4 4 5' "0 0 $LONG" >d.trace
router-capture m --decoder -l 3,4 <c.trace | column logit >x
router-capture m --decoder -l 3,4 <d.trace | column logit >y
is 'rows of a sequence are brought together' 50 sh -c 'cmp x y && wc -l <x'
tok "0 0 $LONG" '0 1 0 9' >e.trace
router-capture m --decoder -l 3 <e.trace | column logit >x
router-capture m --decoder -l 3 <d.trace | column logit | sed -n 1,10p >y
is 'the decoder is causal' 0 sh -c "paste x y | awk '{ d = \$1 - \$2; if (d > 1e-5 || d < -1e-5) n++ } END { print n + (NR != 10) }'"
mk z edit='t["encoder.block.1.layer.1.mlp.router.classifier.weight"][1][:] = [0] * 60'
is 'a router of zeros: all alike, capacity 2' '25 0.2 23' sh -c "
	router-capture z <one.trace >z.trace
	trace2jsonl z.trace | $py -c 'import json, sys
r = [json.loads(l) for l in sys.stdin][-2]
flat = lambda v: [x[0] if isinstance(x, list) else x for x in v]
print(len(r[\"w\"]), round(sum(flat(r[\"w\"])) / 25, 6), sum(flat(r[\"dropped\"])))'"
# experts in another order: their numbers alone change
mk p edit='
b = "encoder.block.1.layer.1.mlp."
w = t[b + "router.classifier.weight"][1]
t[b + "router.classifier.weight"][1][:] = w[12:] + w[:12]
o = {k: t[k] for k in t if b + "experts" in k}
for e in range(5):
    for x in "wi", "wo": t[b + "experts.expert_%d.%s.weight" % (e, x)] = o[b + "experts.expert_%d.%s.weight" % ((e + 1) % 5, x)]'
router-capture p --decoder <in.trace >p.trace
column ids <m.trace >x
column ids <p.trace | awk 'NR <= 28 { $1 = ($1 + 1) % 5 } { print }' >y
is 'experts in another order: the same choices' 40 sh -c 'cmp x y && wc -l <x'
mk b router_bias=true
router-capture b <one.trace | column logit >x
mk bz router_bias=true edit='t["encoder.block.1.layer.1.mlp.router.classifier.bias"][1][:] = [0] * 5'
router-capture bz <one.trace | column logit >y
"$py" - >got <<'E'
x, y = ([float(v) for v in open(n)] for n in "xy")
d = [a - b for a, b in zip(x, y)]
print(len(d), max(map(abs, d)) > .03, max(abs(d[i] - d[i % 5]) for i in range(len(d))) < 1e-5)
E
is 'a bias is added to each row alike' '125 True True' cat got
mk k edit='c.pop("encoder_sparse_step"); c["num_sparse_encoder_layers"] = 1; c["num_layers"] = 2; c["later"] = {"x": None}'
is 'a step out of the number of sparse blocks' 'map=1' sh -c "router-capture k <one.trace | trace-heads | grep -o 'map=[0-9,]*'"

# columns and trace line
is 'columns' 'ids:u8,w:f32,logit:f32:5,dropped:u8' sh -c "trace-heads m.trace | sed -n 's/^@route.*cols=\([^ ]*\).*/\1/p' | sed -n 1p"
is '--no-logits --hidden --no-capacity' 'ids:u8,w:f32,hidden:f16:12' sh -c "router-capture m --no-logits --hidden --no-capacity <in.trace |
	trace-heads | sed -n 's/^@route.*cols=\([^ ]*\).*/\1/p' | sed 's/,row:u32//;1q'"
is 'what the trace line says' 'layers=1 experts=5 topk=1 map=1 model=m score=softmax order=batch,layer capacity=7 dropped=residual' sh -c "
	router-capture m/ --capacity 7 --dropped residual <in.trace | trace-heads | sed -n '1s/.*\(layers=.*residual\).*/\1/p'"
is 'no capacity: the line does not speak of it' 0 sh -c "router-capture m --no-capacity <in.trace | trace-heads | sed 1q | grep -c 'capacity\|dropped'"
router-capture m --hidden <one.trace >h.trace
column hidden <h.trace >hid
column logit <h.trace >log
"$py" - >got <<'E'
import json, struct
d = open("m/model.safetensors", "rb").read()
n = struct.unpack("<Q", d[:8])[0]
b, e = json.loads(d[8:8 + n])["encoder.block.1.layer.1.mlp.router.classifier.weight"]["data_offsets"]
w = struct.unpack("<60f", d[8 + n + b:8 + n + e])
h, l = ([float(x) for x in open(f)] for f in ("hid", "log"))
print(len(h), max(abs(sum(h[t * 12 + i] * w[x * 12 + i] for i in range(12)) - l[t * 5 + x]) for t in range(25) for x in range(5)) < 2e-2)
E
is 'hidden times the router is logit' '300 True' cat got
is 'the trace is whole' 0 sh -c 'trace-check -q m.trace; echo $?'
trace2jsonl m.trace | grep '"route"' >x
router-capture m --decoder <m.trace | trace2jsonl | grep '"route"' >y
is 'routes of the input are replaced' 3 sh -c 'cmp x y && wc -l <x'

# the first that loads
mkdir none
router-capture none m <in.trace 2>err | trace-filter -l 1 >first.trace
is 'the first that loads, the reason for others' 'router-capture: none/config.json: No such file or directory (m instead)' cat err
fails 2 'none loads: all reasons' 'router-capture none m/none <in.trace' 'none/config.json: .*; m/none/config.json: '

# what is refused, by name
refused() { # DESCRIPTION REGEX mk-ARGUMENTS...
	d=$1 re=$2 && shift 2
	mk bad "$@"
	fails 2 "$d" 'router-capture bad --decoder <in.trace' "$re"
	rm -r bad
}
refused 'a tensor that is missing' 'bad/model.safetensors: no tensor encoder.block.0.layer.0.SelfAttention.k.weight of shape 15x12' \
	edit='del t["encoder.block.0.layer.0.SelfAttention.k.weight"]'
refused 'a shape' 'bad/model.safetensors: encoder.block.1.layer.1.mlp.experts.expert_3.wi.weight: shape 7x11, not 7x12' \
	edit='t["encoder.block.1.layer.1.mlp.experts.expert_3.wi.weight"] = ([7, 11], [0] * 77)'
refused 'NaN' 'bad/model.safetensors: encoder.block.0.layer.1.mlp.wo.weight: shape 12x7 holds NaN' \
	edit='t["encoder.block.0.layer.1.mlp.wo.weight"][1][3] = float("nan")'
refused 'NaN before a relu' 'bad/model.safetensors: decoder.block.0.layer.2.mlp.wi.weight: shape 7x12 holds NaN' \
	decoder_sparse_step=2 edit='t["decoder.block.0.layer.2.mlp.wi.weight"][1][3] = float("nan")'
refused 'a model that is not known' 'bad/config.json: model_type gpt2 is none of switch_transformers' 'model_type="gpt2"'
refused 'sizes that are none' 'bad/config.json: d_kv: not an integer' edit='c["d_kv"] = -5'
refused 'another activation' 'bad/config.json: an activation that is not relu' 'dense_act_fn="gelu"'
refused 'more experts than are selected from' 'bad/config.json: ' edit='c["num_experts"] = 2048'
refused 'no router at all' 'bad: no layer has a router' num_layers=1 num_decoder_layers=1 decoder_sparse_step=0 encoder_sparse_step=0
fails 2 'a layer without a router' 'router-capture m -l 2 <in.trace' 'm: layer 2 has no router'
mk cut
head -c 4000 m/model.safetensors >cut/model.safetensors
fails 2 'a file that was cut' 'router-capture cut <in.trace' 'cut/model.safetensors: '
mk gone shards=3
rm gone/model-1.safetensors
fails 2 'a file of several that is missing' 'router-capture gone <in.trace' 'gone/model-1.safetensors: No such file'
mk out shards=2
sed -i 's,"model-1,"../model-1,' out/model.safetensors.index.json
fails 2 'a file of another folder' 'router-capture out <in.trace' 'not a file of this folder'
rm none/* 2>/dev/null
cp m/config.json none
fails 2 'no weights' 'router-capture none <in.trace' 'none: neither model.safetensors nor'
tok '0 0 3 30' >x.trace
fails 2 'an id beyond the vocabulary' 'router-capture m <x.trace' 'id 30 of token 1 is beyond the vocabulary of 30'
tok '0 0 3 4' '0 0 5' >x.trace
fails 2 'positions with a gap' 'router-capture m <x.trace' 'row 2: pos 0 of sequence 0, not 2'
fails 2 'a decoder without tokens' 'router-capture m --decoder <one.trace' 'sequence 7 has no tokens of phase 1'
tok '0 1 3 4' >x.trace
fails 2 'an encoder without tokens' 'router-capture m <x.trace' 'sequence 0 has no tokens of phase 0'
echo 'a line of more than twenty letters' | prompt-fmt --format lines -o text.trace
fails 2 'texts that are no tokens yet' 'router-capture m <text.trace' 'no tok frame: tok-encode'
fails 2 'no folder' 'router-capture <in.trace' 'no MODEL_DIR'
fails 2 'capacity twice' 'router-capture m --capacity 3 --no-capacity <in.trace' 'exclude each other'
fails 2 'a trace that was cut' 'head -c 300 in.trace | router-capture m'
is 'no OpenBLAS, which hangs where it gets no memory' 0 sh -c 'ldd "$(command -v router-capture)" 2>&1 | grep -c openblas'
fails 2 'a full disk' 'router-capture m <in.trace >/dev/full' 'No space'
done_testing
