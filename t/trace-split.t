#!/bin/sh
# trace-split: whole batches to complete traces.
. "${0%/*}/lib.sh"

trace-gen --tokens --layers 2 --batches 7 --rows 20 --experts 8 -k 2 -o a.trace
trace-split -n 3 -o p- a.trace
is 'the names' 'p-0.trace p-1.trace p-2.trace ' sh -c 'ls p-* | tr "\n" " "'
batches() { trace-filter --drop w -t "$1" | awk '/^#/ { r = /ids/; next } r { print $1 }' | uniq | tr '\n' ' '; }
is 'batches in turn' '0 3 6 ' batches p-0.trace
is 'the second' '1 4 ' batches p-1.trace
is 'the third' '2 5 ' batches p-2.trace

{
	printf '@trace v=1 layers=1 experts=4 topk=1\n@note a=1\n@count layer=0 rows=4 cols=n:u8 bytes=4\n\1\1\1\1\n'
	printf '@route layer=0 batch=9 rows=1 cols=ids:u8 bytes=1\n\1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\2\n'
	printf '@route layer=0 batch=9 row0=1 rows=1 cols=ids:u8 bytes=1\n\3\n@end frames=5\n'
} >odd.trace
trace-split --no-prog -n 2 -o o- odd.trace
is 'what has no batch goes to the first alone' '4 1' sh -c 'grep -ac "^@[ncr]" o-0.trace o-1.trace | cut -d: -f2 | tr "\n" " " | sed "s/ $//"'
is 'no batch is batch 0' 1 sh -c 'grep -ac "^@route layer=0 rows=1" o-1.trace'
trace-split -n 5 -o e- odd.trace
ok 'a trace that got nothing is whole' trace-filter -o x e-4.trace

for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 3 --batches $((s % 5 + 1)) --rows 30 --experts 8 -k 2 -s $s -o g
	rm -f q-*
	trace-split -n $((s % 4 + 1)) -o q- g && trace-merge q-*.trace | trace-cmp - g || echo "seed $s"
done >bad 2>&1
is 'split | merge is the identity, 20 seeds' '' cat bad

fails 2 'no -n' 'trace-split -o p- a.trace' 'give -n N'
fails 2 'no -o' 'trace-split -n 2 a.trace' 'give -n N'
fails 2 '-n 0' 'trace-split -n 0 -o p- a.trace'
fails 2 'a folder that is not there' 'trace-split -n 2 -o no/such/ a.trace' 'no/such'
head -c 900 a.trace >cut.trace
fails 2 'a cut trace' 'trace-split -n 2 -o c- cut.trace' 'cut off'
is 'leaves nothing behind' 0 sh -c 'ls | grep -c "^\.*c-"'
done_testing
