#!/bin/sh
# trace-sort: frames in order, whatever they came in.
. "${0%/*}/lib.sh"

trace-gen --tokens --layers 3 --batches 4 --rows 30 --experts 8 -k 2 -o a.trace
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 3 --batches 4 --rows 25 --experts 8 -k 2 -s $s | trace-rows -n $((s + 3)) >g
	trace-sort g | trace-cmp - g || echo "sorted, $s"
	trace-sort --order layer,batch g >lb
	trace-cmp -q lb g >/dev/null 2>&1 && echo "same, $s"
	trace-sort lb | trace-cmp - g || echo "back, $s"
	trace-filter lb | trace-sort | trace-cmp - g || echo "pipe, $s"
done >bad 2>&1
is 'layer,batch and back is the identity, 20 seeds' '' cat bad
order() { grep -ao '^@[a-z]* batch=[0-9]* layer=[0-9]*' "$1" | sed 's/.*batch=\([0-9]*\) layer=\(.*\)/\1\2/' | tr '\n' ' '; }
trace-sort --order layer,batch a.trace >lb
is 'layer,batch' '00 10 20 30 01 11 21 31 02 12 22 32 ' order lb
is 'it says so' 1 sh -c 'head -1 lb | grep -c order=layer,batch'
rows() { printf '@route batch=%d layer=0 row0=%d rows=1 cols=ids:u8 bytes=1\n\1\n' "$1" "$2"; }
{
	printf '@trace v=1 layers=1 experts=4 topk=1\n@note a=1\n'
	rows 1 5 && rows 1 2 && printf '@seq batch=1 seq=0\n' && rows 0 9 && rows 0 10 && printf '@odd\n@end frames=7\n'
} >mixed
is 'rows within a batch, notes at their end' '@note a=1,@route 0 9,@route 0 10,@seq batch=1 seq=0,@route 1 2,@route 1 5,@odd,' sh -c "trace-sort --no-prog mixed | grep -a '^@[nros][a-z]* *' | sed 's/batch=\(.\) layer=0 row0=\([0-9]*\) .*/\1 \2/; s/ *$//' | tr '\n' ,"
same 'two sections stay two' 'cat a.trace lb | trace-sort --no-prog | grep -ac ^@trace' 'echo 2'
same 'text' 'trace-sort -t lb' 'trace-filter -t a.trace'
same 'compressed, and from compressed' 'trace-sort -z lb | trace-sort --order layer,batch -z | trace-sort -t' 'trace-filter -t a.trace'
same 'from the middle of a file' '{ dd bs=1 count=0 2>/dev/null; trace-sort --no-prog; } <lb' 'trace-sort --no-prog lb'
fails 2 'a word that is no order' 'trace-sort --order rows a.trace' 'not one of'
head -c 900 a.trace >cut.trace
fails 2 'a cut trace' 'trace-sort -o x cut.trace' '^trace-sort: cut.trace: '
ok 'leaves nothing behind' test ! -e x
fails 2 'a folder' 'trace-sort .' 'directory'
fails 2 'no room to spool' 'cat lb | TMPDIR=/no/such trace-sort' 'No such'
done_testing
