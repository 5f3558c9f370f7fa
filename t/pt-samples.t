#!/bin/sh
# Other people's array files: the good are read to their values, the bad refused.
. "${0%/*}/lib.sh"
D=$DATA/pt-samples
[ -d "$D" ] || skip 'no pt-samples'
arrays=$BUILD/t/arrays # t/unit/arrays.c

if command -v python3 >/dev/null; then
	cat >check.py <<'E'
import json, subprocess, sys, os
exe, data = sys.argv[1:3]
exp = json.load(open(data + "/expected.json"))
exp["ok.safetensors"] = {
    "indices": {"kind": "ndarray", "dtype": "<i8", "shape": [2, 3], "values": [0, 1, 2, 3, 4, 5]},
    "scores": {"kind": "tensor", "dtype": "bfloat16", "shape": [2, 3],
               "values": [1, .5, .25, .125, .0625, .03125]}}
TORCH = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
         "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool"}
def dtype(d):
    if d in TORCH: return TORCH[d]
    return "bool" if d[1] == "b" else d[1] + str(8 * int(d[2:]))
def flat(o, path, out):
    if isinstance(o, dict) and o.get("kind") == "object-wrapper": flat(o["inner"], path, out)
    elif isinstance(o, dict) and "kind" in o:
        n = len(o["shape"]); st = o.get("stride")
        out.append((path or ".", dtype(o["dtype"]), o["shape"], st, [float(v) for v in o["values"]]))
    elif isinstance(o, dict):
        for k, v in o.items(): flat(v, f"{path}.{k}" if path else k, out)
    elif isinstance(o, list):
        for k, v in enumerate(o): flat(v, f"{path}.{k}" if path else str(k), out)
bad = 0
for f in sorted(exp):
    want = []; flat(exp[f], "", want)
    r = subprocess.run([exe, f"{data}/good/{f}"] + (["-o"] if f == "o0.npz" else []), capture_output=True, text=True)
    got = []
    for line in r.stdout.splitlines():
        p = line.split("\t") + [""]
        nums = lambda s: [] if s in ("", "-") else [int(x) for x in s.split(",")]
        got.append((p[0], p[1], nums(p[2]), nums(p[3]), [float(x) for x in p[4].split(",")] if p[4] else []))
    ok = r.returncode == 0 and len(got) == len(want) and all(
        a[0] == b[0] and a[1] == b[1] and a[2] == b[2] and (b[3] is None or a[3] == b[3]) and a[4] == b[4]
        for a, b in zip(got, want))
    if len(want) == 1 and len(got) == 1 and not ok:  # a lone array may have a name of its own
        ok = r.returncode == 0 and got[0][1:3] == want[0][1:3] and got[0][4] == want[0][4]
    if not ok:
        bad += 1
        print("# %s: got %s want %s %s" % (f, got, want, r.stderr.strip()))
sys.exit(bad != 0)
E
	is 'all good files hold what expected.json says' '' python3 check.py "$arrays" "$D"
else
	skip_one 'no python3: the values of the good files'
fi

limit='ulimit -v 65536;'
sh -c "$limit pt2trace --help" >/dev/null 2>&1 || limit= # a sanitizer needs more
for f in "$D"/refuse/*; do
	name=${f##*/}
	fails 2 "refused: $name" "$limit timeout 1 '$arrays' '$f'" "$name: [^ ]"
	fails 2 "by pt2trace too: $name" "$limit timeout 1 pt2trace '$f'" "^pt2trace: .*$name: [^ ]"
done

# A hostile pickle for each rule, by hand.
pickle() { fails 2 "refused: $1" "printf '\200\002$2' | timeout 1 pt2trace" "$3"; }
pickle 'an unknown instruction' '\377.' 'instruction 0xff'
pickle 'a second PROTO' '\200\002N.' 'second protocol'
pickle 'an instance' '(cos\nsystem\no.' 'os.system'
pickle 'a call of no function' 'NN\206R.' 'the stack|REDUCE'
pickle 'a call that the table lacks' 'cnumpy\nndarray\n)R.' 'numpy.ndarray is not to be called'
pickle 'data after STOP' 'N.N' 'after STOP'
pickle 'a length beyond the end' 'X\377\377\377\177ab.' 'ends inside'
pickle 'a self-containing list' ']q\000h\000a.' 'nested|shared'
pickle 'a mark that is missing' 'Nt.' 'mark'
pickle 'odd dict items' '}(Nu.' 'key without a value'
pickle 'items for an integer' 'K\001(NNu.' 'no dict'
pickle 'a state for a tuple' ')Nb.' 'takes no state'
pickle 'a persistent id outside torch' 'NQ.' 'persistent id'
pickle 'an array that was begun only' 'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nNNtR.' 'never filled'
fails 2 'refused: protocol 6' "printf '\200\006N.' | pt2trace"
done_testing
