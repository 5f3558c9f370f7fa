#!/bin/sh
# trace-rows: the same rows in other frames.
. "${0%/*}/lib.sh"

trace-gen --tokens --layers 2 --batches 2 --rows 50 --experts 8 -k 2 -o a.trace
sizes() { grep -ao '^@route batch=0 layer=0 .*rows=[0-9]*' "$1" | sed 's/.*rows=//' | tr '\n' ' '; }
trace-rows -n 20 a.trace >b.trace
is 'cut' '20 20 10 ' sizes b.trace
is 'numbered' 1 grep -ac '^@route batch=0 layer=1 row0=20 rows=20 ' b.trace
trace-rows -n 30 b.trace >c.trace
is 'gathered and cut' '30 20 ' sizes c.trace
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 2 --batches 2 --rows $((s * 7)) --experts 8 -k 2 -s $s -o g
	trace-rows -n $((s % 6 + 1)) g | trace-rows -n $((s + 2)) | trace-rows -n 1000 | trace-cmp - g || echo "seed $s"
	trace-rows -n $((s + 1)) g >h
	trace-rows -n 3 g | trace-rows -n $((s + 1)) | trace-cmp - h || echo "by 3, $s"
done >bad 2>&1
is 'cut and gathered again: the identity, 20 seeds' '' cat bad
same 'right already: the bytes as they were' 'trace-rows --no-prog -n 50 a.trace' 'cat a.trace'
trace-filter --every 3 -o third.trace a.trace
same 'rows with numbers gather too' 'trace-filter --every 3 a.trace | trace-rows -n 4 | trace-rows -n 50 | trace-cmp - third.trace' true
r() { printf '@route layer=0 row0=%d rows=1 %scols=ids:u8 bytes=1\n\1\n' "$1" "$2"; }
{ printf '@trace v=1 layers=1 experts=4 topk=1\n' && r 0 '' && r 2 '' && r 3 '' && r 4 'a=1 ' && printf '@end frames=4\n'; } >gap
is 'a gap or another key ends a frame' '0 1,2 2,4 1,' sh -c "trace-rows gap | sed -n 's/^@route layer=0 \(a=1 \)*\(row0=\([0-9]*\) \)*\(a=1 \)*rows=\(.\).*/\3 \5/p' | sed 's/^ /0 /' | tr '\n' ,"
same 'compressed' 'trace-rows -z -n 9 a.trace | trace-rows -t' 'trace-filter -t a.trace'
trace-rows -n 20 --batches a.trace >d.trace
is 'frames become batches, alike for all layers' '0:3 1:3 2:3 3:3 4:3 5:3' sh -c "trace-heads d.trace | grep -o '^@[rt]o[^ ]* batch=[0-9]*' | cut -d= -f 2 | sort -n | uniq -c | awk '{ printf \"%s%s:%s\", (NR > 1) ? \" \" : \"\", \$2, \$1 }'"
ok 'a whole trace' trace-check d.trace
fails 2 '-n 0' 'trace-rows -n 0 a.trace' 'number'
head -c 900 a.trace >cut.trace
fails 2 'a cut trace' 'trace-rows cut.trace' 'cut off'
done_testing
