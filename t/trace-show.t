#!/bin/sh
# trace-show: frames as text, nothing left out but what concerns bytes.
. "${0%/*}/lib.sh"
head='@trace v=1 layers=1 experts=4 topk=2'
{
	printf '%s\n@seq batch=0 seq=0 dataset=a%%20b\n' "$head"
	printf '@route layer=0 row0=7 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\377\n'
	printf '@note bytes=7\na\033b\nc\n\n\n@acme bytes=3\nxyz\n'
	printf '@table name=t rows=2 cols=x:f16,y:u8,z:e4m3f8 bytes=130\n\0\74\0\70'
	head -c 60 /dev/zero
	printf '\1\377'
	head -c 62 /dev/zero
	printf '\1\2\n@place layer=0 mesh=1x1 rows=1 cols=expert:u8,dev:u16 bytes=66\n\3'
	head -c 63 /dev/zero
	printf '\377\377\n@end frames=6\n'
} >x
is 'all kinds' "$head
@seq batch=0 seq=0 dataset=a%20b
@route layer=0 row0=7 rows=2 cols=ids:u8:2
0,2
1,-
@note
	a%1bb
	c
	
@acme
	# 3 bytes
@table name=t rows=2 cols=x:f16,y:u8,z:e4m3f8
1	1	?
0.5	255	?
@place layer=0 mesh=1x1 rows=1 cols=expert:u8,dev:u16
3	-
@end frames=6" trace-show x
is '-n 1' '@route layer=0 row0=7 rows=2 cols=ids:u8:2 0,2 @note' \
	sh -c 'trace-show -n 1 x | sed -n "3,5p" | paste -sd" "'
is '-n 0: no text, no rows' '' sh -c 'trace-show -n 0 x | grep -v ^@'
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen -s $s --layers 2 --rows $((s * 7)) --experts $((s * 13)) -k $((s % 9 + 1)) --tokens -o a
	trace-filter -t a | grep -v '^#' | awk -F'\t' '{ print $(NF - 1) FS $NF }' >want
	trace-show a | grep -v '^@' >got
	tail -n $((2 * s * 7)) got >got.route
	tail -n $((2 * s * 7)) want | cmp -s - got.route || bad="$bad $s"
	trace-filter -z a | trace-show | grep -v ^@prog >z
	trace-show a | grep -v ^@prog | sed "s/^@end.*/@end frames=$(sed -n 's/^@end frames=//p' z)/" |
		cmp -s - z || bad="$bad z$s"
	s=$((s + 1))
done
is 'the cells that -t has, compressed or not, 20 seeds' '' echo "$bad"
fails 2 'a cut stream' 'head -c 120 x | trace-show >/dev/null' 'frame 2 at byte'
fails 2 'a broken payload' "printf '%s\n@route layer=0 rows=1 cols=ids:u8:2 enc=zstd bytes=3\nabc\n@end frames=1\n' '$head' | trace-show" 'frame 1 .*zstd'
done_testing
