#!/bin/sh
# trace-heads: the lines of the frames and nothing else, as soon as they are there.
. "${0%/*}/lib.sh"
head='@trace v=1 layers=1 experts=4 topk=2'
{
	printf '%s   \n@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\0\n' "$head"
	printf '@note bytes=24\n\n@route layer=9 rows=9 \n\n@end frames=2     \n'
} >x
is 'padding goes, what is in a payload does not show' "$head
@route layer=0 rows=2 cols=ids:u8:2 bytes=4
@note bytes=24
@end frames=2" trace-heads x
is 'offsets' '0 40 89 129' sh -c 'trace-heads --offset x | cut -f 1 | paste -sd" "'
is 'an offset finds its frame' '@note bytes=24' sh -c 'tail -c +90 x | head -n 1'
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen -s $s --layers $((s % 4 + 1)) --rows $((s * 7)) --batches 3 --experts $((s * 13)) -o a
	trace-heads a | sed 's/ cols=.*//; s/ crc=.*//' >want
	trace-show -n 0 a | sed 's/ cols=.*//' >got
	cmp -s want got || bad="$bad $s"
	trace-heads --offset a | while IFS='	' read -r off line; do
		[ "$(tail -c +$((off + 1)) a | head -n 1 | sed 's/ *$//')" = "$line" ] || echo "$off"
	done >wrong
	[ -s wrong ] && bad="$bad $s"
	s=$((s + 1))
done
is 'as many frames as trace-show, each where --offset says, 20 seeds' '' echo "$bad"
same 'compressed and concatenated' 'cat a x | trace-heads' 'trace-heads a; trace-heads x'
trace-filter -z a | trace-heads | grep -q ' enc=zstd '
report $? 'enc is told'
is 'what comes before the break is seen' "$head" sh -c \
	'head -c 60 x | trace-heads 2>/dev/null | head -n 1'
fails 2 'a cut stream' 'head -c 95 x | trace-heads >/dev/null' 'frame 2 at byte 89'
is 'a line is there before the next frame comes' "$head" sh -c \
	"mkfifo p; trace-heads <p >out 2>/dev/null & exec 3>p; printf '%s\n' '$head' >&3
	i=0; while [ ! -s out ] && [ \$i -lt 100 ]; do sleep 0.05; i=\$((i + 1)); done; cat out; exec 3>&-; wait"
done_testing
