#!/bin/sh
# plot-bars: the program it writes; plot-heat.t sees to what both share.
. "${0%/*}/lib.sh"
trace-gen --layers 3 --batches 6 --rows 200 --experts 8 -k 2 -s 1 -o a
expert-load -o load a
bars() { plot-bars --script "$@" | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD; }
gold plot-bars.gp 'plot-bars -l 0,2 --sort --script load'
is '--top' 2 sh -c "plot-bars -l 1 --top 2 --script load | sed -n '/<< EOD/,/^EOD/p' | grep -vc EOD"
is 'the mean is named' 3 sh -c "plot-bars --script load | grep -c '^set label 1 .mean. '"
is 'but not above the picture' 0 sh -c "plot-bars --max 1 --script load | grep -c '^set label 1 '"
step() { # between two names of experts, in bars
	trace-gen --layers 1 --rows 2000 --experts "$1" -k 2 | expert-load | plot-bars --size 400x300 --top 40 --script |
		sed -n "s/^set xtics ('[0-9]*' 0, '[0-9]*' \([0-9]*\).*/\1/p"
}
is 'longer names stand farther apart' '4 8' sh -c "echo $(step 90) $(step 2000)"
is '--cdf ends at all' '7 100' sh -c "plot-bars -l 1 --cdf --script load | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD | tail -n 1"
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen --layers 1 --rows 100 --experts $((s * 5)) -k 3 -s $s | expert-load -o l
	bars --count l | cut -d' ' -f2 | sort -rn >want
	bars --count --sort l | cut -d' ' -f2 | cmp -s - want || bad="$bad $s"
	[ "$(bars --count l | awk '{ n += $2 } END { print n }')" = 300 ] || bad="$bad sum $s"
	s=$((s + 1))
done
is 'sorted, all are there, 20 seeds' '' echo "$bad"
printf '%s\n' '@trace v=1 layers=1 experts=4 topk=2' '@hist layer=0 of=logit lo=-1 hi=1 rows=4 cols=n:u8 bytes=4' >h
printf '\1\2\3\4\n@end frames=1\n' >>h
is 'bins stand where they are' '-0.75 1 -0.25 2 0.25 3 0.75 4' sh -c "plot-bars --script h | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD | paste -sd' '"
is 'and say of what' "set xlabel 'logit' noenhanced offset 0,0.5" sh -c 'plot-bars --script h | grep xlabel'
{ topk-stats -k 1 a; cat load; } >several
same '--frame: one kind of several' 'plot-bars --frame count --script several' 'plot-bars --script load'
printf '@trace v=1 layers=1 experts=4 topk=2\n@table name=t rows=2 cols=s:s8,v:u8 bytes=66\nab%062d\0\1\n@end frames=1\n' 0 >text
fails 2 'a column of text' 'plot-bars --col s --script text' '@table: column s is no numbers'
fails 2 'a column that is not there' 'plot-bars --col no --script text' '@table has no column no, it has s, v'
fails 2 '--frame: none of it' 'plot-bars --frame topk --script load' 'no frames of topk'
fails 2 'nothing' 'plot-bars --script a' 'nothing to draw'
fails 2 'a matrix' 'coact a | plot-bars --script' 'plot-heat draws it'
done_testing
