#!/bin/sh
# log2trace: three dialects, what is recomputed and verified, and what is refused.
. "${0%/*}/lib.sh"
LOG=$DATA/olmoe-kde/semi-real/log.json
log() { # LAYER: a log of one sample of that one layer
	printf '{"config": "c", "dataset": "d", "samples": [{"sample_id": 7, "num_tokens": 9, "loss": 1.5, "layers": [%s]}]}' "$1"
}
one() { # LAYER [OPTION...]: its rows
	log "$1" >one.json && shift
	log2trace -t "$@" one.json | sed '1,3d' | tr '\t\n' ' ;'
}
fails 2 'a pick twice' "log '{\"layer\": 1, \"router_logits_sample\": [[1, 3, 2]], \"selected_experts\": [[2, 2]]}' | log2trace" 'expert 2 is picked twice'
is 'another name' 'model=other dataset=set' sh -c "echo '{\"config\": \"c\", \"dataset\": \"d\", \"samples\": []}' | log2trace -q -m other --dataset set | head -n 1 | grep -o 'model=[^ ]* dataset=[^ ]*'"
L='"router_logits_sample": [[1, 3, 2], [0, 0, 1]]' I='"selected_experts": [[1, 2], [2, 0]]'
is 'a section: head, sample, layer' '@trace v=1 layers=1 experts=3 topk=2 map=5 model=c dataset=d order=batch,layer
@seq batch=0 seq=0 dataset=d sample=7 tokens=9 loss=1.5
@route batch=0 layer=5 rows=2 cols=ids:u8:2,w:f32:2,logit:f32:3' sh -c '
	printf "$1" | log2trace --no-prog | trace-heads | sed "s/ bytes=.*//; s/ crc=.*//; s/ *$//; /^@end/d; /^@prog/d"' x \
	"$(log "{\"layer\": 5, $L, $I, \"expert_weights\": [[0.5, 0.25], [0.75, 1e-3]]}")"
want='0 5 0 1,2 0.5,0.25 1,3,2;0 5 1 2,0 0.75,0.001 0,0,1;' W='"expert_weights": [[0.5, 0.25], [0.75, 0.001]]'
is 'keys in any order, unknown ones skipped' "$want" one "{\"x\": {\"layer\": [null, true, \"a\\\"]}\"]}, $W, $I, \"y\": -1.5e+3, $L, \"layer\": 5}"
is 'one level deeper' "$want" one '{"layer": 5, "router_logits_shape": [1, 2, 3], "router_logits_sample": [[[1, 3, 2], [0, 0, 1]]],
	"selected_experts": [[[1, 2], [2, 0]]], "expert_weights": [[[0.5, 0.25], [0.75, 0.001]]]}'
is 'one token, one level deeper' '0 5 1 0.5 1,3;' one '{"layer":5,"router_logits_sample":[[[1,3]]],"selected_experts":[[[1]]],"expert_weights":[[[0.5]]]}'
is 'padding and flat weights' '0 5 0 1,- 0.5,0 1,3,2;0 5 1 2,0 0.75,0.125 0,0,1;' \
	one "{\"layer\": 5, $L, \"selected_experts\": [[1, -1], [2, 0]], \"expert_counts\": [1, 2], \"expert_weights\": [0.5, 0.75, 0.125]}"
log "{\"layer\": 5, $L, $I, \"expert_weights\": [0.5]}" >flat.json
is 'flat weights that end' 'log2trace: flat.json: 3 picks have no weight in the log: 0' log2trace -o x flat.json
is 'logits alone' '0 5 0 1,3,2;0 5 1 0,0,1;' one "{\"layer\": 5, $L}"
is 'picks alone' '0 5 0 1,2;0 5 1 2,0;' one "{\"layer\": 5, $I}"
log "{\"layer\": 2, $I, \"expert_weights\": [[NaN, 1], [NaN, 1]]}, {\"layer\": 5, $L}, {\"layer\": 6, $L, \"expert_weights\": [[1], [1]]}" >stale.json
log "{\"layer\": 0, \"selected_experts\": [[7]]}, {\"layer\": 1, $L}" >wide.json
is 'an expert beyond the logits of another layer' '[[1,3,2],[0,0,1]]' sh -c 'log2trace wide.json | trace2jsonl | grep -o "\[\[1,3,2\].*\]\]"'
is 'a layer knows nothing of the one before' 4 sh -c 'log2trace -q stale.json | trace2jsonl | grep -o "\[[01],[03],[12]\]" | wc -l'
is 'layers of a sample in their order' '0 2 0 1,3,2;0 2 1 0,0,1;0 5 0 1,3,2;0 5 1 0,0,1;' sh -c 'sed 1,3d | tr "\t\n" " ;"' <<X
$(log "{\"layer\": 5, $L}, {\"layer\": 2, $L}" | log2trace -t)
X
is 'keys behind the samples' '@trace v=1 layers=1 experts=1 topk=0 model=\ order=batch,layer' sh -c \
	'printf "{\"samples\": [{\"layers\": [{\"router_logits_sample\": [[1]], \"layer\": 0}]}], \"config\": \"\\\\u005c\"}" |
	log2trace | head -n 1 | sed "s/ crc.*//"'
N='"router_logits_sample": [[1, NaN, 2], [0, 0, 1], [-Infinity, 1, 2], [4, 5, 6]]'
log "{\"layer\": 5, $N}" >nan.json
is 'rows that are not finite are left out' '0 5 0,0,1 1;0 5 4,5,6 3;' one "{\"layer\": 5, $N}" -q
is 'and counted' 'log2trace: nan.json: 2 rows with NaN or Infinity are left out' log2trace -o x nan.json
fails 2 'or an error' 'log2trace --strict nan.json' 'nan.json:1: sample 7, layer 5, row 0: NaN or Infinity$'
printf '{"samples": [{"sample_id": 1, "layers": []}, {"layers": null}], "num_experts": 8}' >none.json
is 'samples without layers' 'log2trace: none.json: 2 of 2 samples have no layers' log2trace -o x none.json
is 'recomputed: of equals the lower first' '0 5 0 1,2 0.66524094,0.24472848 1,3,2;0 5 1 2,0 0.57611686,0.21194156 0,0,1;' \
	one "{\"layer\": 5, $L}" --recompute -k 2
is 'divided by their sum' '0 5 0 1 1 1,3,2;0 5 1 2 1 0,0,1;' one "{\"layer\": 5, $L}" --recompute -k 1 --renorm
is 'large logits' '0 5 1 1 1,3e+38;' one '{"layer": 5, "router_logits_sample": [[1, 3e38]]}' --recompute -k 1
log "{\"layer\": 5, $L, \"selected_experts\": [[2, 1], [2, 1]], \"expert_weights\": [[0.24473, 0.66524], [0.57612, 0.21194]]}" >v.json
ok 'sets, ties, tolerance' log2trace --verify -o x v.json
fails 1 'a weight that is off' 'log2trace --verify --tolerance 1e-6 v.json' '^log2trace: v.json: sample 7, layer 5, token 0: weight 0.24473 is logged, the logits say 0.244728$'
fails 1 'weights that are not divided by their sum' 'log2trace --verify --renorm v.json' 'token 0: weight'
fails 1 'an expert that is not of the best' 'log2trace -q -o x --verify flat.json && log "{\"layer\": 5, $L, \"selected_experts\": [[1, 2], [0, 1]]}" | log2trace --verify' \
	'token 1: expert 0 is logged, the logits say 2$'
fails 2 'an expert twice' 'log "{\"layer\": 5, $L, \"selected_experts\": [[1, 1], [2, 1]]}" | log2trace --verify' 'row 0: expert 1 is picked twice'
# ---- each writer's own, whole ----
frames() { log2trace --no-prog -q "$@" | trace-heads | sed 's/ bytes=.*//; s/ crc=.*//; s/ *$//; /^@end/d'; }
# the pipelines: all tokens, three deep, layers 1 to 26 with none at 0
{
	printf '{"config": "deepseek-ai/DeepSeek-V2-Lite", "strategy": "topk_baseline", "num_experts": 3, "top_k": 2, "dataset": "lambada", "max_samples": 500,
"timestamp": "2026-01-02T03:04:05.678901", "num_layers": 26, "samples": [{"sample_id": 0, "num_tokens": 2, "loss": 3.25, "layers": ['
	for l in $(seq 1 26); do
		[ "$l" = 1 ] || printf ,
		printf '{"layer": %d, "router_logits_shape": [1, 2, 3], "router_logits_sample": [[[%d, 3, 2], [0, 0, 1]]],' "$l" "$l"
		printf '"selected_experts": [[[1, 2], [2, 0]]], "expert_weights": [[[0.5, 0.25], [0.625, 0.125]]]}'
	done
	printf ']}]}'
} >pipeline.json
is 'the pipelines: 26 layers from 1 on' '@trace v=1 layers=26 experts=3 topk=2 map=1-26 model=deepseek-ai/DeepSeek-V2-Lite dataset=lambada order=batch,layer log.strategy=topk_baseline log.max_samples=500 log.timestamp=2026-01-02T03:04:05.678901
@seq batch=0 seq=0 dataset=lambada sample=0 tokens=2 loss=3.25
@route batch=0 layer=26 rows=2 cols=ids:u8:2,w:f32:2,logit:f32:3' sh -c 'sed "3,27d" <<X
$(log2trace --no-prog -q pipeline.json | trace-heads | sed "s/ bytes=.*//; s/ crc=.*//; s/ *$//; /^@end/d")
X'
is 'the logits of its last' '0 26 1 2,0 0.625,0.125 0,0,1' sh -c 'log2trace -t pipeline.json | tail -n 1 | tr "\t" " "'
# OLMoE: the first ten tokens, of which the shape knows nothing; no top_k, no num_layers
olmoe() { # TOKENS STORED
	printf '{"sample_id": %d, "num_tokens": %d, "loss": 2, "layers": [' "$1" "$1"
	for l in 0 1; do
		row() { seq "$2" | sed "s/.*/$1/" | paste -sd, -; }
		printf '%s{"layer": %d, "router_logits_shape": [%d, 3], "selected_experts": [%s], "expert_weights": [%s], "router_logits_sample": [%s]}' \
			"$([ $l = 0 ] || echo ,)" $l "$1" "$(row '[2]' "$2")" "$(row '[0.5]' "$2")" "$(row '[0.25, 1, -3.5]' "$2")"
	done
	printf ']}'
}
printf '{"config": "OLMoE", "strategy": "s", "num_experts": 3, "dataset": "lambada", "samples": [%s, %s]}' "$(olmoe 37 10)" "$(olmoe 4 4)" >olmoe.json
is 'OLMoE: rows are those stored, tokens those read' '@trace v=1 layers=2 experts=3 topk=1 model=OLMoE dataset=lambada order=batch,layer log.strategy=s
@seq batch=0 seq=0 dataset=lambada sample=37 tokens=37 loss=2
@route batch=0 layer=0 rows=10 cols=ids:u8,w:f32,logit:f32:3
@route batch=0 layer=1 rows=10 cols=ids:u8,w:f32,logit:f32:3
@seq batch=1 seq=0 dataset=lambada sample=4 tokens=4 loss=2
@route batch=1 layer=0 rows=4 cols=ids:u8,w:f32,logit:f32:3
@route batch=1 layer=1 rows=4 cols=ids:u8,w:f32,logit:f32:3' frames olmoe.json
# BH runner: five tokens of up to six picks padded to six, the first 20 of 21 weights flat
ones=$(seq 20 | sed 's|.*|0.125|' | paste -sd, -)
cat >bh.json <<X
{"config": "bh", "strategy": "bh", "num_experts": 8, "dataset": "d", "samples": [{"sample_id": 1, "num_tokens": 30, "loss": 1, "layers": [{"layer": 4,
"router_logits_shape": [30, 8], "router_logits_sample": [[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8]],
"selected_experts": [[7,6,5,-1,-1,-1],[7,6,5,4,3,2],[7,6,5,4,3,2],[7,6,-1,-1,-1,-1],[7,6,5,4,-1,-1]], "expert_weights": [$ones],
"expert_counts": [3, 6, 6, 2, 4], "layer_stats": {"avg_experts": 4.2, "std_experts": 1.8, "ceiling_hits": 2, "floor_hits": 0}}]}]}
X
is 'BH runner: padding is no pick, weights go in turn' '7,6,5,-,-,- 0.125,0.125,0.125,0,0,0;7,6,5,4,3,2 0.125,0.125,0.125,0.125,0.125,0.125;7,6,5,4,3,2 0.125,0.125,0.125,0.125,0.125,0.125;7,6,-,-,-,- 0.125,0.125,0,0,0,0;7,6,5,4,-,- 0.125,0.125,0.125,0,0,0;' \
	sh -c 'log2trace -q -t bh.json | sed 1,3d | cut -f 4,5 | tr "\t\n" " ;"'
is 'and the one that it has cut off is told' 'log2trace: bh.json: 1 picks have no weight in the log: 0' log2trace -o x bh.json
is 'counts of picks leave padding out' 21 sh -c 'log2trace -q bh.json | expert-load -t | awk "!/^#/ { n += \$4 } END { print n }"'
# a layer that a sample lacks
printf '{"samples": [{"layers": [{"layer": 1, %s}, {"layer": 9, %s}]}, {"layers": [{"layer": 9, %s}]}]}' "$L" "$L" "$L" >gap.json
is 'layers are those seen, of whichever sample' 'layers=2 map=1,9 0:1 0:9 1:9' sh -c 'log2trace gap.json | trace-heads | sed -n "s/^@trace.* \(layers=[0-9]*\).* \(map=[^ ]*\).*/\1 \2/p; s/^@route batch=\(.*\) layer=\([0-9]*\).*/\1:\2/p" | xargs'
log "{\"layer\": 5, $L, $I, \"expert_weights\": [[0.5, 0.25], [NaN, 0.001]]}" | sed 's/"loss": 1.5/"loss": NaN/' >nan2.json
is 'NaN among weights drops the row, as a loss it is none' '@seq batch=0 seq=0 dataset=d sample=7 tokens=9
@route batch=0 layer=5 rows=1 cols=ids:u8:2,w:f32:2,logit:f32:3' sh -c 'sed 1d <<X
$(log2trace --no-prog -q nan2.json | trace-heads | sed "s/ bytes=.*//; s/ crc=.*//; s/ *$//; /^@end/d")
X'
is 'of bf16 logits, a weight 3e-3 off' '1 0' sh -c 'sed "s/0.66524]/0.66824]/" v.json >near.json; log2trace -q --verify near.json >x 2>&1; printf "$? "; log2trace -q --verify --tolerance 4e-3 near.json >x 2>&1; printf $?'
while IFS='|' read -r layer regex; do
	fails 2 "refused:$regex" "log '$layer' >r; log2trace r" "^log2trace: r:$regex"
done <<'X'
{"layer": 1, "router_logits_sample": [[1, 2], [3]]}|1:.*: sample 7, layer 1, row 1: 1 numbers, the row before has 2$
{"router_logits_sample": [[[1, 2], [3]]]}|1:.*: sample 7, layer .0., row 1: 1 numbers
{"layer": 1, "selected_experts": [[0, 1], [0, 1], [1]]}|1:.*: sample 7, layer 1, row 2: 1 numbers, the row before has 2$
{"layer": 1, "router_logits_sample": [[1], [2]], "expert_weights": [[0.5], [0.5, 1]]}|1:.*: sample 7, layer 1, row 1: 2 numbers, the row before has 1$
{"layer": 1, "router_logits_sample": [[1.5é]]}|1:.*: ',' or '.' expected$
{"layer": 1, "router_logits_sample": [[1, 2]]}, {"layer": 2, "router_logits_sample": [[1]]}|1: sample 7, layer 2, row 0: 1 logits, the first row of the log has 2
{"layer": 1, "router_logits_sample": [[1, 2]], "selected_experts": [[0], [1]]}|1: sample 7, layer 1: 1 rows of logits, 2 of experts
{"layer": 1, "router_logits_sample": [[1, 2]], "selected_experts": [[2]]}|1: sample 7, layer 1, row 0: expert 2 of 2
{"layer": 1, "selected_experts": [[-2]]}|1: sample 7, layer 1, row 0: expert
{"layer": 1, "router_logits_sample": [[[1]], [[2]]]}|1:.*a batch of more than one
{"router_logits_sample": [[1]]}|1: sample 7, layer .0.: no "layer"
{"layer": 1, "router_logits_sample": [1]}|1: sample 7, layer 1: a flat list
{"layer": 1, "router_logits_sample": [[1, x]]}|1:145: a number expected
{"layer": 1, "router_logits_sample": [[01]]}|1:142: a number expected
{"layer": 1, "router_logits_sample": [[1.]]}|1:142: a number expected
{"layer": 1, "router_logits_sample": [[1e39]]}|1:142: a number expected, that fits f32
{"layer": 1, "router_logits_sample": [[1,]]}|1:144: a number expected
{"layer": 1, "selected_experts": [[1.5]]}|1:138: an expert
{"layer": 1.5}|1:113: layer is no integer
{"layer" 1}|1:112: ':' expected
{"layer": 1, "router_logits_sample": [[1]]}, {"layer": 1}|.* sample 7 has layer 1 twice
{"layer": 1, "x": tru}|1:121: a value expected
X
fails 2 'no log' 'echo "{\"experiment\": 1}" | log2trace' 'standard input: no "samples"'
fails 2 'text behind it' 'echo "{\"samples\": []} x" | log2trace' '1:17: text after the log'
fails 2 '-k alone' "log2trace -k 2 v.json" 'goes with --recompute'
fails 2 'which k' "log '{\"layer\": 5, $L}' | log2trace --recompute" 'Give -k'
fails 2 'a full disk' 'log2trace v.json >/dev/full' 'No space'
size=$(wc -c <v.json) n=0 bad=
while [ $n -lt "$size" ]; do
	head -c $n v.json | log2trace >/dev/null 2>err && bad="$bad $n"
	[ "$(wc -l <err)" = 1 ] || bad="$bad lines:$n"
	n=$((n + 1))
done
is 'every prefix is refused in one line' '' echo "$bad"

[ -f "$LOG" ] || { skip_one 'no data' && done_testing && exit; }
ok 'the semi-real log verifies' log2trace --verify -o a "$LOG"
ids() { log2trace "$@" "$LOG" | trace2jsonl | grep -o '"ids":.*\]\],"w"'; }
same 'and is what is recomputed' ids 'ids --recompute'
ok 'it is a whole trace' trace-check a
py=$(command -v python3 || command -v /usr/bin/python3) || { skip_one 'no python3' && done_testing && exit; }
cat >prop.py <<'PY'
"""Logs of any shape and layout, and the numbers that they hold as f32."""
import json, random, struct, sys
r = random.Random(int(sys.argv[1]))
f32 = lambda x: struct.unpack('f', struct.pack('f', x))[0]
E, K, deep = r.randint(3, 300), r.randint(2, 3), r.random() < .5
wrap = lambda m: [m] if deep else m
def num():
    x = r.gauss(0, 1) * 10 ** r.randint(-12, 12)
    return r.choice([x, f32(x), round(x, 3), int(x) % 1000, 0.0, -0.0, 1e-41, 16777217, 0.1 + f32(x)])
samples, want = [], []
for s in range(r.randint(1, 4)):
    layers = []
    for l in r.sample(range(40), r.randint(1, 3)):
        T = r.randint(1, 30)
        x, w = [[[num() for _ in range(n)] for _ in range(T)] for n in (E, K)]
        i = [r.sample(range(E), K) for _ in range(T)]
        d = {'layer': l, 'router_logits_sample': wrap(x), 'selected_experts': wrap(i), 'expert_weights': wrap(w), 'z': [{}, [], None]}
        k = list(d)
        r.shuffle(k)
        layers.append({a: d[a] for a in k})
        for t in range(T): want.append((s, l, t, i[t], [f32(v) for v in w[t] + x[t]]))
    samples.append({'layers': layers, 'sample_id': s})
json.dump({'samples': samples, 'config': 'x'}, open('in', 'w'), indent=r.choice([None, 0, 2, 9]), separators=r.choice([None, (',', ':')]))
with open('want', 'w') as f:
    for a in sorted(want): print(*a[:4], struct.pack('>%df' % len(a[4]), *a[4]).hex(), file=f)
PY
cat >read.py <<'PY'
import json, struct, sys
for line in sys.stdin:
    x = json.loads(line, parse_int=lambda s: -0.0 if s == '-0' else int(s))
    for t, (i, w, l) in enumerate(zip(x.get('ids', []), x.get('w', []), x.get('logit', []))):
        print(x['batch'], x['layer'], t, i, struct.pack('>%df' % len(w + l), *(w + l)).hex())
PY
bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py prop.py $seed && log2trace in | trace2jsonl | $py read.py | cmp -s - want || bad="$bad $seed"
done
is 'numbers as Python rounds them, any layout, 20 seeds' '' echo "$bad"
done_testing
