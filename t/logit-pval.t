#!/bin/sh
# logit-pval: exact tails through a table, the published tables, the fixture's statistics.
. "${0%/*}/lib.sh"
D=$DATA/olmoe-kde
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":1}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
logit-kde -o k w
is 'exact p of the worked example' '.0973410172 .7455600864 .3568471073 .4924947403 .6279871031 .2418841847 .9038858082 .4232873519' sh -c \
	"logit-pval -m k -t w | grep -v '^#' | head -n 1 | awk -F'\t' '{ print \$NF }' | tr , '\n' | awk '{ printf \"%s%.10f\", n++ ? \" \" : \"\", \$1 }' | sed 's/0\././g'"
is 'the mean of the k-th best' '.0938368547 .2200507563 .3337485645 .4407631570' sh -c \
	"logit-pval -m k w | pval-stats --by kth -t | grep -v '^#' | head -n 4 | cut -f 6 | awk '{ printf \"%s%.10f\", n++ ? \" \" : \"\", \$1 }' | sed 's/0\././g'"
is 'their distance from uniform' 0.0770402488 sh -c "logit-pval -m k w | pval-stats -q -t | tail -n 1 | cut -f 6 | awk '{ printf \"%.10f\", \$1 }'"
at=-5,-3.5,-2.2,-1.1,0.123,0.777,1.9,2.9,3.3,3.59,4,5,8
logit-kde --at=$at -t w | grep -v '^#' | awk -F'\t' '{ print $(NF - 1) }' >want
logit-pval --at=$at -t k | grep -v '^#' | cut -f 5 >got
cp want want0
is 'as the exact sum to nine digits' '' sh -c "paste got want | awk '(\$1 / \$2 - 1) ^ 2 > 1e-18 { print NR, \$0 }'"
# Beyond the grid: the worked example, values that end at 0 and so does their grid, with gaps in which one
# value takes over from many.
beyond() { # TRACE TABLES FROM TO: 20 points between, how many and what differs
	at=$(awk -v a="$3" -v b="$4" 'BEGIN { for (i = 0; i < 20; i++) printf "%s%.15g", i ? "," : "", a + (b - a) * i / 19 }')
	logit-kde --at="$at" -t "$1" | awk -F'\t' '!/^#/ { print $(NF - 1) }' >want
	logit-pval --at="$at" -t "$2" | awk -F'\t' '!/^#/ { print $NF }' >got
	paste got want | awk '{ d = $1 / $2 - 1; if (d * d > 1e-18) print NR, $0 } END { print NR, ($2 > 0.99 ? "one" : $2 < 1e-290 && $2 > 1e-306 ? "small" : $2) }'
}
gaps() { # SIGN: 200 values on one side of 0
	awk -v s="$1" 'BEGIN { print "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":8,\"topk\":1}"
		printf "{\"kind\":\"route\",\"layer\":0,\"rows\":25,\"cols\":\"logit:f32:8\",\"logit\":["
		for (i = 0; i < 200; i++) printf "%s%s%s", i % 8 ? "," : i ? ",[" : "[", s * (i == 0 ? 0 : i < 4 ? 1.5 : i < 20 ? 2.5 : 2.5 + i / 50), i % 8 == 7 ? "]" : ""
		print "]}"; print "{\"kind\":\"end\",\"frames\":1}" }' | jsonl2trace
}
for side in 1 -1; do gaps $side >g && logit-kde -o gk g && mv g "g$side" && mv gk "gk$side"; done
{ beyond w k 3.6 28.4; beyond w k -3.6 -28.4; beyond g-1 gk-1 0 16; beyond g1 gk1 0 -2.5; } >wrong
is 'beyond the grid, too, down to 1e-300' '20 small 20 one 20 small 20 one' sh -c 'xargs <wrong'
trace-filter --frame kde -o only k
logit-pval --at=4,5,8 -t only | grep -v '^#' | cut -f 5 >got
is 'without its tails to a tenth of the exponent' '3' sh -c "tail -n 3 want0 | paste got - | awk '{ d = log(\$1) / log(\$2) - 1; if (d * d > 0.02 || \$1 > \$2 * 0.97) print } END { print NR }'"
trace2jsonl k >k.jsonl
same 'a tail before its table' "sed -n '1p; /\"tail\"/p' k.jsonl >turned; sed '1d; /\"tail\"/d' k.jsonl >>turned; jsonl2trace turned | logit-pval --at=-9,-4,4,9,28 -t" 'logit-pval --at=-9,-4,4,9,28 -t k'
logit-kde --trim 0,1 -o trims w
logit-kde --trim 1 -o one w
same 'each trim has its own' 'logit-pval --no-prog --trim 1 --at=4,9 -t trims' 'logit-pval --no-prog --at=4,9 -t one'
same 'one of another bandwidth is none' "{ sed '\$d' k.jsonl | sed '/\"tail\"/s/\"0\\.68[0-9]*\"/\"0.7\"/'; tail -n 1 k.jsonl; } | jsonl2trace | logit-pval --at=4,9 -t" 'logit-pval --at=4,9 -t only'
same 'nor has --compat any' 'logit-pval --compat interp --at=-4,4,9 -t k' 'logit-pval --compat interp --at=-4,4,9 -t only'
bad() { sed "/\"tail\"/s/$1/$2/g" k.jsonl | jsonl2trace | logit-pval --at 4; }
fails 2 'a tail of another table' 'bad "\"sf\":\[0.00808[0-9]*" "\"sf\":[0.00809"' 'the table of layer 0: a tail that does not begin where its table ends'
fails 2 'one that is uneven' 'bad "\"d\":\[0,0.01" "\"d\":[0,0.02"' 'd is not even, from 0 on'
fails 2 'one that rises' 'bad "\"cdf\":\[0.007[0-9]*,0.00[0-9]*" "\"cdf\":[0.007158886253292112,0.008"' 'cdf does not fall'
fails 2 'one without cdf' 'bad cdf cdg' 'not one number a row of d, sf and cdf'
is 'clamped' '0.01 0.99' sh -c "logit-pval --clamp 0.01 --at=4,-4 -t k | grep -v '^#' | cut -f 5 | xargs"
same 'the logits stay, or go' 'logit-pval --no-prog -m k w | trace-filter --no-prog --drop logit' 'logit-pval --no-prog --drop -m k w'
{ sed 1q w.jsonl; echo '{"kind":"prog","name":"log2trace","ver":"1","args":"x"}'; sed '1d; s/"frames":1/"frames":2/' w.jsonl; } | jsonl2trace --no-prog | logit-pval -m k -o made
is 'who made it stays' 'log2trace logit-pval' sh -c "trace-heads made | sed -n 's/^@prog name=\([^ ]*\).*/\1/p' | xargs"
echo '{"kind":"trace","v":1,"layers":1,"experts":2,"topk":1}
{"kind":"route","layer":0,"rows":1,"cols":"logit:f32:2","logit":[[0,0]]}
{"kind":"end","frames":1}' | jsonl2trace -o zero
logit-kde -q zero | logit-pval -m /dev/stdin --drop -t zero | tail -n 1 | tr '\t,' '\n\n' | tail -n 2 | awk '{ printf "%.2g ", $1 }' >half
is 'no spread is no hindrance' '0.5 0.5 ' cat half
fails 2 'no tables' 'logit-pval w' 'no tables'
fails 2 'no table of the layer' "sed 's/\"layers\":1/\"layers\":1,\"map\":\"3\"/; s/layer\":0/layer\":3/' w.jsonl | jsonl2trace | logit-pval -m k" 'no table of layer 3'
fails 2 'a table without what is asked for' 'logit-kde --compat cumsum -o c w; logit-pval -m c w' 'no column sf .--compat interp reads cdf.$'
is 'by counting, ties too' '0.09090909090909091 0.18181818181818182 0.45454545454545453 1' sh -c "{ head -n 1 w.jsonl; echo '{\"kind\":\"route\",\"layer\":0,\"rows\":1,\"cols\":\"logit:f32:10\",\"logit\":[[1,2,2,2,-1,0,0,3,-1,-2]]}'; tail -n 1 w.jsonl; } | sed 's/experts\":8/experts\":10/' | jsonl2trace -o ten; logit-pval --empirical ten --at=4,3,2,-5 -t ten | grep -v '^#' | cut -f 5 | xargs"
cat >emp.py <<'PY'
import json, random, sys
random.seed(int(sys.argv[1]))
E = 4
def trace(name, rows):
    with open(name, 'w') as o:
        print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "experts": E, "topk": 1}), file=o)
        for l, n in enumerate(rows):
            print(json.dumps({"kind": "route", "layer": l, "rows": len(n), "cols": "logit:f32:4", "logit": n}), file=o)
        print(json.dumps({"kind": "end", "frames": len(rows)}), file=o)
def make(T):
    return [[[round(random.gauss(l, 1) * 4) / 4 for _ in range(E)] for _ in range(T)] for l in range(2)]
train, test = make(25), make(10)
trace('train.jsonl', train)
trace('test.jsonl', test)
for n in train:
    random.shuffle(n)
trace('other.jsonl', train)
for n, m in zip(train, test):
    v = [x for r in n for x in r]
    for r in m:
        print(','.join(repr((1 + sum(y >= x for y in v)) / (len(v) + 1)) for x in r))
PY
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py emp.py $s >want
	for f in train test other; do jsonl2trace -o $f $f.jsonl; done
	logit-pval --empirical train -t test | awk -F'\t' '!/^#/ { print $NF }' >got
	$py -c 'import sys; g, w = [[float(x) for l in open(f) for x in l.split(",")] for f in sys.argv[1:]]; sys.exit(g != w or len(g) != 80)' got want || echo "$s"
	logit-pval --no-prog --empirical other -o o test
	logit-pval --no-prog --empirical train test | cmp -s - o || echo "$s: order"
done >wrong 2>&1
is 'counts of the layer, in any order: 20 seeds' '' cat wrong
fails 2 'no training logits of the layer' 'logit-pval --empirical w test' 'no training logits of layer 1'
fails 2 'no training logits' 'trace-gen -o gen; logit-pval --empirical gen w' 'no logits of those layers'
fails 2 'counts and tables' 'logit-pval --empirical w -m k w' 'not with -m'
fails 2 'training logits cut short' 'head -c 300 w >cut; logit-pval --empirical cut w' 'cut: '
if [ -d "$D" ]; then
	pkl2trace "$D/distribution_model_layer_0.pkl" -o pkl
	is 'the published table, as the original reads it' '0.9919047093336391 0.5096399462572061 0.1447244126564331 0.04050699705683092 0.0034889682804496447 1.2616015312549855e-05 1.5496125480574108e-06 0 0' sh -c \
		"logit-pval --compat interp --at=-3,-0.66,0,1,2,3,3.390625,4,5 -t pkl | grep -v '^#' | cut -f 5 | xargs"
	$py - "$D/semi-real/log.json" >s <<'PY'
import json, struct, sys
rows = [r for s in json.load(open(sys.argv[1]))['samples'] for l in s['layers'] for r in l['router_logits_sample']]
b = b''.join(struct.pack('<%df' % len(r), *r) for r in rows)
sys.stdout.buffer.write(b'@trace v=1 layers=1 experts=64 topk=8 map=3\n@route batch=0 layer=3 rows=%d cols=logit:f32:64 bytes=%d\n' % (len(rows), len(b)) + b + b'\n@end frames=1\n')
PY
	logit-kde -o ks s
	awk -F'\t' '$1 == "S_base" && $3 > 0 { print $2 >"at"; print $3 >"want" }' "$D/semi-real/expected.tsv"
	logit-pval --at="$(paste -sd, at)" -t ks | grep -v '^#' | cut -f 5 >got
	is 'every survival of the fixture, 1.7e-222 at 8 too' 11 sh -c "paste got want | awk '{ d = \$1 / \$2 - 1; if (d * d > 1e-18) print } END { print NR }'"
	pkl2trace --layer 3 "$D/$(awk '$1 == "p_table" { print $2 }' "$D/semi-real/expected.tsv")" | logit-pval --compat interp -m /dev/stdin s -o p
	{
		pval-stats -q -t p | grep -v '^#' | awk -F'\t' '{ print "p_mean", $4; print "p_min", $5; print "ks_uniform_all", $6 }'
		pval-stats --by kth -t p | grep -v '^#' | awk -F'\t' '{ print "kth_best_p_mean", $4, $6; print "ks_beta", $4, $8 }'
	} >got
	awk 'NR == FNR { g[NF == 3 ? $1 " " $2 : $1] = $NF; next } $1 ~ /^(p_mean|p_min|ks_uniform_all|kth_best_p_mean|ks_beta)$/ {
		v = g[NF == 3 ? $1 " " $2 : $1]; n++; d = v / $NF - 1; if (d * d > 1e-24) print $0, v } END { print n }' got "$D/semi-real/expected.tsv" >wrong
	is 'every line of the fixture about p' 13 cat wrong
fi
done_testing
