#!/bin/sh
# logit-kde: every line of the fixture's table, the worked numbers, thin tails, nothing hangs on order.
. "${0%/*}/lib.sh"
D=$DATA/olmoe-kde
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >log.py <<'E'
import json, struct, sys
rows = []
for s in json.load(open(sys.argv[1]))['samples']:
    for l in s['layers']:
        rows += l['router_logits_sample']
if sys.argv[2:]:
    rows.reverse()
b = b''.join(struct.pack('<%df' % len(r), *r) for r in rows)
sys.stdout.buffer.write(b'@trace v=1 layers=1 experts=64 topk=8 map=3\n@route batch=0 layer=3 rows=%d cols=logit:f32:64 bytes=%d\n' % (len(rows), len(b)) + b + b'\n@end frames=1\n')
E
# Worked example of section 7.
cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":1}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
near() { # TOLERANCE: two columns, got and wanted, relative
	awk -v e="$1" 'NF != 2 { print "lines differ"; exit } { d = $1 - $2; d = d < 0 ? -d : d; w = $2 < 0 ? -$2 : $2; if (d > e * (w > 0 ? w : 1)) print }'
}
kde() { logit-kde -t "$@" | grep -v '^#'; }
kde --at=-3.6,-3,-1,0,0.5,2,3.6,4 w | awk -F'\t' '{ print $(NF - 2); print $(NF - 1) }' >got
printf '%s\n' 0.007158886253292112 0.9928411137467079 0.023964672539432845 0.9760353274605671 0.2544399136351773 0.7455600863648226 \
	0.5075052596952744 0.4924947403047256 0.6431528927324872 0.35684710726751284 0.9026589828005083 0.09734101719949173 \
	0.9919162043765682 0.008083795623431762 0.9972360596483179 0.002763940351682093 >want
is 'F and S of the worked example' '' sh -c "paste got want | awk '{ d = (\$1 - \$2) / \$2; if (d * d > 1e-26) print }'"
is 'Scott and 1.06' '0.6840547840492347 0.7136784901513339' sh -c "{ logit-kde --at 0 -t w; logit-kde --rule 1.06 --at 0 -t w; } | grep -v '^#' | cut -f 3 | xargs"
kde --kernel tophat,epanechnikov,linear --at=-1,0,0.5,2 w | awk -F'\t' '{ print $(NF - 2) }' >got
printf '%s\n' .2382579849 .5066196864 .6578404181 .911723403 .232550123 .5022381982 .6651935774 .9141242879 .2310228403 .5016419131 .6667143237 .915279485 >want
is 'the other kernels' '' sh -c "paste got want | awk '{ d = \$1 - \$2; if (d * d > 1e-19) print }'"
is 'trimmed: F(0.5)' '.707658208913 .800293550987' sh -c "logit-kde --trim 1,2 --at 0.5 -t w | grep -v '^#' | awk -F'\t' '{ printf \"%s%.12f\", n++ ? \" \" : \"\", \$(NF - 2) }' | sed 's/0\././g'"
logit-kde --compat cumsum -t w | grep -v '^#' | awk -F'\t' '{ print $(NF - 1) "\t" $NF }' >got
is 'the original table by --compat cumsum' '1.23640950685e-05 1' sh -c "awk 'NR == 1 { a = \$2 } END { printf \"%.11e %s\", a, \$2 }' got"
is 'a grid of ten thousand, its ends' '10000 -3.6 3.6' sh -c "awk 'NR == 1 { a = \$1 } END { print NR, a, \$1 }' got"
logit-kde --kernel gaussian,linear --trim 0,2 -o two w
is 'a tail behind each gaussian table, behind no other' 'kde tail kde kde tail kde' sh -c "trace-heads two | sed -n 's/^@\(kde\|tail\) .*/\1/p' | xargs"
trace-heads two | awk '/^@(kde|tail) / { k = $1; sub(/ values=.*| rows=.*/, ""); sub(/^@[a-z]* /, ""); if (k == "@tail") { n++; if ($0 != last) print } last = $0 } END { print n }' >keys
is 'and has its keys' 2 cat keys
is 'none of --at, none of --compat' '@kde @kde' sh -c '{ logit-kde --at 1 w | trace-heads; logit-kde --compat cumsum w | trace-heads; } | grep -o "^@[kt][da][ei]l*" | xargs'
logit-kde -o k w
trace-filter --frame tail -t k | grep -v '^#' >tails
is 'its rows: 38 bandwidths in 64ths' '2433 0 0.6840547840492347 25.9940817938709' sh -c "cut -f 7 tails | awk 'NR == 1 { a = \$1 } NR == 65 { b = \$1 } END { print NR, a, b, substr(\$1, 1, 16) }'"
for side in 1 -1; do
	awk -F'\t' 'NR % 61 == 1' tails | cut -f "7-9" | awk -v s=$side '{ printf "%s%.17g", n++ ? "," : "", s * (3.6 + $1) }' >points
	kde --at="$(cat points)" w | awk -F'\t' -v s=$side '{ print(s > 0 ? $(NF - 1) : $(NF - 2)) }' >want
	awk -F'\t' -v s=$side 'NR % 61 == 1 { print(s > 0 ? $(NF - 1) : $NF) }' tails >got
	paste got want | awk '$2 > 1e-300 { n++; d = $1 / $2 - 1; if (d * d > 1e-22) print } END { print NR, n }'
done >wrong
is 'sf and cdf there, down to 1e-300' '40 38 40 38' sh -c 'xargs <wrong'
# who else reads tables passes tails over
trace-filter --frame kde -o only k
ok 'trace-check' trace-check k
same 'plot-curves' 'plot-curves -t k' 'plot-curves -t only'
same 'unless asked' 'plot-curves --frame tail -x d -y sf -t k | sed 1d | cut -f 3' 'cut -f 8 tails'
same 'trace2pkl' 'trace2pkl k' 'trace2pkl only'
same 'trace-report' "trace-report k | sed 's/logit-kde.*//'" "trace-report only | sed 's/logit-kde.*//'"
same 'logit-pval within the grid' 'logit-pval --no-prog -m k w' 'logit-pval --no-prog -m only w'
trace-filter --frame tail -o alone k
fails 2 'trace-sum' 'trace-sum alone' '@tail is no sum'
fails 2 'trace-map' 'trace-map --experts 0-1=1,0 alone' '@tail: --experts renumbers route frames'
fails 2 'no tail without its layer' "printf '@trace v=1 layers=1 experts=4 topk=1\n@tail rows=1 cols=d:u8 bytes=1\n0\n@end frames=1\n' | trace-check -" '@tail without layer'
sed 's/layers":1,/layers":2,"map":"2,5",/; s/layer":0/layer":5/; /"end"/d' w.jsonl >l.jsonl
sed -n 's/layer":0/layer":2/p' w.jsonl >>l.jsonl
echo '{"kind":"end","frames":2}' >>l.jsonl
is 'layers by number' '2 5' sh -c "jsonl2trace l.jsonl | logit-kde --at 0 | grep -ao 'layer=[25]' | cut -d = -f 2 | xargs"
if [ -d "$D" ]; then
	$py log.py "$D/semi-real/log.json" >s
	$py log.py "$D/semi-real/log.json" back >r
	same 'rows in another order' 'logit-kde --no-prog --all s | grep -a -v ^@trace' 'logit-kde --no-prog --all r | grep -a -v ^@trace'
	at=$(awk '$1 == "S_base" { printf "%s%s", n++ ? "," : "", $2 }' "$D/semi-real/expected.tsv")
	{ # NAME AT VALUE, as in the file
		kde --at="$at" s | awk -F'\t' '{ printf "F_base\t%s\t%s\nS_base\t%s\t%s\n", $(NF - 3), $(NF - 2), $(NF - 3), $(NF - 1) }'
		kde --rule 1.06 --kernel gaussian,tophat,epanechnikov,linear --at="$at" s | awk -F'\t' '{ printf "F_%s\t%s\t%s\n", $2, $(NF - 3), $(NF - 2) }'
		kde --trim 1,2,4 --at=-0.66 s | awk -F'\t' '{ printf "trim_F(-0.66)\t%s\t%s\ntrim_h\t%s\t%s\n", $5, $(NF - 2), $5, $3 }'
		kde --at 0 s | awk -F'\t' '{ printf "n\t-\t%s\nh_scott\t-\t%s\n", $6, $3 }'
		kde --rule 1.06 --at 0 s | awk -F'\t' '{ printf "h_106\t-\t%s\n", $3 }'
	} >got
	$py - "$D/semi-real/expected.tsv" got >wrong <<'E'
import sys
def key(p): return (p[0], float(p[1])) if len(p) == 3 and p[1] != '-' else (p[0], None)
got = {key(p): float(p[-1]) for p in (l.rstrip('\n').split('\t') for l in open(sys.argv[2]))}
n = 0
for p in (l.rstrip('\n').split('\t') for l in open(sys.argv[1])):
    if p[0][:2] not in ('F_', 'S_') and p[0] not in ('trim_F(-0.66)', 'trim_h', 'n', 'h_scott', 'h_106'):
        continue
    g, w = got[key(p)], float(p[-1])
    n += 1
    if abs(g - w) > 1e-12 * abs(w) and abs(g - w) > 1e-307:
        print(p, g)
print(n, 'lines')
E
	is 'every line of the fixture that is a density' '71 lines' cat wrong
fi
fails 2 'no logits' 'trace-gen | logit-kde' 'no logits of those layers: log2trace and pt2trace'
fails 2 'more trimmed than there is' 'logit-kde --trim 4 w' '--trim 4 of 8 values'
fails 2 'a kernel that is none' 'logit-kde --kernel box w' 'box: not one of'
fails 2 'a point that is none' 'logit-kde --at 1,x w' 'no number'
done_testing
