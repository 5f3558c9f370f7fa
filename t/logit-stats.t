#!/bin/sh
# logit-stats: against Python's fractions and logit-kde; shards add up, byte for byte.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >make.py <<'PY'
import json, random, sys
seed = int(sys.argv[1])
random.seed(seed)
E, scale = 3, [1, 1e30, 1e-42, 1e-3][seed % 4]
def head(o):
    print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "experts": E, "topk": 1}), file=o)
frames = []
for b in range(3):
    for l in (0, 1):
        x = [[random.gauss(l * 1000, 1) * scale for _ in range(E)] for _ in range(20)]
        x[3][1] = -0.0
        if b == 1:
            x[5][2] = None
        frames.append({"kind": "route", "batch": b, "layer": l, "rows": 20, "cols": "logit:f32:3", "logit": x})
def put(name, fs):
    with open(name, 'w') as o:
        head(o)
        for f in fs:
            print(json.dumps(f).replace('null', '"nan"'), file=o)
        print(json.dumps({"kind": "end", "frames": len(fs)}), file=o)
put('x.jsonl', frames)
for b in range(3):
    put('s%d.jsonl' % b, [f for f in frames if f['batch'] == b])
for f in frames:
    random.shuffle(f['logit'])
put('y.jsonl', sorted(frames, key=lambda f: (f['layer'], -f['batch'])))
PY
cat >want.py <<'PY'
import json, math, struct, sys
from fractions import Fraction
by = sys.argv[1]
v = {}
for line in open('x.jsonl'):
    f = json.loads(line)
    if f['kind'] == 'route':
        for r in f['logit']:
            for e, x in enumerate(r):
                v.setdefault((f['layer'], e if by == 'expert' else 0), []).append(x)
got = [l.rstrip('\n').split('\t') for l in sys.stdin if not l.startswith('#')]
if len(got) != len(v):
    print('rows', len(got))
for g, k in zip(got, sorted(v)):
    x = [Fraction(struct.unpack('f', struct.pack('f', y))[0]) for y in v[k] if y != 'nan']
    n, mean = len(x), sum(x) / len(x)
    var = sum((y - mean) ** 2 for y in x) / (n - 1)
    sd = Fraction(math.isqrt(int(var * 2 ** 600)), 2 ** 300)
    values, nan, m, s, lo, hi = g[-7:-1]
    if (int(values), int(nan)) != (n, len(v[k]) - n) or float(lo) != min(x) or float(hi) != max(x):
        print(k, g)
    for a, b in ((m, mean), (s, sd)):
        if abs(Fraction(float(a)) - b) > abs(b) * Fraction(5, 10 ** 16):
            print(k, a, float(b))
PY
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py make.py $s
	for f in x y s0 s1 s2; do jsonl2trace --no-prog -o $f $f.jsonl; done
	for by in layer expert; do
		logit-stats --by $by -t x | $py want.py $by
		for f in x y s0 s1 s2; do logit-stats --moments --by $by --no-prog -o $f.m $f; done
		cmp x.m y.m || echo "$s: order"
		trace-sum --no-prog s2.m s0.m s1.m | cmp - x.m || echo "$s: shards, $by"
		logit-stats --by $by --no-prog -o whole x
		trace-sum --no-prog s?.m | logit-stats --by $by --no-prog | cmp - whole || echo "$s: finished"
		cat s1.m s2 s0.m | logit-stats --by $by --no-prog | cmp - whole || echo "$s: mixed"
	done
	logit-kde --points 2 s0 | trace-heads | sed -n 's/^@kde.*bandwidth=\([^ ]*\).*/\1/p' >k
	logit-stats -t s0 | sed 1d | cut -f 9 | paste k - >>scott
	logit-stats --no-prog -o whole x
	logit-stats --no-prog x.m | cmp - whole || echo "$s: experts to a layer"
done >wrong 2>&1
is 'exact, in any order, of shards as of the whole: 20 seeds' '' cat wrong
is "Scott's bandwidth is that of logit-kde, to 1e-15" 40 awk '{ d = $1 / $2 - 1; n++ } d * d > 1e-30 { print } END { print n }' scott

cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":1}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
is 'the worked example' '32 0 -0.015625 1.3681095680984694 -3 3 0.6840547840492347' sh -c "logit-stats -t w | sed 1d | cut -f 3-9 | tr '\t' ' '"

logit-stats --moments -o m w
is 'one value has no spread' '1 1.5 nan 1' sh -c "sed 's/rows\":4/rows\":1/; s/logit:f32:8/logit:f32:1/; s/logit\":\[.*/logit\":[1.5]}/; s/experts\":8/experts\":1/' w.jsonl | jsonl2trace | logit-stats -t | sed 1d | cut -f 3,5,6,9 | tr '\t' ' '"
fails 2 'no logits' 'trace-gen | logit-stats' 'no logits of those layers'
fails 2 'a layer is not its experts' 'logit-stats --by expert m' 'not told apart'
edit() { trace2jsonl m | sed "$1" | jsonl2trace; }
fails 2 'sums that no values have' "edit 's/\"n\":\[32\]/\"n\":[0]/; s/n_square\":\[\[[0-9,]*/n_square\":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0/' | logit-stats" 'no values have'
fails 2 'of something else' "edit 's/\"of\":\"logit\"/\"of\":\"w\"/' | logit-stats" 'of is not logit'
fails 2 'a column less' 'edit s/n_nan/n_nun/g | logit-stats' 'no column n_nan'
ok "cuts and flips" "$BUILD/t/flip" 7 m logit-stats
done_testing
