#!/bin/sh
# jsonl2trace: records of the placement simulator and its old shapes; what is refused.
. "${0%/*}/lib.sh"

cat >mb.jsonl <<'E'
{"layer": 0, "batch_id": 12, "request_id": 12, "source_file": "problem_id_12.npz", "origin_rows": [0, 1], "topk_experts": [[3, 7, 9, 11], [2, 5, 6, 10]]}
{"layer": 3, "batch_id": 12, "topk_experts": [[3, 7, 9], [2]]}
{"layer": 0, "batch_id": "abc", "origin_rows": [], "topk_experts": [[3, -1, 9], [2, 3, 300]]}
{"layer": 0, "batch_id": "abc", "topk_experts": [[3, -1, 9], [2]], "request_id": "12"}
{"layer": 0, "batch_id": 1, "origin_row": 3, "topk_experts": [[3, 1, 9], [2, 3, 30]], "topk_weights": [[0.5, 0.25, 0.1], [1.0, 0.0, 1e-05]]}
{"layer": 0, "batch_id": 0, "origin_row": null, "topk_experts": [[3, 1], [2, 3]], "topk_weights": [[0.5123456789012345, 0.25], [1.0, 0.0]], "z\u00e9": {"a": [1]}}
{"layer": 1, "batch_id": 1, "tokens": [{"origin_row": 0, "topk_experts": [1, 2]}, {"origin_row": 5, "topk_experts": [0, 2]}]}
{"layer": 1, "batch_id": 2, "topk_experts": []}
{"layer": 1, "batch_id": 3, "topk_experts": [[], []]}
{"layer": 1, "batch_id": -7, "source_file": "a b%\u20ac\ud83d\ude00.npz", "topk_experts": [[1]]}
{"topk_experts": [[1]], "layer": 1}
E
same 'the same bytes come back, fields and their order too' \
	'jsonl2trace mb.jsonl | trace2jsonl --dialect moe-balance' 'cat mb.jsonl'
same 'from a pipe' 'cat mb.jsonl | jsonl2trace --no-prog' 'jsonl2trace --no-prog mb.jsonl'
same 'the header said beforehand: no spool, the same trace' \
	'jsonl2trace --no-prog mb.jsonl' 'TMPDIR=/nonexistent jsonl2trace --no-prog --experts 301 -k 4 -l 0,1,3 mb.jsonl'
is 'what the header says' '@trace v=1 layers=3 experts=301 topk=4 map=0-1,3' \
	sh -c "jsonl2trace mb.jsonl | head -n 1 | sed 's/ crc=.*//'"
same 'blank lines are skipped' '(echo; cat mb.jsonl; echo " ") | jsonl2trace --no-prog' 'jsonl2trace --no-prog mb.jsonl'
same 'negative ids are empty slots, short rows are filled' \
	"jsonl2trace mb.jsonl | trace2jsonl | grep -o '\"ids\":.*]]' | sed -n '2,3p'" \
	"printf '%s\n' '\"ids\":[[3,7,9,null],[2,null,null,null]]' '\"ids\":[[3,null,9,null],[2,3,300,null]]'"
same 'a record of a batch that was there goes on counting its rows' \
	"jsonl2trace mb.jsonl | trace2jsonl | grep -c '\"row0\":2'" 'echo 1'

rec='{"layer": 0, "batch_id": 0, "topk_experts": [[0, 1]'
fails 2 'an id beyond --experts names file, line and token' \
	"printf '%s, [2, 4]]}\n' '$rec' >x.jsonl; jsonl2trace --experts 4 x.jsonl" 'x\.jsonl:1: token 1: expert 4'
fails 2 'an id that is no integer' "echo '$rec, [1.5]]}' | jsonl2trace" '^jsonl2trace: standard input:1:[0-9]+: topk_experts'
fails 2 'bad JSON: line and column' "printf '%s]}\n{\"layer\": 0,, }\n' '$rec' | jsonl2trace" '^jsonl2trace: standard input:2:13: '
fails 2 'behind a taken array the column is right' "echo '$rec], x}' | jsonl2trace" ':1:55: '
fails 2 'no layer' "echo '{\"topk_experts\": [[1]]}' | jsonl2trace --dialect moe-balance" 'layer'
fails 2 'origin_rows of another length' "echo '$rec], \"origin_rows\": [1, 2]}' | jsonl2trace" 'origin_rows'
fails 2 'weights of another shape' "echo '$rec], \"topk_weights\": [[0.5]]}' | jsonl2trace" 'topk_weights'
fails 2 'twice the same member' "echo '$rec], \"layer\": 1}' | jsonl2trace" 'twice'
fails 2 'a layer that -l does not name' "echo '$rec]}' | jsonl2trace -l 1-3 -k 2 --experts 4" 'layer 0'
fails 2 'more picks than -k' "echo '$rec]}' | jsonl2trace -k 1" 'picks'
fails 2 'a record above --max-record' "echo '$rec]}' | jsonl2trace --max-record 20" 'larger'
fails 2 'no lines at all' 'jsonl2trace </dev/null' 'no frames'
fails 2 'no such file' 'jsonl2trace nothing.jsonl' 'nothing.jsonl: '
fails 2 'nothing is left under the name' "echo '$rec, x' | jsonl2trace -o y.trace; rc=\$?; [ ! -e y.trace ] && exit \$rc"

if command -v python3 >/dev/null; then
	cat >gen.py <<'E'
import json, random, sys
r = random.Random(int(sys.argv[1]))
for b in range(12):
    k, n, e = r.randrange(1, 9), r.randrange(0, 40), r.choice([8, 255, 256, 4000])
    rows = [r.sample(range(e), k if r.random() < .9 else r.randrange(1, k + 1)) for _ in range(n)]
    if r.random() < .2: rows = [[-1 if r.random() < .2 else i for i in t] for t in rows]
    d = {"layer": r.randrange(3), "batch_id": r.choice([b, "q%d" % b, 5])}
    if r.random() < .5: d["request_id"] = r.choice([b, "r é %d" % b, "7", ""])
    if r.random() < .5: d["source_file"] = r.choice(["p_%d.npz" % b, "a \"b\"\t😀"])
    if r.random() < .6: d["origin_rows"] = [r.randrange(16) for _ in rows]
    d["topk_experts"] = rows
    if r.random() < .3: d["topk_weights"] = [[r.choice([r.random(), r.randrange(256) / 256]) for _ in t] for t in rows]
    if r.random() < .2: d = dict(r.sample(sorted(d.items()), len(d)))
    print(json.dumps(d))
E
	bad=0
	for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		python3 gen.py $seed >g.jsonl
		jsonl2trace g.jsonl >g.trace && trace2jsonl --dialect moe-balance g.trace | cmp -s - g.jsonl || bad=$seed
		trace2jsonl g.trace | jsonl2trace | trace2jsonl --dialect moe-balance | cmp -s - g.jsonl || bad=$seed
	done
	is '20 files of all shapes come back byte by byte' 0 echo $bad
else
	skip_one 'no python3 to write records'
fi
done_testing
