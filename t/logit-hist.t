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
fails 2 'no logits' 'trace-gen | logit-hist' 'no logits: log2trace and pt2trace'
fails 2 'a range that is none' 'logit-hist --range 3 x' 'not LO,HI'
done_testing
