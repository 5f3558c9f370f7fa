#!/bin/sh
# expert-load --metrics: by hand, beside numpy, from counts alone, of shards.
. "${0%/*}/lib.sh"
trace() { # EXPERTS K FRAME: a section of one
	printf '%s\n' "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":$1,\"topk\":$2}" "$3" \
		'{"kind":"end","frames":1}' | jsonl2trace
}
# Four rows of two experts, k 1: softmax 3/4 to the first three times, to the other once.
trace 2 1 '{"kind":"route","layer":0,"rows":4,"cols":"ids:u8:1,w:f32:1,logit:f32:2","ids":[0,0,0,1],"w":[0.5,0.25,0.75,1],"logit":[[1.0986123,0],[1.0986123,0],[1.0986123,0],[0,1.0986123]]}' >x
col() { # NAME FILE [OPTION...]: of the first table
	name=$1 && shift
	expert-load --metrics -t "$@" | awk -F'\t' -v c="$name" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) n = i }
		NR == 2 { print n ? sprintf("%.6g", $n) + 0 : "none" }'
}
while read -r name want options; do
	is "by hand: $name $options" "$want" col "$name" x $options
done <<!
n_tokens 4
n_routes 4
mean 2
deviation 1
cv 0.5
max_mean 1.5
min_mean 0.5
max_share 0.75
entropy 0.562335
entropy_norm 0.811278
active 2
active_share 1
dead 0
token_experts 1
expert_tokens 2
expert_tokens_deviation 1
topk_prob 0.75
aux_loss 1.125
rank_max_mean none
n_dropped none
dropped_weight none --capacity-factor 1
rank_max_mean 1.5 --ranks 2
rank_cv 0 --ranks 1
n_dropped 1 --capacity-factor 1
drop_rate 0.25 --capacity-factor 1
n_dropped 0 --capacity-factor 1.5
n_dropped 2 --capacity-factor 0.5
dropped_weight 0.3 --capacity-factor 1 --drop-order token
dropped_weight 0.1 --capacity-factor 1 --drop-order weight
!
counts() { # N_TOKENS COUNT...: a count frame
	tokens=$1 && shift
	trace $# 1 "{\"kind\":\"count\",\"layer\":0,\"n_tokens\":$tokens,\"rows\":$#,\"cols\":\"n:u64\",\"n\":[$(echo "$*" | tr ' ' ,)]}"
}
values() { # FIELDS FILE [OPTION...]: of the first table
	fields=$1 && shift
	expert-load --metrics -t "$@" | sed -n 2p | cut -f"$fields" | tr '\t' ' '
}
counts 0 0 0 0 >none
is 'no picks: 0, and what has no mean is nan' '0 0 0 0 0 0 0 0 0 0 0 3 nan nan nan nan nan 0 0' \
	values 3-5,7- none --capacity-factor 1
counts 9 9 >one
is 'one expert: entropy_norm is 0' '9 9 9 0 0 1 1 1 0 0 1 1 0 nan nan nan nan nan' values 3- one
counts 110 11 9 10 10 10 10 10 10 10 10 10 >c
is '1.1 times 10 is 11: nothing is rounded up' '0 0' values 21- c --capacity-factor 1.1

# A row that repeats an expert, an empty slot, a pick that was dropped.
trace 3 3 '{"kind":"route","layer":0,"rows":2,"cols":"ids:u8:3,dropped:u8:3","ids":[[0,0,1],[2,255,1]],"dropped":[[0,0,1],[0,0,0]]}' >odd
is 'an expert twice is one of a row' '5 2' echo "$(col n_routes odd)" "$(col token_experts odd)"
is '--kept' '4 1.5' echo "$(col n_routes odd --kept)" "$(col token_experts odd --kept)"

gen='--logits --layers 2 --batches 3 --rows 200 --experts 24 -k 3 --zipf 1'
all='--metrics --ranks 4 --capacity-factor 1.25 --drop-order'
s=1
while [ $s -le 20 ]; do
	trace-gen $gen -s $s -o a
	trace-filter -b 0 -o a0 a && trace-filter -b 1-2 -o a1 a
	same "seed $s: shards, in any order" "expert-load $all weight -t a" "expert-load $all weight -t a1 a0"
	same "seed $s: counts of shards tell what counts tell" "expert-load --metrics -t a | cut -f1-15" \
		"(expert-load a1; expert-load a0) | expert-load --metrics -t | cut -f1-15"
	s=$((s + 1))
done
expert-load -o counted a
is 'and nan for what they do not' 'nan nan nan nan nan' values 16- counted
is 'half of it from counts: nan, too' 'nan nan nan nan nan' \
	sh -c "{ expert-load a0; cat a1; } | expert-load --metrics -t | sed -n 2p | cut -f16- | tr '\t' ' '"
is 'weights that came as counts are not known' nan values 25 counted --ranks 4 --capacity-factor 1.25 --drop-order token
is 'a table a batch and layer' 6 sh -c "expert-load --metrics --by-batch a | grep -ac '^@table name=metrics layer=. batch='"
same 'each is that of the batch alone' "expert-load $all token --by-batch -t a | awk -F'\t' '\$3 == 1' | cut -f4-" \
	"trace-filter -b 1 a | expert-load $all token -t | sed 1d | cut -f3-"
same 'only these layers' "expert-load --metrics -t a | sed -n '1p;3p'" 'expert-load --metrics -l 1 -t a'
trace-gen --logits --rows 1000 --experts 16 -k 1 --zipf 1 -o k1
is 'drops as many as trace-route --rule capacity' \
	"$(trace-route --rule capacity --capacity-factor 1.2 -t k1 | awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "dropped") c = i }
		NR > 1 { n += $c } END { print n }')" col n_dropped k1 --capacity-factor 1.2

if python3 -c 'import numpy' 2>/dev/null; then
	cat >second.py <<'PY'
import json, math, subprocess, sys
import numpy as np
name, order, factor, ranks = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
def exact(x, kind): # the number that the text stands for
    x = np.array(x, dtype=np.float16 if kind == 'f16' else np.float32)
    if kind == 'bf16':
        x = ((x.view(np.uint32) + 0x8000) & 0xffff0000).view(np.float32)
    return x.astype(float)
run = lambda *a: subprocess.run(a, capture_output=True, text=True, check=True).stdout.splitlines()
num = lambda s: [float(x) for x in s.split(',')]
layers = {}
for line in run('trace-filter', '-t', name)[1:]:
    b, layer, row, ids, w, logit = line.split('\t')
    layers.setdefault(int(layer), []).append((num(ids), num(w), num(logit)))
got = [l.split('\t') for l in run('expert-load', '--metrics', '--ranks', str(ranks), '--capacity-factor',
       str(factor), '--drop-order', order, '-t', name)]
head = got[0]
head[0] = head[0].lstrip('# ')
for g in got[1:]:
    g = dict(zip(head, g))
    rows = layers[int(g['layer'])]
    ids = np.array([r[0] for r in rows]).astype(int)
    w = exact([r[1] for r in rows], sys.argv[5])
    x = exact([r[2] for r in rows], sys.argv[6])
    T, k = ids.shape
    E = x.shape[1]
    c = np.bincount(ids.ravel(), minlength=E)
    R, p = c.sum(), c / c.sum()
    soft = np.exp(x - x.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    H = -sum(q * math.log(max(q, 1e-12)) for q in p)
    C = math.ceil(round(factor * R / E, 9))
    lost = 0.0
    for e in range(E):
        mine = [w[t, i] for t in range(T) for i in range(k) if ids[t, i] == e]
        if order == 'weight':
            mine.sort(reverse=True)
        lost += sum(mine[C:])
    load = c.reshape(ranks, -1).sum(1)
    want = dict(n_tokens=T, n_routes=R, mean=c.mean(), deviation=c.std(), cv=c.std() / c.mean(),
        max_mean=c.max() / c.mean(), min_mean=c.min() / c.mean(), max_share=p.max(), entropy=H,
        entropy_norm=H / math.log(E), active=(c > 0).sum(), active_share=(c > 0).mean(), dead=(c == 0).sum(),
        token_experts=np.mean([len(set(r)) for r in ids]), expert_tokens=c.mean(), expert_tokens_deviation=c.std(),
        topk_prob=np.sort(soft, 1)[:, -k:].sum(1).mean(), aux_loss=E * (p * soft.mean(0)).sum(),
        rank_max_mean=load.max() / load.mean(), rank_cv=load.std() / load.mean(),
        n_dropped=np.maximum(c - C, 0).sum(), drop_rate=np.maximum(c - C, 0).sum() / R, dropped_weight=lost / w.sum())
    if set(want) != set(head[2:]):
        print('columns:', set(want) ^ set(head[2:]))
    for key in want:
        if not abs(float(g[key]) - want[key]) <= 1e-9 * max(1, abs(want[key])):
            print(g['layer'], key, g[key], want[key])
    print('layer', g['layer'], 'dropped' if lost else 'kept all')
PY
	for order in token weight; do
		for type in f32 bf16 f16; do
			trace-gen --logits --logit-type $type --layers 2 --rows 400 --experts 60 -k 4 --zipf 1.5 -o p
			is "numpy says the same: $order, $type" 'layer 0 dropped
layer 1 dropped' python3 second.py p $order 1.1 5 f16 $type
		done
	done
	trace-gen --logits --rows 300 --experts 300 -k 2 --zipf 2 -w f32 -o p
	is 'and of dead experts' 'layer 0 dropped' python3 second.py p weight 3 10 f32 f32
else
	skip_one 'no python3-numpy'
fi
fails 2 'ranks that do not divide' 'expert-load --metrics --ranks 5 a' '5 ranks do not divide 24 experts'
fails 2 'ranks of nothing' 'expert-load --ranks 4 a' 'ranks: only with --metrics'
fails 2 'an order of no capacity' 'expert-load --metrics --drop-order token a' 'only with --capacity-factor'
fails 2 'a capacity of 0' 'expert-load --metrics --capacity-factor 0 a' 'not above 0'
fails 2 'not with a summary' 'expert-load --metrics --summary a' 'not with --summary'
trace 2 1 '{"kind":"route","layer":0,"rows":2,"cols":"ids:u8:1,logit:f32:2","ids":[1,1],"logit":[[0,1],[0,"nan"]]}' >nan
fails 2 'no number' 'expert-load --metrics nan' 'row 1: a logit that is no number'
trace 3 1 '{"kind":"route","layer":0,"rows":1,"cols":"ids:u8:1,logit:f32:3","ids":[1],"logit":[[0,0,"-inf"]]}' >masked
is 'an expert that is masked has probability 0' '0.5 1.5' echo "$(col topk_prob masked)" "$(col aux_loss masked)"
trace 2 1 '{"kind":"route","layer":0,"rows":1,"cols":"ids:u8:1,logit:f32:2","ids":[1],"logit":[["-inf","-inf"]]}' >all
fails 2 'nor are all' 'expert-load --metrics all' 'row 0: a logit that is no number'
trace 2 1 '{"kind":"route","layer":0,"rows":1,"cols":"ids:u8:1,w:f32:1","ids":[1],"w":["nan"]}' >weight
fails 2 'a weight' 'expert-load --metrics --capacity-factor 1 --drop-order token weight' 'row 0: a weight that is no number'
trace 3 1 '{"kind":"route","layer":0,"rows":1,"cols":"ids:u8:1,logit:f32:2","ids":[1],"logit":[[0,1]]}' >two
fails 2 'logits of fewer' 'expert-load --metrics two' '2 logits of 3 experts'
done_testing
