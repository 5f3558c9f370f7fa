#!/bin/sh
# expert-stats: by hand, beside numpy, of shards, by data set, refusals.
. "${0%/*}/lib.sh"
counts() { # COUNT...: a count frame
	printf '%s\n' "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":$#,\"topk\":1}" \
		"{\"kind\":\"count\",\"layer\":0,\"n_tokens\":0,\"rows\":$#,\"cols\":\"n:u64\",\"n\":[$(echo "$*" | tr ' ' ,)]}" \
		'{"kind":"end","frames":1}' | jsonl2trace
}
col() { # NAME [OPTION...]: of each row
	name=$1 && shift
	expert-stats -t "$@" | awk -F'\t' -v c="$name" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) n = i; next }
		{ printf "%s%.6g", s, $n; s = " " }'
}
counts 0 2 2 4 >x
while read -r name want; do
	is "by hand: $name" "$want" col "$name" x
done <<!
mean 2
std 1.41421
coefficient_of_variation 0.707107
entropy_bits 1.5
min_usage 0
max_usage 4
total_usage 8
skewness 0
kurtosis -1
median 2
q25 1.5
q75 2.5
iqr 1
active_experts 3
expert_diversity 0.75
zero_usage_experts 1
gini 0.375
entropy_norm 0.75
effective_experts 2.82843
max_mean 2
!
counts 5 5 5 >even
is 'all alike: no skewness, no kurtosis' 'nan nan 1 3' echo "$(col skewness even)" "$(col kurtosis even)" "$(col entropy_norm even)" "$(col effective_experts even)"
counts 0 0 >none
is 'no picks' '0 0 0 0 2' echo "$(col coefficient_of_variation none)" "$(col entropy_bits none)" "$(col gini none)" "$(col effective_experts none)" "$(col zero_usage_experts none)"
counts 7 >one
is 'one expert' '0 0 1' echo "$(col entropy_norm one)" "$(col gini one)" "$(col effective_experts one)"

# Two sequences of a batch, of two data sets; a batch without tok frames, of one.
cat >sets.jsonl <<'!'
{"kind":"trace","v":1,"layers":1,"experts":4,"topk":2}
{"kind":"seq","batch":0,"seq":7,"dataset":"a b"}
{"kind":"seq","batch":0,"seq":9,"dataset":"c"}
{"kind":"seq","batch":1,"seq":7,"dataset":"c"}
{"kind":"tok","batch":0,"rows":5,"cols":"seq:u32","seq":[7,7,9,9,3]}
{"kind":"route","batch":0,"layer":0,"rows":5,"cols":"ids:u8:2,row:u32,dropped:u8:2","ids":[[0,1],[3,2],[0,255],[0,1],[2,0]],"row":[1,2,0,3,4],"dropped":[[0,1],[0,0],[0,0],[0,0],[0,0]]}
{"kind":"route","batch":1,"layer":0,"rows":1,"cols":"ids:u8:2","ids":[[3,1]]}
{"kind":"end","frames":6}
!
jsonl2trace sets.jsonl >sets
is 'picks by data set, and of none' '"n_tokens":1 "n":[1,0,1,0] a b "n_tokens":2 "n":[2,1,0,0] c "n_tokens":3 "n":[1,2,1,2]' sh -c "
	expert-stats --table count sets | trace2jsonl | grep '\"count\"' |
		sed 's/.*\"layer\":0,//;s/\"dataset\":\"\([^\"]*\)\",/\1 /;s/,\"rows.*u64\",/ /;s/}//' | xargs -0 echo | tr '\n' ' ' | sed 's/ *$//'"
is '--kept: one less' 'a b 2' sh -c "expert-stats --kept --by-dataset -t sets | awk -F'\t' '/a b/ { print \$3, \$10 }'"
is '-k 1' 6 col total_usage -k 1 sets
is 'all picks' 11 col total_usage sets
is 'specialisation' '0.333333 0.666667 0.333333 0.666667' sh -c "expert-stats --table specialisation -t sets | awk -F'\t' '\$3 == \"c\" { printf \"%s%.6g\", s, \$6; s = \" \" }'"
is 'lift' '0.5 1.33333 1 2' sh -c "expert-stats --table specialisation -t sets | awk -F'\t' '\$3 == \"c\" { printf \"%s%.6g\", s, \$7; s = \" \" }'"

gen() { trace-gen --tokens --domains 3 --request-rows 37 --layers 2 --map 1,5 --batches 6 --rows 400 --experts 24 --zipf 1 "$@"; }
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	gen -s $s -k $((s % 4 + 1)) -o a
	trace-split -n 3 -o p- a
	for f in p-?.trace; do expert-stats --table count -o "$f.n" "$f"; done
	for x in stats specialisation divergence information; do
		same "seed $s: shards of counts tell the $x of the whole" \
			"trace-sum p-?.trace.n | expert-stats --table $x -t" "expert-stats --table $x -t a"
	done
	same "seed $s: in any order" 'trace-sort --order layer,batch a | expert-stats --by-dataset -t' 'expert-stats --by-dataset -t a'
	same "seed $s: the picks of expert-load" 'expert-load -t a | cut -f1,4' \
		"expert-stats --table count a | trace2jsonl | sed 's/\"dataset\":\"[^\"]*\",//' | jsonl2trace | trace-sum -t | cut -f1,4"
done
same 'a data set of two sections is one' 'cat a a | expert-stats --table count -t' \
	'expert-stats --table count a >n && trace-sum n n -t'
same 'rows taken out, and their numbers kept' 'trace-filter --dataset domain-1 a | expert-stats -t | sed 1d | cut -f3-' \
	'expert-stats --by-dataset -t a | grep domain-1 | cut -f4-'
cat >second.py <<'!'
import json, sys
import numpy as np
tables, rows = {}, {}
for line in open(sys.argv[1]):
    f = json.loads(line)
    if f['kind'] == 'seq':
        tables[f['batch'], f['seq']] = f['dataset']
    elif f['kind'] == 'tok':
        rows[f['batch']] = [tables[f['batch'], s] for s in f['seq']]
    elif f['kind'] == 'route':
        for d, ids in zip(rows[f['batch']], f['ids']):
            c = tables.setdefault(('n', f['layer']), {}).setdefault(d, np.zeros(24, int))
            tables['t', f['layer'], d] = tables.get(('t', f['layer'], d), 0) + 1
            for e in ids:
                c[e] += 1
def H(c):
    p = np.asarray(c, float).ravel() / np.sum(c)
    p = p[p > 0]
    return -(p * np.log2(p)).sum()
def stats(c):
    n, m, s = len(c), c.mean(), c.std()
    q = np.percentile(c, [25, 50, 75])
    i = np.arange(1, n + 1)
    return dict(mean=m, std=s, coefficient_of_variation=s / m, entropy_bits=H(c), min_usage=c.min(), max_usage=c.max(),
        total_usage=c.sum(), skewness=((c - m) ** 3).mean() / s ** 3, kurtosis=((c - m) ** 4).mean() / s ** 4 - 3,
        median=q[1], q25=q[0], q75=q[2], iqr=q[2] - q[0], active_experts=(c > 0).sum(), expert_diversity=(c > 0).mean(),
        zero_usage_experts=(c == 0).sum(), gini=((2 * i - n - 1) * np.sort(c)).sum() / (n * c.sum()),
        entropy_norm=H(c) / np.log2(n), effective_experts=2 ** H(c), max_mean=c.max() / m)
checked = 0
for line in open(sys.argv[2]):
    g = json.loads(line)
    if g['kind'] != 'table':
        continue
    sets = tables['n', g['layer']]
    whole = sum(sets.values())
    if g['name'] == 'expert-stats':
        want = stats(whole)
    elif g['name'] == 'expert-stats-dataset':
        want = stats(sets[g['dataset']])
    elif g['name'] == 'specialisation':
        t = sum(tables['t', g['layer'], d] for d in sets)
        share = sets[g['dataset']] / tables['t', g['layer'], g['dataset']]
        want = dict(share=share, lift=share / (whole / t))
    elif g['name'] == 'divergence':
        p, q = (sets[g[k]] / sets[g[k]].sum() for k in ('dataset', 'other'))
        want = dict(js_bits=H((p + q) / 2) - (H(p) + H(q)) / 2)
    else:
        m = np.array(list(sets.values()))
        x, y = m.sum(1), m.sum(0)
        bias = ((m > 0).sum() - (x > 0).sum() - (y > 0).sum() + 1) / (2 * m.sum() * np.log(2))
        mi = H(x) + H(y) - H(m)
        want = dict(dataset_bits=H(x), expert_bits=H(y), mi_bits=mi, mi_bias_bits=bias, mi_corrected_bits=mi - bias)
    for k, w in want.items():
        got = np.array(g[k], float).ravel()
        if not np.allclose(got, w, rtol=1e-9, atol=1e-12):
            print(g['name'], g['layer'], k, got, w)
        checked += 1
print(checked)
!
py=$(command -v /usr/bin/python3 || command -v python3)
if $py -c 'import numpy' 2>/dev/null; then
	gen -k 3 -o a && trace2jsonl a >a.jsonl
	{ expert-stats --by-dataset a; for x in specialisation divergence information; do expert-stats --table $x a; done; } | trace2jsonl >got
	is 'beside numpy' $((20 * 2 * 4 + 2 * 2 * 3 + 2 * 3 + 2 * 5)) $py second.py a.jsonl got
else
	skip_one 'no python3-numpy'
fi
fails 2 'k above the trace' 'expert-stats -k 9 a' 'topk 9: the trace has topk='
fails 2 'no data sets' 'trace-gen --rows 9 | expert-stats --table divergence' 'layer 0: no data sets'
fails 2 '--by-dataset of another table' 'expert-stats --by-dataset --table count a' 'by-dataset'
fails 2 'no such layer' 'expert-stats -l 3 a' 'no records for layer 3'
fails 2 'no routing' 'coact a | expert-stats' 'only @coact frames: give it the trace'
fails 2 'an id out of range' "printf '@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\4\n@end frames=1\n' | expert-stats" 'expert out of range'
fails 2 'counts of other types' "counts 1 2 | trace2jsonl | sed 's/u64/u32/' | jsonl2trace | expert-stats" 'n is not u64'
fails 2 'a sequence that is no number' "sed 's/\"seq\":7,\"dataset\"/\"seq\":\"x\",\"dataset\"/' sets.jsonl | jsonl2trace | expert-stats" 'is no number|seq'
fails 2 'full disk' 'expert-stats a >/dev/full' 'No space'
ok 'cuts and flips' "$BUILD/t/flip" 7 sets expert-stats --table information
echo 'a line of more than twenty letters' | prompt-fmt --format lines -o prompts
fails 2 'prompts' 'expert-stats prompts' 'no routing in the input, only prompts: router-capture'
done_testing
