#!/bin/sh
# trace-join: one section of many.
. "${0%/*}/lib.sh"

trace-gen --tokens --layers 2 --batches 3 --rows 20 --experts 8 -k 2 -s 1 -o a.trace
trace-gen --tokens --layers 4 --batches 2 --rows 10 --experts 8 -k 2 -s 2 -o b.trace
trace-join a.trace b.trace >ab
is 'one section' 1 grep -ac '^@trace ' ab
is 'layers united' 1 sh -c 'head -1 ab | grep -c "layers=4 "'
batches() { grep -ao '^@route batch=[0-9]*' "$1" | uniq | cut -d= -f2 | tr '\n' ' '; }
is 'batches go on' '0 1 2 3 4 ' batches ab
is 'provenance of both' 'in=1 in=2 ' sh -c "grep -ao '^@prog in=[0-9]*\|^@prog name=trace-gen.* in=[0-9]*' ab | grep -o 'in=.*' | tr '\n' ' '"
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 2 --batches 3 --rows 15 --experts 8 -k 2 -s $s -o g
	trace-split -n 2 -o g- g
	trace-join g | trace-cmp - g || echo "one, $s"
	[ "$(cat g-0.trace g-1.trace g | trace-join | grep -ac '^@route ')" -eq 12 ] || echo "lost, $s"
	cat g a.trace | trace-join | trace-filter -b 0-2 | trace-cmp - g || echo "first, $s"
done >bad 2>&1
is 'the first section stays as it is, 20 seeds' '' cat bad
same 'a pipe is a file' 'cat a.trace b.trace | trace-join --no-prog' 'trace-join --no-prog a.trace b.trace'
same 'a section alone' 'trace-join --no-prog a.trace | trace-cmp - a.trace' true
printf '@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\1\n@end frames=1\n' >r
is 'no batch is batch 0' '@route layer=0 batch=1 rows=1' sh -c 'cat r r | trace-join | grep -ao "^@route.*batch=1 rows=1"'
printf '@trace v=1 layers=1 experts=4 topk=1 model=x\n@end frames=0\n' >x
printf '@trace v=1 layers=1 experts=4 topk=1 model=y\n@end frames=0\n' >y
fails 2 'two models' 'trace-join x y' 'model=x and model=y'
ok 'but by force' trace-join -f -o xy x y
fails 2 'other experts' 'trace-join a.trace x' 'experts'
trace-sort --order layer,batch a.trace >lb
is 'an order that does not hold is dropped' 0 sh -c 'cat lb lb | trace-join | head -1 | grep -c order'
is 'one that does is kept' 1 sh -c 'cat a.trace a.trace | trace-join | head -1 | grep -c order=batch,layer'
head -c 700 b.trace >cut.trace
fails 2 'a cut section' 'trace-join a.trace cut.trace' '^trace-join: cut.trace: '
fails 2 'none at all' 'trace-join </dev/null' 'empty'
fails 2 'no such file' 'trace-join none' 'none: No such file'
done_testing
