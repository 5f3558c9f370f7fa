#!/bin/sh
# pval-stats: against Python's own sums, by layer, by the k-th of a token, by expert.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >make.py <<'PY'
import json, random, sys
random.seed(int(sys.argv[1]))
T, E = 40, 6
p = [[random.random() ** 1.3 for _ in range(E)] for _ in range(T)]
print(json.dumps({"kind": "trace", "v": 1, "layers": 1, "experts": E, "topk": 1}))
print(json.dumps({"kind": "route", "layer": 0, "rows": T, "cols": "p:f64:%d" % E, "p": p}))
print(json.dumps({"kind": "end", "frames": 1}))
PY
cat >want.py <<'PY'
import json, math, sys
p = json.loads(open('p.jsonl').read().split('\n')[1])['p']
E = len(p[0])
def beta(x, k):
    return sum(math.comb(E, j) * x ** j * (1 - x) ** (E - j) for j in range(k, E + 1))
def stats(v, cdf):
    v = sorted(v)
    n = len(v)
    f = [cdf(x) for x in v]
    d = max(max((i + 1) / n - f[i], f[i] - i / n) for i in range(n))
    a2 = -n - sum((2 * i + 1) * (math.log(f[i]) + math.log(1 - f[n - 1 - i])) for i in range(n)) / n
    x = d * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    q = 2 * sum((-1) ** (j - 1) * math.exp(-2 * j * j * x * x) for j in range(1, 200))
    return [n, sum(v) / n, v[0], d, min(max(q, 0), 1) if x > 0.2 else 1, a2] + [sum(y < m for y in v) / n for m in (0.01, 0.05, 0.1)] + [0]
want = {'layer': [stats([x for r in p for x in r], lambda x: x)],
        'kth': [stats([sorted(r)[k] for r in p], lambda x, k=k: beta(x, k + 1)) for k in range(E)],
        'expert': [stats([r[e] for r in p], lambda x: x) for e in range(E)]}[sys.argv[1]]
got = [[float(x) for x in l.split('\t')[-10:]] for l in sys.stdin if not l.startswith('#')]
for g, w in zip(got, want):
    if any(abs(a - b) > 1e-9 * max(1, abs(b)) for a, b in zip(g, w)):
        print(g, w)
if len(got) != len(want):
    print(len(got), len(want))
PY
s=1
while [ $s -le 20 ]; do
	$py make.py $s >p.jsonl
	jsonl2trace -o p p.jsonl
	for by in layer kth expert; do pval-stats -q --by $by -t p | $py want.py $by; done
	s=$((s + 1))
done >wrong 2>&1
is 'mean, least, distances, shares: 20 seeds' '' cat wrong

# a row a layer of 64: the law of the k-th in exact fractions, far tails too
cat >far.py <<'PY'
import json, math, random, sys
from decimal import Decimal, getcontext
from fractions import Fraction
getcontext().prec = 50
random.seed(7)
E, LEAST, MOST = 64, Fraction(1, 2 ** 1074), 1 - Fraction(1, 2 ** 53)
rows = [[random.random() ** a for _ in range(E)] for a in (1, 5, .1)]
rows += [[1e-6 * random.random() for _ in range(E)], [1 - 2 ** -40 * random.random() for _ in range(E)],
         [0.0] * 3 + [5e-324] + [.5] * 58 + [1 - 2 ** -53, 1.0]]
if sys.argv[1] == 'make':
    print(json.dumps({"kind": "trace", "v": 1, "layers": len(rows), "experts": E, "topk": 1}))
    for l, r in enumerate(rows):
        print(json.dumps({"kind": "route", "layer": l, "rows": 1, "cols": "p:f64:64", "p": [r]}))
    print(json.dumps({"kind": "end", "frames": len(rows)}))
    sys.exit()
ln = lambda q: float((Decimal(q.numerator) / Decimal(q.denominator)).ln())
comb = [math.comb(E, j) for j in range(E + 1)]
got = [l.split('\t') for l in sys.stdin if not l.startswith('#')]
seen = set()
for l, r in enumerate(rows):
    for k, x in enumerate(sorted(r), 1):
        x = Fraction(x)
        def law(x):
            term = [comb[j] * x ** j * (1 - x) ** (E - j) for j in range(E + 1)]
            return sum(term[k:]), sum(term[:k])
        f, g = law(x)
        y = min(max(x, LEAST), MOST)
        low, above = law(y)
        cut = int(x != y or low < LEAST or above < LEAST)
        tiny = any(LEAST <= q < 1e-306 for q in (low, above)) # few digits
        a2 = -1 - ln(max(low, LEAST)) - ln(max(above, LEAST))
        g = got[l * E + k - 1]
        seen.add(cut)
        if int(g[3]) != k or abs(float(g[7]) - float(max(f, 1 - f))) > 1e-14 or int(g[13]) != cut or \
                abs(float(g[9]) - a2) > (1 if tiny else 1e-12 * max(1, a2)):
            print(g, float(max(f, 1 - f)), a2, cut)
if len(got) != len(rows) * E or seen != {0, 1}:
    print(len(got), seen)
PY
$py far.py make | jsonl2trace -o far
is 'the k-th of 64 to 12 digits, and what is clipped' '' sh -c "pval-stats --by kth -t far | $py far.py want"
of_all() { printf '{"kind":"trace","v":1,"layers":1,"experts":4,"topk":1}\n{"kind":"route","layer":0,"rows":2,"cols":"p:f64:4","p":[[0.25,%s,0.75,0.5],[0.125,0.375,0.625,0.875]]}\n{"kind":"end","frames":1}\n' "$1" | jsonl2trace | pval-stats -q -t | sed 1d | cut -f "$2"; }
same 'a2 of a p that rounds to 1 is that of 1 - 2^-53' 'of_all 1 8' 'of_all 0.99999999999999988898 8'
same 'of one that is 0, that of 2^-1074' 'of_all 0 8' 'of_all 4.9406564584124654e-324 8'
is 'no a2 is infinite' 6 sh -c "pval-stats -q -t far | sed 1d | cut -f 8 | grep -vc 'inf\|nan'"
is 'clipped: those' '1 1 0 0' sh -c "echo $(of_all 1 12) $(of_all 0 12) $(of_all 0.99999999999999988898 12) $(of_all 4.9406564584124654e-324 12)"
is 'its distance is of p as it is' "$(of_all 1 6)" of_all 0.99999999999999988898 6

# the worked example: 4 tokens, 8 experts, the three best of each
cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":3}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace w.jsonl | trace-route -o w
logit-kde -o k w
logit-pval -m k -o wp w
expert-load -o n w
expert-load --by-batch -o nb w
is 'popularity of the worked example' '1 0 2 3 5 6 7 4' sh -c "pval-stats --by rank --count n -t wp | grep -v '^#' | cut -f 5 | xargs"
is 'the picks that rank' '3 2 2 2 1 1 1 0' sh -c "pval-stats --by rank --count n -t wp | grep -v '^#' | cut -f 6 | xargs"
is 'ranks from 1' '1 2 3 4 5 6 7 8' sh -c "pval-stats --by rank --count n -t wp | grep -v '^#' | cut -f 4 | xargs"
same 'by rank is by expert, in another order' "pval-stats --by rank --count n -t wp | grep -v '^#' | cut -f 5,7- | sort -n" \
	"pval-stats --by expert -t wp | grep -v '^#' | cut -f 4-"
same 'counts of batches are added' "cat n n | pval-stats --by rank --count - -t wp | cut -f 1-5" "pval-stats --by rank --count nb -t wp | cut -f 1-5"
is 'and their sum is told' 6 sh -c "cat n n >nn; pval-stats --by rank --count nn -t wp | sed -n 2p | cut -f 6"
layers() { # 5, then 2
	printf '{"kind":"trace","v":1,"layers":2,"map":"2,5","experts":4,"topk":1}\n'
	printf '{"kind":"route","layer":%s,"rows":1,"cols":"p:f64:4","p":[[%s]]}\n' 5 0.01,0.05,0.1,0.5 2 0.125,0.375,0.625,0.875
	printf '{"kind":"end","frames":2}\n'
}
layers | jsonl2trace -o marks
is 'layers by number' '2 5' sh -c "pval-stats -q -t marks | grep -v '^#' | cut -f 2 | xargs"
is 'a p of a mark is not below it' '0 0.25 0.5' sh -c "pval-stats -q -l 5 -t marks | grep -v '^#' | cut -f 9-11 | xargs"
# 1 - ks_p is sqrt(2 pi) / x exp(-pi^2 / (8 x^2)), x = 1/8 (2 + 0.12 + 0.11 / 2)
is 'ks_p near 1' '5.2e-07' sh -c "pval-stats -q -l 2 -t marks | grep -v '^#' | awk -F'\t' '{ printf \"%.1e\", 1 - \$7 }'"
fails 2 'rank without counts' 'pval-stats --by rank wp' 'count FILE is needed'
fails 2 'counts without rank' 'pval-stats --by expert --count n wp' 'only with --by rank'
fails 2 'no counts in it' 'pval-stats --by rank --count wp wp' 'no count frames: expert-load'
fails 2 'no counts of the layer' "trace-map --layers 0=4 -o n4 n && pval-stats --by rank --count n4 wp" 'no counts of layer 0'
fails 2 'other experts' 'pval-stats --by rank --count n p' 'counts of 8 experts, but p of 6'
is 'a warning that values depend on each other' 1 sh -c 'pval-stats p 2>&1 >/dev/null | grep -c "depend on each other"'
fails 2 'no p-values' 'trace-gen | pval-stats' 'no p-values'
sed 's/\[\[[0-9.]*,/[[1.5,/' p.jsonl | jsonl2trace -o bad
is 'a row with a p that is none' 1 sh -c 'pval-stats --by kth bad 2>&1 >/dev/null | grep -c "1 rows with a p"'
done_testing
