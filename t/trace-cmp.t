#!/bin/sh
# trace-cmp: what counts as the same, and how the first difference is named.
. "${0%/*}/lib.sh"
trace-gen --rows 30 --layers 2 -o a
ok 'a trace equals itself' trace-cmp a a
trace-filter -z a -o z
ok 'compressed or not' trace-cmp a z
trace-gen --rows 30 --layers 2 --no-prog -o n
ok 'provenance does not count' trace-cmp a n
printf '@trace v=1 layers=1 experts=4 topk=2\n@route rows=2 layer=0 cols=ids:u8:2 bytes=4\n\0\2\1\0\n@end frames=1\n' >x
printf '@trace v=1 experts=4 layers=1 topk=2\n@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\0\n@end frames=1\n' >y
printf '@trace v=1 experts=4 layers=1 topk=2\n@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\3\n@end frames=1\n' >v
ok 'keys in any order' trace-cmp x y
is 'the first difference' 'frame 1 (@route): row 1 column ids[1]: 0 and 3' trace-cmp x v
trace-gen --rows 31 --layers 2 -o b
is 'rows' 'frame 2 (@route): rows=30 and rows=31' trace-cmp a b
trace-gen --rows 30 --layers 1 -o c
is 'keys' 'frame 0 (@trace): layers=2 and layers=1' trace-cmp a c
cat a a >aa
is 'a section more' 'frame 0 (@trace): the first trace has ended' trace-cmp a aa
trace-cmp -q a b >out
[ $? -eq 1 ] && [ ! -s out ]
report $? '-q: exit 1 without a word'
fails 2 'one file' 'trace-cmp a' usage
fails 2 'no such file' 'trace-cmp a nope' 'nope: No such file'
fails 2 'a cut file' 'head -c 300 a >cut; trace-cmp a cut' 'cut'
done_testing
