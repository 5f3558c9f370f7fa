#!/bin/sh
# trace-map: other numbers for layers and experts, the same routing.
. "${0%/*}/lib.sh"

trace-gen --tokens --layers 3 --batches 2 --rows 30 --experts 8 -k 2 -o a.trace
trace-map --layers 0-2=4-6 a.trace >b.trace
is 'layers and map' ' layers=3 map=4-6 order=batch,layer' sh -c "head -1 b.trace | tr ' ' '\n' | grep '^layers=\|^map=\|^order=' | sort | sed 's/^/ /' | tr -d '\n'"
is 'the frames' 2 grep -ac '^@route batch=[01] layer=5 ' b.trace
trace-map --layers 0,2=2,0 a.trace >c.trace
is 'another order is no order' 0 sh -c 'head -1 c.trace | grep -c order='
same 'and back' 'trace-map --layers 0,2=2,0 c.trace | trace-sort | trace-cmp - a.trace' true
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 2 --batches 1 --rows 40 --experts 8 -k 3 -s $s -o g
	to=$(awk -v s=$s 'BEGIN { for (i = 0; i < 8; i++) printf "%s%d", i ? "," : "", (3 * i + s) % 8 }')
	trace-map --experts "0-7=$to" g >h
	trace-cmp g h >/dev/null 2>&1 && echo "same, $s"
	trace-map --experts "$to=0-7" h | trace-cmp - g || echo "back, $s"
	echo "$to" | tr , '\n' >file
	trace-map --experts file g | trace-cmp - h || echo "file, $s"
done >bad 2>&1
is 'a permutation and its inverse: the identity, 20 seeds' '' cat bad

zeros() { head -c "$1" /dev/zero; }
{
	printf '@trace v=1 layers=1 experts=3 topk=2\n@route layer=0 rows=1 cols=ids:u8:2,logit:u8:3,w:u8:2 bytes=130\n'
	printf '\2\377' && zeros 62 && printf '\12\13\14' && zeros 61 && printf '\5\0\n@end frames=1\n'
} >l.trace
is 'logits move along, empty slots stay' '1,- 11,12,10 5,0' sh -c "trace-map --experts 0-2=2,0,1 l.trace | trace-filter -t | awk '!/^#/ { print \$(NF - 2), \$(NF - 1), \$NF }'"

trace-map --copy-layers 3-6=0-1 a.trace >d.trace
is 'copies are layers' 1 sh -c "head -1 d.trace | grep -c 'layers=7 '"
is 'labelled' 2 grep -ac '^@route batch=[01] layer=5 copy=0 ' d.trace
is 'in turn' 2 grep -ac '^@route batch=[01] layer=6 copy=1 ' d.trace
is 'with a note' 1 grep -ac '^layers 3-6 are copies of layers 0-1 in turn' d.trace
same 'the others are as they were' 'trace-filter -l 0-2 d.trace | trace-sort | trace-cmp - a.trace' true
text() { trace-filter -l "$1" d.trace | trace-filter -t | awk '/^#/ { r = / ids/; next } r { print $(NF - 1), $NF }'; }
same 'and equal' 'text 5' 'text 0'

fails 2 'two layers, one number' 'trace-map --layers 0=1 a.trace' 'two layers'
fails 2 'two experts, one number' 'trace-map --experts 0=1 a.trace' 'two experts'
fails 2 'an expert too many' 'trace-map --experts 0=9 a.trace' 'beyond experts'
fails 2 'lists of different length' 'trace-map --layers 0-2=4,5 a.trace' '3 numbers on the left, 2'
fails 2 'no list' 'trace-map --layers x=1 a.trace' 'no list'
fails 2 'a copy over a layer' 'trace-map --copy-layers 2=0 a.trace' 'two layers'
fails 2 'a copy of none' 'trace-map --copy-layers 5=9 a.trace' 'no layer to copy'
printf '@trace v=1 layers=1 experts=4 topk=1\n@count layer=0 rows=4 cols=n:u8 bytes=4\n\1\1\1\1\n@end frames=1\n' >n
fails 2 'counts are not renumbered' 'trace-map --experts 0,1=1,0 n' '@count'
fails 2 'no file of experts' 'trace-map --experts none a.trace' 'none'
done_testing
