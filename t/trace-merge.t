#!/bin/sh
# trace-merge: by batch and layer, no row twice.
. "${0%/*}/lib.sh"

gen() { trace-gen --tokens --layers 3 --batches 5 --rows 40 --experts 8 -k 2 "$@"; }
gen -o a.trace
trace-filter -b 0,3 a.trace >b03
trace-filter -b 1-2 a.trace >b12
trace-filter -b 4 a.trace >b4
same 'batches of three inputs' 'trace-merge --no-prog b4 b03 b12 | trace-cmp - a.trace' true
trace-filter --row 0-9 a.trace >r0
trace-filter --row 10-39 a.trace | trace-filter -b 0-4 >r1
routes() { printf '@trace v=1 layers=2 experts=4 topk=1\n' && cat && printf '@end frames=%d\n' "$1"; }
r() { printf '@route batch=%d layer=%d row0=%d rows=2 cols=ids:u8 bytes=2\n\1\2\n' "$1" "$2" "$3"; }
{ r 0 0 0 && r 0 1 2; } | routes 2 >x
{ r 0 0 2 && r 0 1 0 && r 1 0 0; } | routes 3 >y
is 'layers and rows of one batch' '0 0 0,0 0 2,0 1 0,0 1 2,1 0 0,' sh -c 'trace-merge --no-prog x y | sed -n "s/^@route batch=\([0-9]*\) layer=\([0-9]*\) row0=\([0-9]*\) .*/\1 \2 \3/p" | tr "\n" ,'
fails 2 'a row that both hold' 'trace-merge x x' 'both hold @route batch=0 in a layer, row 0'
{ r 0 0 1; } | routes 1 >z
fails 2 'and in part' 'trace-merge x z' 'row 1'
fails 2 'a sequence too' 'trace-merge a.trace b4' 'both hold @seq|both hold @tok|both hold @route'
{ r 1 0 0 && r 0 0 0; } | routes 2 >back
fails 2 'an input out of order' 'trace-merge back x' 'back: frame 2 .*trace-sort'
cat b4 b03 >two
fails 2 'two sections in one input' 'trace-merge two b12' 'trace-join'
fails 2 'no input' trace-merge
trace-sort --order layer,batch a.trace >lb
fails 2 'the other order' 'trace-merge lb' 'trace-sort'
trace-gen --tokens --layers 3 --batches 1 --rows 4 --experts 9 -k 2 -o nine
fails 2 'other experts' 'trace-merge b4 nine' 'experts'
head -c 500 b12 >cut.trace
fails 2 'a cut input' 'trace-merge b03 cut.trace' '^trace-merge: cut.trace: '

{
	printf '@trace v=1 layers=1 experts=4 topk=1\n@note a=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\1\n'
	printf '@route layer=0 batch=1 rows=1 cols=ids:u8 bytes=1\n\2\n'
	printf '@count layer=0 rows=4 cols=n:u8 bytes=4\n\0\1\1\0\n@odd\n@end frames=5\n'
} >notes
trace-split -n 2 -o n- notes
same 'what has no batch keeps its end' 'trace-merge --no-prog n-0.trace n-1.trace | grep -av "^@prog\|^@end" | sed "s/ *$//"' 'grep -av ^@end notes'
same 'also in another form' 'trace-merge -t n-0.trace n-1.trace' 'trace-filter -t notes'
same 'one input' 'trace-merge --no-prog a.trace | trace-cmp - a.trace' true
done_testing
