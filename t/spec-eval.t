#!/bin/sh
# spec-eval: known truths of chains and domains; samples; counts that add up; a second opinion.
. "${0%/*}/lib.sh"
top1() { spec-eval -t "$@" | awk -F'\t' '/-all/ && $2 == "ngram" { print $5 }'; }
near() { awk -v x="$(top1 -k 1 "$1")" -v y="$2" 'BEGIN { print (x - y) ^ 2 < 0.01 ^ 2 ? "ok" : x }'; }
gen() { trace-gen --layers 4 --map 1,3,5,7 --batches 100 --rows 400 --experts 16 -k 1 "$@"; }
gen --chain 1 -o a
is 'a chain that never breaks' 1 top1 a
gen --chain 0.7 --zipf 0 -o a
is 'one that does, twice from one kept layer to the next: 0.49 + 0.51 / 16' ok near a 0.521875
gen --zipf 0 -o a
is 'no chain: 1 / 16' ok near a 0.0625
is 'popular and recent, too' 'popular 0.06 recent 0.06' sh -c "spec-eval -t a | awk -F'\t' '/-all/ && \$2 != \"ngram\" { printf \"%s%s %.2f\", s, \$2, \$5; s = \" \" }'"
gen --domains 4 --domain-share 1 --request-rows 20 --zipf 1.5 --tokens -o d
is 'a longer context tells more of the domain' ok sh -c \
	"for c in 1 3; do spec-eval --context \$c -t d | awk -F'\t' '/-all/ && \$2 == \"ngram\" { print \$5 }'; done | paste -s | awk '{ print(\$2 > \$1 + 0.02 ? \"ok\" : \$0) }'"
is 'whole samples are tested, about a fifth' 'ok' sh -c "spec-eval -t d | awk -F'\t' '
	/^spec-eval\t/ { bad += \$5 % 20 || (\$5 / 40000 - 0.2) ^ 2 > 0.02 ^ 2 } END { print bad || NR != 17 ? \"bad\" : \"ok\" }'"
is 'another seed, other samples' 1 sh -c 'spec-eval d >1 && ! spec-eval -s 2 d | trace-cmp -q - 1 >/dev/null 2>&1; echo $(($? == 0))'
same 'any -j' 'spec-eval -j 1 d' 'spec-eval -j 4 d'
same 'the k asked for' 'spec-eval -k 5 -t d | grep -P "^spec-eval\t" | cut -f 7' 'spec-eval -t d | grep -P "^spec-eval\t" | cut -f 9'
spec-eval --count d -o d.n
trace-split -n 3 -o p- d
for f in p-*.trace; do spec-eval --count "$f" -o "$f.n"; done
ok 'counts of shards are added by trace-sum' sh -c 'trace-sum p-*.n | trace-cmp - d.n'
ok 'and by itself' sh -c 'spec-eval --count p-*.n | trace-cmp - d.n'
trace-gen --layers 5 --batches 20 --rows 100 --experts 64 -k 1 -w none -o wide
for c in 2 3 4; do # "0,10" before "0,2"
	same "counts of context $c are in the order of trace-sum" "spec-eval --no-prog --context $c --count wide" \
		"spec-eval --no-prog --context $c --count wide | trace-sum --no-prog"
done
limit='ulimit -v 65536;'
sh -c "$limit spec-eval --help" >/dev/null 2>&1 || limit= # a sanitizer needs more
trace-gen --layers 4 --batches 20 --rows 1000 --experts 64 -k 1 -w none -o wide
ok 'one matrix of counts is held' sh -c "$limit spec-eval --count wide >/dev/null"
ok 'and with a trace' sh -c 'spec-eval --count p-1.trace p-0*.n p-2*.n | trace-cmp - d.n'
is 'all rows are counted' '40000 40000 40000 40000' sh -c "spec-eval --count -t d | awk -F'\t' '
	!/^#/ { m = split(\$NF, a, \",\"); for (i = 1; i <= m; i++) n[\$1] += a[i] } END { print n[1], n[3], n[5], n[7] }'"
is 'the same trace twice is two sections' 80000 sh -c "cat a a | spec-eval --train 0 -t | awk -F'\t' '/^spec-eval\t7\tngram/ { print \$5 / 2 }' | awk '{ print 2 * \$1 }'"
cat >turns.jsonl <<'E'
{"kind":"trace","v":1,"layers":2,"experts":4,"topk":1}
{"kind":"tok","batch":0,"rows":6,"cols":"seq:u32","seq":[7,9,7,9,7,9]}
{"kind":"route","batch":0,"layer":0,"rows":6,"cols":"ids:u8:1","ids":[0,1,0,1,0,1]}
{"kind":"route","batch":0,"layer":1,"rows":6,"cols":"ids:u8:1","ids":[2,3,2,3,2,null]}
{"kind":"end","frames":3}
E
jsonl2trace -o turns turns.jsonl
is 'samples that take turns, and a row without a pick' '0	6	0.6666666666666666	0.6666666666666666 1	5	0.6	0.6' \
	sh -c "spec-eval --train 0 -k 1 -t turns | awk -F'\t' '/^spec-eval\t/ && \$3 == \"recent\" { print \$2 \"\t\" \$5 \"\t\" \$6 \"\t\" \$7 }' | paste -sd' ' -"
is 'without counts all experts are alike, the first is told' '1	ngram	1	5	0	0' \
	sh -c "spec-eval --train 0 -k 1 -t turns | sed -n 5p | cut -f 2-"
if python3 -c 'import numpy' 2>/dev/null; then
	cat >want.py <<'E'
import json, subprocess, sys
import numpy as np
def frames(name):
    out = subprocess.run(['trace2jsonl', name], capture_output=True, text=True, check=True).stdout
    return [json.loads(x) for x in out.splitlines()]
def picks(name):
    at = {}
    for f in frames(name):
        if f['kind'] == 'route':
            at.setdefault(f['layer'], []).extend((f['batch'], r[0]) for r in f['ids'])
    return {l: np.array([e for _, e in sorted(v, key=lambda x: x[0])]) for l, v in at.items()}
E, C, K = int(sys.argv[3]), int(sys.argv[4]), (1, 3, 5, 10)
a, b = picks(sys.argv[1]), picks(sys.argv[2])
layers, want = sorted(b), {}
for i, l in enumerate(layers):
    m = min(C, i)
    def told(h): # probabilities behind h, the latest layer first
        up = told(h[:-1]) if h else np.full(E, 1 / E)
        rows = np.ones(len(a[l]), bool)
        for d, e in enumerate(h): rows &= a[layers[i - 1 - d]] == e
        n = np.bincount(a[l][rows], minlength=E)
        t = (n > 0).sum()
        return (n + t * up) / (n.sum() + t) if t else up
    memo, hits, known = {}, np.zeros(E), 0
    seen = {tuple(int(a[layers[i - 1 - d]][r]) for d in range(m)) for r in range(len(a[l]))}
    for r in range(len(b[l])):
        h = tuple(int(b[layers[i - 1 - d]][r]) for d in range(m))
        if h not in memo: memo[h] = list(np.lexsort((np.arange(E), -np.round(told(h), 13))))
        hits[memo[h].index(b[l][r])] += 1
        known += h in seen
    want[l] = ['%.9f' % (x / len(b[l])) for x in [known] + [hits[:k].sum() for k in K]]
out = subprocess.run('{ spec-eval --context %d --count %s; cat %s; } | spec-eval --context %d --train 0 -t'
    % (C, sys.argv[1], sys.argv[2], C), shell=True, capture_output=True, text=True).stdout
bad = []
for line in out.splitlines():
    f = line.split('\t')
    if f[0] == 'spec-eval' and f[2] == 'ngram':
        got = ['%.9f' % float(x) for x in f[5:]]
        if got != want.pop(int(f[1])): bad.append(f)
print(bad or want or 'ok')
E
	for s in 1 2 3; do
		for c in 1 2 4; do
			trace-gen --layers 5 --batches 20 --rows 30 --experts 12 -k 2 --chain 0.5 --zipf 1 -s $s -o all
			trace-filter -b 0-14 all -o train
			trace-filter -b 15-19 all -o test
			is "seed $s, context $c: as numpy counts" ok python3 want.py train test 12 $c
		done
	done
else
	skip_one 'no numpy'
fi
fails 2 'one sample' 'trace-gen --rows 9 --layers 2 | spec-eval' '1 samples: none is left to'
fails 2 'nothing left to test' 'spec-eval --train 1 a' '100 samples: none is left to test'
fails 2 'no part' 'spec-eval --train 2 a' 'between 0 and 1'
fails 2 'k of 0' 'spec-eval -k 0-3 a' 'between 1 and 256'
fails 2 'layers that are not there' 'spec-eval -l 2 a' 'no records for layer 2 '
fails 2 'counts of another context' 'spec-eval --context 1 d.n d' 'layer 5: its context is from=1,3, here it is 3'
fails 2 'experts that are none' 'trace2jsonl d.n | sed "s/\"before\":\"[0-9,]*\"/\"before\":\"16,0\"/" | jsonl2trace | spec-eval --count' 'before is not'
fails 2 'results only' 'expert-load a | spec-eval' 'only @count frames'
fails 2 'cut short' 'head -c 7000 a | spec-eval' 'cut off|ends'
fails 2 'a full disk' 'spec-eval d >/dev/full'
done_testing
