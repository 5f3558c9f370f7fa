#!/bin/sh
# trace2log: the log again, as Python's json writes and reads it.
. "${0%/*}/lib.sh"
LOG=$DATA/olmoe-kde/semi-real/log.json
cat >a.json <<'X'
{"config": "tin\u00e9", "strategy": "s", "num_experts": 3, "top_k": 2, "dataset": "d", "max_samples": 5, "timestamp": "2026-01-01T00:00:00", "num_layers": 2, "samples": [{"sample_id": 4, "num_tokens": 9, "loss": 2.5, "layers": [{"layer": 1, "router_logits_shape": [2, 3], "router_logits_sample": [[0.5, -1.0, 2.0], [0.10000000149011612, 1e-05, -1e+20]], "selected_experts": [[2, 0], [-1, 2]], "expert_weights": [[0.75, 0.25], [0.0, 1.0]]}]}, {"sample_id": 6, "num_tokens": 1, "loss": null, "layers": []}, {"sample_id": 9, "num_tokens": 1, "loss": 3.0, "layers": [{"layer": 7, "router_logits_shape": [1, 3], "router_logits_sample": [[1.0, 2.0, 3.0]], "selected_experts": [[2, 1]], "expert_weights": [[0.5, 0.5]]}]}]}
X
same 'all keys, in their order' "sed 's/1e-05/9.999999747378752e-06/; s/-1e+20/-1.0000000200408773e+20/' a.json | tr -d '\n'" 'log2trace -q a.json | trace2log'
same 'there and back and there' 'log2trace -q --no-prog a.json' 'log2trace -q a.json | trace2log --indent | log2trace -q --no-prog'
trace-gen --rows 3 --layers 2 --experts 8 -o g
fails 2 'no logits' 'trace2log g' 'logit'
log2trace -q -o a a.json
fails 2 'two sections' 'cat a a | trace2log' 'a second section'
layers='"layers": [{"layer": 1, "router_logits_sample": [[1, 2]]}, {"layer": 2, "router_logits_sample": [[2, 1]]}]'
printf '{"samples": [{%s}, {%s}]}' "$layers" "$layers" >b.json
fails 2 'late batches' 'log2trace --recompute -k 1 b.json | trace-sort --order layer,batch | trace2log' 'batch 0 comes late: trace-sort'
ok 'sorted again' sh -c 'log2trace --recompute -k 1 b.json | trace-sort --order layer,batch | trace-sort --order batch,layer | trace2log -o c.json'
fails 2 'a full disk' 'trace2log a >/dev/full' 'No space'
py=$(command -v python3 || command -v /usr/bin/python3) || { skip_one 'no python3' && done_testing && exit; }
cat >cmp.py <<'PY'
"""MADE is what json writes of LOG, its layers' keys in the order of the pipelines, and equal to it."""
import json, sys
log, made, indent = json.load(open(sys.argv[1])), open(sys.argv[2]).read(), int(sys.argv[3]) or None
assert json.loads(made) == log, 'values'
key = ['layer', 'router_logits_shape', 'router_logits_sample', 'selected_experts', 'expert_weights']
for s in log['samples']:
    s['layers'] = [{k: l[k] for k in key} for l in s['layers']]
assert made == json.dumps(log, indent=indent), 'bytes'
PY
cat >make.py <<'PY'
import json, random, struct, sys
r = random.Random(int(sys.argv[1]))
f32 = lambda x: struct.unpack('f', struct.pack('f', x))[0]
bf16 = lambda x: struct.unpack('f', struct.pack('I', struct.unpack('I', struct.pack('f', x))[0] & 0xffff0000))[0]
E, K, T, L = r.randint(2, 70), r.randint(1, 2), r.randint(1, 9), sorted(r.sample(range(9), 2))
num = lambda: r.choice([f32, bf16])(r.gauss(0, 1) * 10 ** r.choice([-6, -4, -3, -2, -1, 0, 0, 1, 3, 4, 8]))
m = lambda n, f: [[f() for _ in range(n)] for _ in range(T)]
json.dump({'config': 'c', 'strategy': 'topk_baseline', 'num_experts': E, 'top_k': K, 'dataset': 'd', 'num_layers': 2, 'samples': [
    {'sample_id': 2 * s, 'num_tokens': T, 'loss': r.random(), 'layers': [{'layer': l, 'router_logits_shape': [T, E],
     'router_logits_sample': m(E, num), 'selected_experts': [r.sample(range(E), K) for _ in range(T)], 'expert_weights': m(K, num)}
     for l in L]} for s in range(3)]}, open('in', 'w'))
PY
bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py make.py $seed
	log2trace in | trace2log --indent >out && $py cmp.py in out 2 2>err || bad="$bad $seed: $(tail -n 1 err)"
	log2trace in | trace2log >out && $py cmp.py in out 0 2>err || bad="$bad $seed: $(tail -n 1 err)"
done
is 'byte for byte what json.dump writes, 20 seeds' '' echo "$bad"
trace-gen --tokens --logits -w f32 --domains 2 --batches 2 --rows 5 | trace2jsonl | sed 's/,"tokens":5//; s/domain-./tales/' | jsonl2trace | trace2log >out
is 'what @trace and @seq do not tell' 'tales 0 5 1 5' sh -c "tr '{,' '\n\n' <out | sed -n 's/.*\"\(dataset\|sample_id\|num_tokens\)\": \"\{0,1\}\([a-z0-9]*\).*/\2/p' | xargs"
[ -f "$LOG" ] || { skip_one 'no data' && done_testing && exit; }
log2trace "$LOG" | trace2log --indent >out
ok 'the semi-real log, equal as values and as bytes' $py cmp.py "$LOG" out 2
echo 'a line of more than twenty letters' | prompt-fmt --format lines -o prompts
fails 2 'prompts' 'trace2log prompts' 'no route frames: router-capture'
done_testing
