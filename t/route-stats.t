#!/bin/sh
# route-stats: against Python's own sums; of the worked example; in any order.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >make.py <<'PY'
import json, random, sys
random.seed(int(sys.argv[1]))
E = 12
frames = []
for b in range(3):
    for l in (1, 4):
        T = random.randint(1, 9)
        x = [[round(random.gauss(0, 2), 3) for _ in range(E)] for _ in range(T)]
        frames.append({"kind": "route", "batch": b, "layer": l, "rows": T, "cols": "logit:f32:%d,p:f64:%d" % (E, E),
                       "logit": x, "p": [[min(1, 2.0 ** -y / 8) for y in r] for r in x]})
def put(name, fs):
    with open(name, 'w') as o:
        print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "map": "1,4", "experts": E, "topk": 1}), file=o)
        for f in fs:
            print(json.dumps(f), file=o)
        print(json.dumps({"kind": "end", "frames": len(fs)}), file=o)
put('x.jsonl', frames)
random.shuffle(frames)
for f in frames:
    rows = list(zip(f['logit'], f['p']))
    random.shuffle(rows)
    f['logit'], f['p'] = [r[0] for r in rows], [r[1] for r in rows]
put('y.jsonl', frames)
PY
cat >want.py <<'PY'
import json, math, struct, sys
lo, hi, E = int(sys.argv[1]), int(sys.argv[2]), 12
rows = {}
for line in open('r.jsonl'):
    f = json.loads(line)
    if f['kind'] == 'route':
        for i in range(f['rows']):
            ids = [k for k in f['ids'][i] if k is not None and k >= 0 and k < E]
            rows.setdefault(f['layer'], []).append((ids, [struct.unpack('f', struct.pack('f', y))[0] for y in f['w'][i]], f['best_rank'][i], f.get('hc_max', [None] * f['rows'])[i]))
def mean(v):
    return sum(v) / len(v)
def std(v):
    return math.sqrt(sum((x - mean(v)) ** 2 for x in v) / (len(v) - 1)) if len(v) > 1 else math.nan
def stats(by):
    r = [x for v in by for x in v]
    n = [len(x[0]) for x in r]
    used = sum(len({e for ids, w, *_ in v for e, y in zip(ids, w) if y > 0.01}) for v in by) / (E * len(by))
    out = [len(n), mean(n), std(n), min(n), max(n), mean([-sum(y * math.log(y + 1e-10) for y in x[1]) for x in r]),
           1 - sum(y > 0 for x in r for y in x[1]) / (len(n) * E), 100 * mean([k <= lo for k in n]),
           100 * mean([k >= hi for k in n]), 100 * mean([lo < k < hi for k in n]), 100 * mean([k == 1 for k in n]), used]
    ranks = [x[2] for x in r if x[2]]
    if ranks:
        out += [mean(ranks), std(ranks)]
    if r[0][3] is not None:
        h = [x[3] for x in r]
        out += [mean(h), std(h), mean([x > 0 for x in h])]
    return out
want = [stats([rows[l]]) for l in sorted(rows)] + [stats(list(rows.values()))]
got = [l.rstrip('\n').split('\t') for l in sys.stdin if not l.startswith('#')]
got = [[float(x) for x in g[1 if g[0].endswith('all') else 2:]] for g in got]
if len(got) != len(want) or any(len(g) != len(w) for g, w in zip(got, want)):
    print('shape', got, want)
for g, w in zip(got, want):
    for a, b in zip(g, w):
        if not (abs(a - b) <= 1e-11 * max(1, abs(b)) or (a != a and b != b)):
            print(a, b, g)
PY
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py make.py $s
	for f in x y; do jsonl2trace --no-prog -o $f $f.jsonl; done
	for rule in "hc --beta auto" "hc --beta 0.4" "bh --alpha 0.3"; do
		for f in x y; do
			# shellcheck disable=SC2086
			trace-route --no-prog --rule $rule --best --min-k 2 --max-k 6 -o $f.r $f
			route-stats --no-prog --min-k 2 -o $f.s $f.r
		done
		trace2jsonl -o r.jsonl x.r
		route-stats -t --min-k 2 x.r | $py want.py 2 6
		route-stats -t --min-k 3 --max-k 4 x.r | $py want.py 3 4
		cmp x.s y.s || echo "$s: $rule: order"
	done
done >wrong 2>&1
is 'counts, weights, ranks, HC, by layer and over all, in any order: 20 seeds' '' cat wrong

cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":3}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
logit-kde -o k w
# of HC .4391517162 1.7153763085 .6406610736 1.0749276650
is 'the worked example, beta 0.5' 'tokens 4;mean 2.750;floor 25.000;one 25.000;rank_mean 2.750;hc_mean 0.9675291908;signal 1.000;' sh -c "
	trace-route --rule hc --beta 0.5 --max-k 8 --best -m k w | route-stats -t | sed 2q | awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) at[\$i] = i }
	NR == 2 { printf \"tokens %s;mean %.3f;floor %.3f;one %.3f;rank_mean %.3f;hc_mean %.10f;signal %.3f;\", \$at[\"tokens\"], \$at[\"mean\"], \$at[\"floor\"], \$at[\"one\"], \$at[\"rank_mean\"], \$at[\"hc_mean\"], \$at[\"signal\"] }'"
is 'no rank columns without --best' 0 sh -c 'trace-route w | route-stats -t | grep -c "rank_mean\|hc_mean\|signal"'
is 'no rank at all is no rank' '0 17 0' sh -c "sed 's/logit:f32:8\"/logit:f32:8,p:f64:8\"/; s/\]\]}/]],\"p\":[[1,1,1,1,1,1,1,1],[1,1,1,1,1,1,1,1],[1,1,1,1,1,1,1,1],[1,1,1,1,1,1,1,1]]}/' w.jsonl | jsonl2trace | trace-route --rule hc --beta 0.5 --min-k 5 --max-k 6 --best | route-stats -t | awk -F'\t' 'NR == 2 { print \$(NF - 2), NF, \$NF }'"
cat >e.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":3}
{"kind":"route","layer":0,"rows":3,"cols":"ids:u16:3,w:f64:3","ids":[[0,1,2],[3,4,null],[null,null,null]],"w":[[0.985,0.01,0.005],[1,0,0],[0,0,0]]}
{"kind":"end","frames":1}
E
is 'a weight of 0, of 0.01, below it; a row without picks' '0.833 33.3 33.3 33.3 0.0 0.250' sh -c "jsonl2trace e.jsonl | route-stats -t | awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) at[\$i] = i }
	NR == 2 { printf \"%.3f %.1f %.1f %.1f %.1f %.3f\", \$at[\"zero\"], \$at[\"floor\"], \$at[\"ceiling\"], \$at[\"mid\"], \$at[\"one\"], \$at[\"used\"] }'"
fails 2 'no weights' 'trace-filter --drop w -o n "$TOP/examples/small.trace" && route-stats n' 'no column w'
fails 2 'no routes' 'route-stats k' 'no routes of those layers'
fails 2 'a weight below 0' "trace-route -k 8 --softmax none w | route-stats" 'a weight below 0'
ok 'cuts and flips' "$BUILD/t/flip" 7 x.r route-stats
done_testing
