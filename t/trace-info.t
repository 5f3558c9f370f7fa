#!/bin/sh
# trace-info: counts that agree with an independent count, arrays with their ranges.
. "${0%/*}/lib.sh"
head='@trace v=1 layers=2 experts=4 topk=2 model=m%20x'
{
	printf '%s dataset=d0\n' "$head"
	printf '@seq batch=0 seq=0 dataset=a/b\n@seq batch=0 seq=1 dataset=a/b synthetic=1\n@seq batch=1 seq=0 dataset=c\n'
	printf '@route batch=0 layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\377\n'
	printf '@route batch=1 layer=0 rows=1 cols=ids:u8:2 bytes=2\n\1\0\n'
	printf '@route batch=0 layer=0 row0=2 rows=1 cols=ids:u8:2 bytes=2\n\1\0\n'
	printf '@route batch=0 layer=1 rows=1 cols=ids:u8:2 bytes=2\n\3\0\n'
	printf '@route batch=2 layer=1 rows=1 cols=logit:f16:4 bytes=8\n\0\0\0\0\0\0\0\0\n@end frames=8\n'
} >x
is 'text' 'trace 1 3 4 6 2 6
dataset d0 1 1 0
dataset a/b 2 4 2
dataset c 1 1 0
layer 0 3 3 4 7 1 2 50
layer 1 2 3 2 2 0 1 25' sh -c 'trace-info -t x | grep -v "^#" | tr "\t" " "'
gold trace-info.json 'trace-info --json x'
same 'twice the sections, twice the samples' 'cat x x | trace-info -t | sed -n 2p' "printf 'trace\t2\t6\t8\t12\t4\t12\n'"
same 'it can be read on' 'trace-info x | trace-show | grep -vc @' 'echo 6'
if command -v python3 >/dev/null; then
	trace-gen --layers 3 --batches 5 --rows 40 --experts 16 -k 3 -s 5 -o g
	trace-info --json g >g.json
	trace2jsonl g >g.jsonl
	is 'the guide'\''s numbers, counted from JSON' 'True' python3 -c '
import json
best, layers = {}, {}
for line in open("g.jsonl"):
    f = json.loads(line)
    if f["kind"] != "route": continue
    l = str(f["layer"])
    layers[l] = layers.get(l, 0) + 1
    for row in f["ids"]:
        best.setdefault(l, [0] * 16)[row[0]] += 1
o = json.load(open("g.json"))
total = [sum(b[e] for b in best.values()) for e in range(16)]
named = lambda b: {str(e): n for e, n in enumerate(b)}
print(o["expert_distribution"] == {"total": named(total), "layers": {l: named(b) for l, b in best.items()}}
    and o["layer_distribution"] == layers and o["total_traces"] == sum(layers.values())
    and o["experts_used"]["total"] == sum(n > 0 for n in total)
    and list(o)[:3] == ["total_traces", "model_name", "num_experts"])'
else
	skip_one 'no python3'
fi
D=$DATA/pt-samples
if [ -d "$D" ] && command -v python3 >/dev/null; then
	is 'types, shapes and ranges of expected.json' '' python3 - "$D" <<-'EOF'
		import json, math, os, subprocess, sys
		good = sys.argv[1] + "/good/"
		def flat(o, path, out):
		    if isinstance(o, dict) and "shape" in o: out[path or "."] = o
		    elif isinstance(o, (dict, list)):
		        for k, v in (o.items() if isinstance(o, dict) else enumerate(o)):
		            flat(v, f"{path}.{k}" if path else str(k), out)
		n = 0
		for f, o in json.load(open(sys.argv[1] + "/expected.json")).items():
		    want = {}
		    flat(o, "", want)
		    if f == "o0.npz": continue
		    r = subprocess.run(["trace-info", "--json", good + f], capture_output=True, text=True)
		    if r.returncode: print(f, r.stderr); continue
		    got = {a["name"] or ".": a for a in json.loads(r.stdout)["arrays"]}
		    if got.keys() != want.keys(): print(f, got.keys(), want.keys())
		    for k in got.keys() & want.keys():
		        v = [float(x) for x in want[k]["values"]]
		        if got[k]["shape"] != want[k]["shape"]: print(f, k, got[k])
		        if math.prod(want[k]["shape"]) == len(v) and v and not any(map(math.isnan, v)):
		            n += 1
		            if (got[k]["min"], got[k]["max"]) != (min(v), max(v)): print(f, k, got[k])
		if n < 20: print("only", n)
	EOF
	limit='ulimit -v 65536;'
	[ -z "${ASAN_OPTIONS:-}" ] || limit= # its shadow takes terabytes
	for f in "$D"/refuse/*; do
		fails 2 "refused: ${f##*/}" "($limit exec timeout 5 trace-info '$f')" "^trace-info: .*${f##*/}: "
	done
else
	skip_one 'no pt-samples, or no python3'
fi
fails 2 'cut' 'head -c 300 x | trace-info' 'frame'
is 'a pipe by name is a trace' 'trace 1 3' sh -c 'mkfifo p; cat x >p & trace-info -t p | sed -n 2p | cut -f 1-3 | tr "\t" " "; wait'
done_testing
