#!/bin/sh
# csv2trace: there and back through trace2csv, Python as the judge, and what is refused.
. "${0%/*}/lib.sh"
csv() { # TEXT: rows under a header of three experts
	# shellcheck disable=SC2059
	printf "layer_id,token_id,expert_0,expert_1,expert_2\n$1"
}
rows() { csv2trace -t "$@" | sed 1d | tr '\t\n' ' ;'; }

bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	E=$((seed * 17)) k=$((seed % 5 + 1))
	trace-gen --layers 3 --batches 2 --rows 70 --experts $E -k $k -s $seed -w f32 -o x
	trace2csv x >a && csv2trace --no-prog a >a.trace
	trace2csv a.trace >b
	sort a >c && sort b | cmp -s - c || bad="$bad plain:$seed"
	trace-filter -b 0 x | trace2csv --precision 9 | csv2trace -k $k -t >got
	trace-filter -b 0 x | trace-sort --order layer,batch -t | cmp -s - got || bad="$bad nine:$seed"
	trace-gen --rows 70 --experts $E -k $k -s $seed | trace2csv --dialect dynande >d
	csv2trace d | trace2csv --dialect dynande | cmp -s - d || bad="$bad dynande:$seed"
	sed 's/^\([0-9]*\),\(.*\),\([^,\r]*\)/"\1",\2,"\3"/' d >q && csv2trace --no-prog d >d.trace
	csv2trace --no-prog q | cmp -s - d.trace || bad="$bad quoted:$seed"
	{ printf '\357\273\277' && tr -d '\r' <a && printf '\n\r\n'; } >m
	csv2trace --no-prog m | cmp -s - a.trace || bad="$bad mark:$seed"
	csv2trace --no-prog --by-layer -l 0-2 -k $k b | trace-cmp - a.trace || bad="$bad by-layer:$seed"
done
is 'any dialect, quotes, marks, orders: there and back; 20 seeds' '' echo "$bad"

csv '0,0,0.5,0.5,0.7' >t
is 'the greatest first, of equals the lower' '0 0 2,0,1 0.7,0.5,0.5;' rows t
is 'or the higher' '0 0 2,1 0.7,0.5;' rows --compat -k 2 t
csv '0,20000,1,0,0\n0,8191,0,1,0\n0,8192,0,0,1\n0,8194,1,0,0\n' >t
is 'a batch is 8192 tokens' 'batch=0 layer=0 row0=8191 rows=1 batch=1 layer=0 rows=2 batch=2 layer=0 row0=3616 rows=1' \
	sh -c 'echo $(csv2trace t | grep -ao "batch=.* layer=0.* rows=[0-9]*")'
is 'rows that are missing leave a gap' '1 0 2 1 0;1 0 0 1 2;' sh -c "csv2trace t | trace-filter -b 1 -t | sed 1d | tr '\t\n' ' ;'"
csv '7,0,1e0,0.0,0e5\n3,0,0,0,0\n3,1,00.50,2.,.25\n7,1,0,0,1' >t
is 'layers keep their numbers; any form of number' \
	'0 3 0 -,-,- 0,0,0;0 3 1 1,0,2 2,0.5,0.25;0 7 0 0,-,- 1,0,0;0 7 1 2,-,- 1,0,0;' rows t
is 'one of them' 1 sh -c "csv2trace -l 7 t | grep -ac '^@trace v=1 layers=1 experts=3 topk=1 map=7 '"
is 'a section a file' 2 sh -c "csv2trace t t | grep -ac '^@end'"
csv '' >none
fails 2 'no rows' 'csv2trace none' '^csv2trace: none: no rows$'
fails 2 'an empty file' 'csv2trace /dev/null' 'null: no header'
fails 2 'no such layer' 'csv2trace -l 7,9 t' 't: no row of layer 9'
fails 2 'more picks than experts' 'csv2trace -k 4 t' '-k 4 of 3'
fails 2 'layers that come back' 'csv2trace --by-layer -l 3,7 -k 1 t' ':3:1: layer 3 after layer 7'
fails 2 'by layer, but which?' 'csv2trace --by-layer -k 1 t' 'needs -k and --layer'
fails 2 'a full disk' 'csv2trace t >/dev/full' 'No space'
while IFS='|' read -r text regex; do
	fails 2 "refused $regex" "csv '$text' >r; csv2trace r" "^csv2trace: r:$regex"
done <<'E'
0,0,1,1\n|2:8: 4 cells, the header has 5$
0,0,1,1,\n|2:9: expert_2: "" is no number
0,0,1,1,1\n0,0,1,1,1\n|3:1: layer 0, token 0 stands on line 2 already
0,1,1,1,1\n0,0,1,1,1\n0,1,1,1,1\n|4:1: layer 0, token 1 stands on line 2 already
0,0,1,-0.5,1\n|2:7: expert_1: "-0.5" is negative
0,0,1,1e39,1\n|2:7: expert_1: "1e39" is no number that fits f32
0,0,1,1e-60,1\n|2:7: expert_1: "1e-60" is too small
0,0, 1,1,1\n|2:5: expert_0: " 1"
0,0,1,1,1 \n|2:9: expert_2: "1 "
x,0,1,1,1\n|2:1: layer_id "x" is no number
0,01,1,1,1\n|2:3: token_id "01" is no number
0,0,1,1,1\n\n0,1,1,1,1\n|3:1: an empty line
"0,0,1,1,1\n|2:.*quote
0,"0"0,1,1,1\n|2:6: a quote that is out of place
"0",0,1, 1,1\n|2:9: a blank
0,0,1,"1;1",1\n|2:7: expert_1: "1;1" is no number
0,0,1,\033[2J,1\n|2:7: expert_1: ".\[2J"
E
fails 2 'no experts' 'echo layer_id,token_id | csv2trace' 'standard input:1:18: no experts in the header'
fails 2 'other names' 'echo layer_id,token_id,expert_1 | csv2trace' ':1:19: "expert_1" in the header, not expert_0'
py=$(command -v python3 || command -v /usr/bin/python3) || { skip_one 'no python3' && done_testing && exit; }
cat >prop.py <<'PY'
"""Decimals of all lengths, and what f32 makes of them, the greatest first."""
import random, struct, sys
r = random.Random(int(sys.argv[1])); f32 = lambda s: struct.unpack('f', struct.pack('f', float(s)))[0]
n = r.randint(1, 40)
with open('in', 'w') as f, open('want', 'w') as w:
    print('layer_id,token_id,' + ','.join('expert_%d' % i for i in range(n)), file=f)
    for t in range(200):
        c = ['0' if r.random() < .5 else '%.*f' % (r.randint(0, 22), r.random() * 10 ** r.randint(-7, 7)) if r.random() < .7
             else '%.*e' % (r.randint(0, 18), r.random() * 10 ** r.randint(-30, 30)) for i in range(n)]
        print(0, t, *c, sep=',', file=f)
        for i in sorted(range(n), key=lambda i: -f32(c[i])):
            if f32(c[i]): print(t, i, struct.pack('>f', f32(c[i])).hex(), file=w)
PY
cat >read.py <<'PY'
import json, struct, sys
for l in sys.stdin:
    x = json.loads(l)
    for t, (i, w) in enumerate(zip(x.get('ids', []), x.get('w', []))):
        for a, b in zip(i, w):
            if a is not None: print(t, a, struct.pack('>f', b).hex())
PY
bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py prop.py $seed && csv2trace in | trace2jsonl | $py read.py | cmp -s - want || bad="$bad $seed"
done
is 'numbers as Python rounds them, 20 seeds' '' echo "$bad"
done_testing
