#!/bin/sh
# logit-hist: against Python's own count; shards add up.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >make.py <<'PY'
import json, random, sys
random.seed(int(sys.argv[1]))
print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "experts": 5, "topk": 1}))
for b in range(2):
    for l in (0, 1):
        x = [[round(random.gauss(l, 1) * 64) / 64 for _ in range(5)] for _ in range(30)]
        print(json.dumps({"kind": "route", "batch": b, "layer": l, "rows": 30, "cols": "logit:f32:5", "logit": x}))
print(json.dumps({"kind": "end", "frames": 4}))
PY
cat >want.py <<'PY'
import json, math, sys
of, bins, lo, hi, experts = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:] == ['experts']
for layer in (0, 1):
    n = [[0] * bins for _ in range(5 if experts else 1)]
    for line in open('x.jsonl'):
        f = json.loads(line)
        if f['kind'] != 'route' or f['layer'] != layer:
            continue
        for r in f['logit']:
            e = [math.exp(x - max(r)) for x in r]
            v = r if of == 'logit' else [x / sum(e) for x in e]
            for k, x in enumerate(v):
                if lo <= x <= hi:
                    n[k if experts else 0][min(int((x - lo) / (hi - lo) * bins), bins - 1)] += 1
    for r in n:
        print(','.join(map(str, r)) if experts else '\n'.join(map(str, r)))
PY
s=1
while [ $s -le 20 ]; do
	$py make.py $s >x.jsonl
	jsonl2trace --no-prog -o x x.jsonl
	for how in "logit 7 -2.01 2.02" "softmax 9 0 1.003" "logit 4 -1.005 3.001 experts"; do
		set -- $how
		# shellcheck disable=SC2086
		$py want.py $how >want
		logit-hist --of "$1" --bins "$2" --range="$3,$4" ${5:+--experts} -t x | grep -v '^#' | awk -F'\t' '{ print $NF }' | cmp -s - want || echo "$s: $how"
	done
	trace-filter -b 0 x | logit-hist --range=-3,4 -o h0
	trace-filter -b 1 x | logit-hist --range=-3,4 -o h1
	logit-hist --range=-3,4 -t x >all
	trace-sum -t h0 h1 | cmp -s - all || echo "$s: shards"
	for i in 0 1; do trace-filter --no-prog -b $i x | logit-hist --no-prog --range=-3,4 --experts -o h$i; done
	logit-hist --no-prog --range=-3,4 --experts -o all x
	trace-sum --no-prog h1 h0 | cmp -s - all || echo "$s: shards, bytes"
	s=$((s + 1))
done >wrong 2>&1
is 'counts, of logits and softmax, by expert; shards add up: 20 seeds' '' cat wrong
is 'without a range nothing is left out' '600 0 0' sh -c "logit-hist -t x | grep -v '^#' | awk -F'\t' '{ n += \$NF; b = \$5; a = \$6 } END { print n + 0, b, a }'"
# rows of bins, their curves and laws, against Python
cat >make2.py <<'PY'
import json, random, sys
seed, order, rows, name = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
r = random.Random(seed)
print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "experts": 5, "topk": 1, "dataset": name}))
for l in (0, 1):
    x = [[round(r.gauss(l, 1) * 64) / 64 for _ in range(5)] for _ in range(rows)]
    p = [[r.randrange(1, 4096) / 4096 for _ in range(5)] for _ in range(rows)]
    if order == "back":
        x.reverse(), p.reverse()
    print(json.dumps({"kind": "route", "layer": l, "rows": rows, "cols": "logit:f32:5,p:f64:5", "logit": x, "p": p}))
print(json.dumps({"kind": "end", "frames": 2}))
PY
cat >check.py <<'PY'
# frames' text on stdin beside the rows of x.jsonl: the first thing that is wrong, or nothing
import json, math, sys
of, by, span, bins, trim = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
rank = {0: [3, 1, 0, 2, 4], 1: [0, 1, 2, 3, 4]}
groups = {}
for line in open('x.jsonl'):
    f = json.loads(line)
    if f['kind'] != 'route':
        continue
    g = groups.setdefault(f['layer'], [])
    for r in f['p' if of in ('p', 'cdf') else 'logit']:
        v = [1 - x for x in r] if of == 'cdf' else r
        if by == 'kth' or trim:
            v = sorted(v, reverse=of != 'p')[trim:len(v) - trim]
        if by == 'rank':
            v = [v[e] for e in rank[f['layer']]]
        while len(g) < (1 if by == 'layer' else len(v)):
            g.append([])
        for i, x in enumerate(v):
            g[0 if by == 'layer' else i].append(x)
head, n = None, {l: 0 for l in groups}
for line in sys.stdin:
    if line[0] == '#':
        head = line[2:-1].split('\t')
        continue
    d = dict(zip(head, line[:-1].split('\t')))
    layer = int(d['layer'])
    row = n[layer]
    n[layer] += 1
    v = groups[layer][row]
    if span == 'fixed':
        lo, hi = 0, 1
    else:
        of_them = v if span == 'row' else sum(groups[layer], [])
        lo, hi = min(of_them), max(of_them)
    if (float(d['lo']), float(d['hi'])) != (lo, hi):
        print('span', layer, row, d['lo'], d['hi'], lo, hi)
    want = [0] * bins
    for x in v:
        want[min(int((x - lo) / (hi - lo) * bins), bins - 1)] += 1
    if list(map(int, d['n'].split(','))) != want:
        print('bins', layer, row, d['n'], want)
    if by in ('expert', 'kth', 'rank') and int(d[{'kth': 'k'}.get(by, by)]) != row + (by != 'expert'):
        print('number', layer, row)
    if by == 'rank' and int(d['expert']) != rank[layer][row]:
        print('expert', layer, row)
    if 'y' in d:
        m = len(v)
        mean = sum(v) / m
        h = math.sqrt(sum((x - mean) ** 2 for x in v) / (m - 1)) * m ** -0.2
        ys, xs = list(map(float, d['y'].split(','))), list(map(float, d['x'].split(',')))
        if len(xs) != 200 or xs[0] != min(v) or xs[-1] != max(v):
            print('points', layer, row)
        for i in range(0, 200, 13):
            at = min(v) + (max(v) - min(v)) * i / 199
            y = sum(math.exp(-0.5 * ((at - x) / h) ** 2) for x in v) / math.sqrt(2 * math.pi) / h * (hi - lo) / bins
            if abs(y - ys[i]) > 1e-10 * max(ys):
                print('curve', layer, row, i, y, ys[i])
    if 'law' in d:
        e, k = 5, row + 1
        def cdf(x):
            if by != 'kth':
                return x
            return sum(math.comb(e, j) * x ** j * (1 - x) ** (e - j) for j in range(k, e + 1))
        for i, y in enumerate(map(float, d['law'].split(','))):
            a, b = i / bins, (i + 1) / bins
            part = cdf(b) - cdf(a) if of == 'p' else cdf(1 - a) - cdf(1 - b)
            if abs(y - len(v) * part) > 1e-9:
                print('law', layer, row, i, y, len(v) * part)
if any(n[l] != len(groups[l]) for l in groups):
    print('rows', n)
PY
{
	printf '{"kind":"trace","v":1,"layers":2,"experts":5,"topk":1}\n'
	printf '{"kind":"count","layer":0,"n_tokens":9,"rows":5,"cols":"n:u64","n":[2,3,2,4,0]}\n'
	printf '{"kind":"count","layer":1,"n_tokens":9,"rows":5,"cols":"n:u64","n":[1,1,1,1,1]}\n{"kind":"end","frames":2}\n'
} | jsonl2trace -o counts
s=1
while [ $s -le 20 ]; do
	$py make2.py $s on 40 a >x.jsonl
	jsonl2trace -o x x.jsonl
	while read -r of by span bins trim options; do
		# shellcheck disable=SC2086
		logit-hist --of "$of" --by "$by" --bins "$bins" $options -t x >out 2>&1
		$py check.py "$of" "$by" "$span" "$bins" "$trim" <out | head -n 3 | sed "s/^/$s: $of $by: /"
	done <<-EOF
		logit expert row 7 0 --span row --curve
		logit layer layer 9 1 --span layer --trim 1 --curve
		logit kth layer 6 0 --span layer
		p kth fixed 8 0 --law
		cdf kth fixed 8 0 --law
		cdf layer fixed 10 0 --curve
		p rank fixed 5 0 --count counts --law
		p rank row 5 0 --count counts --span row
	EOF
	$py make2.py $s back 40 a | jsonl2trace -o y
	for how in '--by expert --span row --curve' '--of p --by kth --law'; do
		# shellcheck disable=SC2086
		logit-hist $how -t x >o1
		# shellcheck disable=SC2086
		logit-hist -j 3 $how -t y | cmp -s - o1 || echo "$s: order of rows"
	done
	s=$((s + 1))
done >wrong 2>&1
is 'rows of bins, spans, trims, ranks, curves, laws: 20 seeds' '' cat wrong
$py make2.py 1 on 4000 a | jsonl2trace -o x
logit-hist --of p --by kth --bins 10 --law -l 1 -t x | sed 1d | awk -F'\t' '{ print $NF }' | tr , '\n' >law
logit-hist --of p --by kth --bins 10 --sampled 7 -l 1 -t x | sed 1d | awk -F'\t' '{ print $NF }' | tr , '\n' >drawn
is 'what is drawn is near the law' '20000 0' \
	sh -c "paste law drawn | awk '{ n += \$2; d = \$2 - \$1; if (d * d > 25 * (\$1 + 1)) bad++ } END { print n, bad + 0 }'"
is 'and comes from the seed' '1 0' sh -c 'for s in 8 7; do logit-hist --of p --by kth --bins 10 --sampled $s -l 1 -t x | sed 1d | cut -f 13- >s; logit-hist --of p --by kth --bins 10 --sampled 7 -l 1 -t x | sed 1d | cut -f 13- | cmp -s - s; echo $?; done | paste -sd" "'
$py make2.py 2 on 30 a | jsonl2trace -o a
$py make2.py 3 on 20 b | jsonl2trace -o b
is '--common: a frame a data set, the same bins' 2 sh -c "logit-hist --common --span layer -l 0 -t a b | cut -f 3-5 | grep -v dataset | sort -u | wc -l"
is 'both counted' 'a 150 b 100' sh -c "logit-hist --common --span layer --by layer -l 0 -t a b | sed 1d | awk -F'\t' '{ n = split(\$NF, x, \",\"); s = 0; for (i = 1; i <= n; i++) s += x[i]; print \$4, s }' | paste -sd' '"
same 'in whatever order they come' 'logit-hist --common -t a b' 'logit-hist --common -t b a'
is '--all-layers: one frame' '300' sh -c "logit-hist --all-layers -t a | sed 1d | awk -F'\t' '{ n += \$NF } END { print n }'"
is 'which says no layer' 0 sh -c 'logit-hist --all-layers a | grep -ac layer='
ok 'a stream as any' sh -c 'logit-hist --all-layers a | trace-check && logit-hist --by expert --span row --curve a | trace-check'
is '--tag' 1 sh -c 'logit-hist -l 0 --tag kernel=tophat a | grep -ac "^@hist .*kernel=tophat"'
printf '%s\n' '@trace v=1 layers=1 experts=2 topk=1' '@route batch=0 layer=0 rows=3 cols=logit:f32:2 bytes=24' >flat
printf '\0\0\200\77\0\0\0\100\0\0\200\77\0\0\0\100\0\0\200\77\0\0\0\100\n@end frames=1\n' >>flat
is 'one value: half about it, no curve' '0.5 1.5 0,3 nan,1.5 2.5 0,3 nan' \
	sh -c "logit-hist --by expert --span row --bins 2 --curve -t flat | sed 1d | awk -F'\t' '{ split(\$13, y, \",\"); print \$9, \$10, \$11, y[1] }' | paste -sd,"
fails 2 'no logits' 'trace-gen | logit-hist' 'no logits: log2trace and pt2trace'
fails 2 'a range that is none' 'logit-hist --range 3 x' 'not LO,HI'
fails 2 'p-values that are not there' 'logit-hist --of p flat' 'no p-values: logit-pval'
fails 2 'a rank of nothing' 'logit-hist --by rank x' '--by rank and --count FILE go together'
fails 2 'counts that are none' 'logit-hist --of p --by rank --count x a' 'x: no count frames'
fails 2 'a law of logits' 'logit-hist --law x' '--law: of p or cdf'
fails 2 'a trim of all' 'logit-hist --trim 3 x' 'rows have 5 values'
fails 2 'a trim of experts' 'logit-hist --trim 1 --by expert x' 'one row of bins'
fails 2 'a span and a range' 'logit-hist --span row --range 0,1 x' 'not both'
fails 2 'a tag that is taken' 'logit-hist --tag lo=3 x' 'no key, or one that is taken'
fails 2 'a tag that is none' 'logit-hist --tag lo x' 'KEY=VALUE'
done_testing
