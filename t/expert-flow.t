#!/bin/sh
# expert-flow: by hand, beside numpy, of shards, in any order, journeys, refusals.
. "${0%/*}/lib.sh"
py=$(command -v /usr/bin/python3 || command -v python3)
[ -n "$py" ] || skip 'no python3'
$py -c 'import numpy' 2>/dev/null || skip 'no python3-numpy'
# Layers 1, 3, 7; rows of a batch in two frames, out of order; a token that skips layer 3.
cat >x.jsonl <<'!'
{"kind":"trace","v":1,"layers":3,"map":"1,3,7","experts":3,"topk":2}
{"kind":"route","batch":0,"layer":3,"rows":2,"cols":"ids:u8:2,row:u32","ids":[[2,0],[1,2]],"row":[2,0]}
{"kind":"route","batch":0,"layer":1,"rows":2,"cols":"ids:u8:2","ids":[[0,1],[1,255]]}
{"kind":"route","batch":0,"layer":1,"row0":2,"rows":1,"cols":"ids:u8:2,dropped:u8:2","ids":[[2,1]],"dropped":[[1,0]]}
{"kind":"route","batch":0,"layer":7,"rows":3,"cols":"ids:u8:2","ids":[[0,1],[1,0],[255,255]]}
{"kind":"route","batch":1,"layer":1,"rows":1,"cols":"ids:u8:2","ids":[[0,1]]}
{"kind":"end","frames":5}
!
jsonl2trace x.jsonl >x
flows() { expert-flow -t "$@" | sed 1d | tr '\t\n' '  ' | sed 's/ $//'; }
is 'by hand: the same token alone, the next layer of the map' \
	'1 3 2 0 0,1,0 1 3 2 1 0,0,0 1 3 2 2 0,0,1 3 7 2 0 0,0,0 3 7 2 1 1,0,0 3 7 2 2 0,0,0' flows x
is 'one layer' '3 7 2 0 0,0,0 3 7 2 1 1,0,0 3 7 2 2 0,0,0' flows -l 3 x
is '--kept' '1 3 2 0 0,1,0 1 3 2 1 0,0,0 1 3 2 2 0,0,0' sh -c "expert-flow --kept -l 1 -t x | sed 1d | tr '\t\n' '  ' | sed 's/ \$//'"
is 'pairs of two picks' '1 3 2 2 0 0,1,1 1 3 2 2 1 1,1,2 1 3 2 2 2 1,0,1' flows -k 2 -l 1 x
is 'a journey ends where a layer has no pick' '0 0 0 1 0,0 0 0 3 1,0 0 0 7 0,' \
	sh -c "expert-flow --journeys 5 -t x | sed 1d | cut -f2- | tr '\t\n' ' ,'"
stat() { # NAME FILE
	expert-flow --stats -t "$2" | awk -F'\t' -v c="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) n = i }
		NR == 2 { printf "%.6g\n", $n }'
}
# A copy of the layer before, and one that has nothing to do with it.
two() { printf '%s\n' '{"kind":"trace","v":1,"layers":2,"experts":2,"topk":1}' \
	'{"kind":"route","layer":0,"rows":4,"cols":"ids:u8:1","ids":[0,0,1,1]}' \
	"{\"kind\":\"route\",\"layer\":1,\"rows\":4,\"cols\":\"ids:u8:1\",\"ids\":[$1]}" '{"kind":"end","frames":2}' | jsonl2trace; }
two 1,1,0,0 >swap
two 0,1,0,1 >free
for x in 'transitions 4 4' 'unique_pairs 2 4' 'persistence 0 0.5' 'persistence_chance 0.5 0.5' 'from_bits 1 1' 'to_bits 1 1' \
	'cond_bits 0 1' 'mi_bits 1 0' 'mi_bias_bits -0.180337 0.180337' 'mi_corrected_bits 1.18034 -0.180337' 'top1 1 0.5' 'top1_popular 0.5 0.5'; do
	# shellcheck disable=SC2086
	set -- $x
	is "stats: $1" "$2 $3" echo "$(stat "$1" swap)" "$(stat "$1" free)"
done
cat >second.py <<'!'
import json, sys
import numpy as np
k, picks, layers = int(sys.argv[3]), {}, set()
for line in open(sys.argv[1]):
    f = json.loads(line)
    if f['kind'] == 'trace':
        E, order = f['experts'], [1, 5, 6]
    elif f['kind'] == 'route':
        for i, ids in enumerate(f['ids']):
            r = f['row'][i] if 'row' in f else f.get('row0', 0) + i
            picks[f['batch'], f['layer'], r] = (ids if isinstance(ids, list) else [ids])[:k]
def H(c):
    p = np.asarray(c, float).ravel() / np.sum(c)
    p = p[p > 0]
    return -(p * np.log2(p)).sum()
want = {}
for (b, l, r), a in picks.items():
    i = order.index(l)
    if i + 1 < len(order) and (b, order[i + 1], r) in picks:
        m = want.setdefault((l, order[i + 1]), np.zeros((E, E), int))
        for x in a:
            for y in picks[b, order[i + 1], r]:
                m[x, y] += 1
bad = 0
for line in open(sys.argv[2]):
    g = json.loads(line)
    if g['kind'] == 'flow':
        bad += not np.array_equal(want[g['layer'], g['to']], g['n'])
    elif g['kind'] == 'table':
        m = want[g['layer'], g['to']]
        p, q, N = m.sum(1), m.sum(0), m.sum()
        bias = ((m > 0).sum() - (p > 0).sum() - (q > 0).sum() + 1) / (2 * N * np.log(2))
        mi = H(p) + H(q) - H(m)
        w = dict(transitions=N, unique_pairs=(m > 0).sum(), persistence=np.trace(m) / N, persistence_chance=p @ q / N / N,
            from_bits=H(p), to_bits=H(q), cond_bits=H(m) - H(p), mi_bits=mi, mi_bias_bits=bias,
            mi_corrected_bits=mi - bias, top1=m.max(1).sum() / N, top1_popular=q.max() / N)
        for name, x in w.items():
            if not np.isclose(np.ravel(g[name])[0], x, rtol=1e-9, atol=1e-12):
                print(g['layer'], name, g[name], x)
    else:
        continue
    layers.add((g['kind'], g['layer']))
print(bad, len(layers), len(want))
!
s=1
while [ $s -le 20 ]; do
	trace-gen -s $s --layers 3 --map 1,5,6 --batches 5 --rows 150 --experts $((s * 17)) -k 3 --chain 0.4 -o a
	trace-split -n 3 -o p- a
	for f in p-?.trace; do expert-flow -o "$f.f" "$f"; done
	ok "seed $s: the sum of shards" sh -c 'trace-sum p-?.trace.f | trace-cmp - "$0"' "$(expert-flow -o whole a && echo whole)"
	same "seed $s: and what it tells" 'cat p-?.trace.f | expert-flow --stats -t' 'expert-flow --stats -t a'
	same "seed $s: in any order" 'trace-sort --order layer,batch a | expert-flow -t' 'expert-flow -t a'
	same "seed $s: frames of other sizes" 'trace-rows -n 64 a | expert-flow -k 2 -t' 'expert-flow -k 2 -t a'
	same "seed $s: journeys in any order" 'trace-sort --order layer,batch a | expert-flow --journeys 9 -t' 'expert-flow --journeys 9 -t a'
	trace-filter --sample 0.7 a | trace2jsonl >a.jsonl
	{ jsonl2trace a.jsonl | expert-flow -k 2; jsonl2trace a.jsonl | expert-flow -k 2 --stats; } | trace2jsonl >got
	is "seed $s: beside numpy, rows taken out" '0 4 2' "$py" second.py a.jsonl got 2
	s=$((s + 1))
done
same 'two sections are not one' 'cat a a | expert-flow -t' 'expert-flow -o f a && trace-sum f f -t'
is 'sections of layers of their own' '5 6' sh -c "{ trace-filter -l 1 a; trace-filter -l 5,6 a; } | expert-flow -t | sed 1d | cut -f1,2 | sort -u | tr '\t' ' '"
is 'layers that are left are neighbours' '1 6' sh -c "trace-filter -l 1,6 a | expert-flow -t | sed 1d | cut -f1,2 | sort -u | tr '\t' ' '"
same 'as many journeys as tokens: each once' "expert-flow --journeys 9999 -t a | awk -F'\t' '\$5 == 5 { n[\$6]++ } END { for (e in n) print e, n[e] }' | sort" \
	"trace2jsonl a | $py -c '
import collections, json, sys
n = collections.Counter()
for f in map(json.loads, sys.stdin):
    if f[\"kind\"] == \"route\" and f[\"layer\"] == 5: n.update(i[0] for i in f[\"ids\"])
for e in n: print(e, n[e])' | sort"
is 'the first journeys of more' 0 sh -c 'expert-flow --journeys 5 -t a | cut -f3- >few; expert-flow --journeys 50 -t a | cut -f3- >many; grep -vxcFf many few'
ok 'another seed, other tokens' sh -c '! expert-flow --journeys 5 -s 2 -t a | cut -f3- | cmp -s - few'
cat >late.jsonl <<'!'
{"kind":"trace","v":1,"layers":1,"experts":3,"topk":1,"order":"batch,layer"}
{"kind":"route","batch":1,"layer":0,"rows":1,"cols":"ids:u8:1","ids":[0]}
{"kind":"route","batch":0,"layer":0,"rows":1,"cols":"ids:u8:1","ids":[0]}
{"kind":"end","frames":2}
!
fails 2 'a broken promise' 'jsonl2trace late.jsonl | expert-flow' '@route: batch 0: not in the order that the trace promises'
fails 2 'a row twice' 'sed "s/batch\":1/batch\":0/" late.jsonl | jsonl2trace | expert-flow' 'batch 0: a row is twice'
fails 2 'fewer picks' 'expert-flow -k 4 a' 'batch 0: fewer picks than --topk'
fails 2 'no such layer' 'expert-flow -l 6 a' 'no records for layer 6'
fails 2 'no token goes all the way' 'printf "@trace v=1 layers=2 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8:1 bytes=1\n\1\n@end frames=1\n" | expert-flow --journeys 3' 'no token has a pick in every layer'
fails 2 '--stats of journeys' 'expert-flow --stats --journeys 3 a' 'not with --journeys'
fails 2 'no routing' 'coact a | expert-flow' 'only @coact frames: give it the trace'
fails 2 'an id out of range' "printf '@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\4\n@end frames=1\n' | expert-flow" 'expert out of range'
fails 2 'full disk' 'expert-flow a >/dev/full' 'No space'
ok 'cuts and flips' "$BUILD/t/flip" 7 x expert-flow --stats
done_testing
