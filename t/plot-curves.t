#!/bin/sh
# plot-curves: the table behind the picture, names, marks, and that it is drawn.
. "${0%/*}/lib.sh"
trace-gen --layers 3 --batches 4 --rows 200 --experts 16 -k 2 -s 1 -o a
expert-load -o load a
gold plot-curves.gp 'plot-curves -l 0,2 --sort desc --cumulative --mark 2,8 --title "it'\''s" --script load'
is 'a curve a frame, named by what differs' 'layer=0 16 layer=1 16 layer=2 16' \
	sh -c "plot-curves -t load | sed 1d | cut -f1 | uniq -c | awk '{ print \$2, \$1 }' | paste -sd' '"
same 'values as they are, rows from 0' "plot-curves -t load | sed 1d | cut -f 2,3" "expert-load -t a | sed 1d | cut -f 3,4"
s=1 bad=
while [ $s -le 20 ]; do
	trace-gen --layers 2 --rows 100 --experts $((s * 5 + 3)) -k 3 -s $s | expert-load -o l
	for l in 0 1; do
		plot-curves -l $l --sort asc -t l | sed 1d | cut -f 3 >got
		plot-curves -l $l -t l | sed 1d | cut -f 3 | sort -n | cmp -s - got || bad="$bad sort$s"
		plot-curves -l $l --sort desc --cumulative --mark 4 -t l >c
		plot-curves -l $l --sort desc -t l | sed 1d | cut -f 3 | head -n 4 | awk '{ n += $1 } END { printf "# mark 4 %.4f\n", n / 3 }' >want
		tail -n 1 c | cmp -s - want || bad="$bad mark$s"
		[ "$(tail -n 2 c | head -n 1 | cut -f 3)" = 100 ] || bad="$bad end$s"
	done
	plot-curves --share -t l | awk -F'\t' '!/^#/ { n += $3 } END { exit !(n > 199.999 && n < 200.001) }' || bad="$bad share$s"
	s=$((s + 1))
done
is 'sorted, cumulated, shared: 20 seeds' '' echo "$bad"
is 'the reference trace: 63.1467 % of the picks at 32 experts' '# mark 32 63.1467' sh -c 'trace-gen --model reference --layers 1 --batches 50 --rows 1024 --mesh-rows 16 --experts 256 -k 8 -s 7 |
	expert-load --count | plot-curves -y n --sort desc --cumulative --mark 32 -t | tail -n 1'
printf '%s\n' '@trace v=1 layers=2 experts=4 topk=2 model=m' '@table name=search layer=0 rows=4 cols=chain:u8 bytes=4' >one
printf '\1\0\1\0\n@table name=cost layer=0 seed=3 rows=1 cols=us:u8 bytes=1\n\7\n@table name=cost layer=1 seed=3 rows=1 cols=us:u8 bytes=1\n\11\n@end frames=3\n' >>one
is '--by: a curve a value, ascending' 'chain=0 1,chain=0 3,chain=1 0,chain=1 2' \
	sh -c "plot-curves --frame search --by chain -y chain -t one | sed 1d | awk -F'\t' '{ print \$1, \$2 }' | paste -sd,"
is '--pool, a key as x' '# curve	x	y	0	7	1	9' sh -c 'plot-curves --frame cost --pool -x layer -t one | tr "\n" "\t" | sed "s/\t\$//; s/\t\t/\t/g"'
is 'frames without the column are passed over' 2 sh -c 'plot-curves -y us -t one | grep -vc "^#"'
sed 's/model=m/model=other/' one >two
is 'models name curves' 'm layer=0,m layer=1,other layer=0,other layer=1' sh -c 'plot-curves -y us -t one two | sed 1d | cut -f1 | paste -sd,'
cp one three
is 'files, where models do not' 'one three' sh -c "plot-curves -y us -t -l 0 one three | sed 1d | cut -f1 | paste -sd' '"
printf '%s\n' '@trace v=1 layers=2 experts=4 topk=2 model=m' >keys
for i in 0:b 1:b 0:a 1:a; do printf '@table name=t layer=%s by=%s rows=1 cols=v:u8 bytes=1\n%s\n' "${i%:*}" "${i#*:}" "${i%:*}"; done >>keys
echo '@end frames=4' >>keys
is '--by KEY: a curve of all frames with that value' 'b 0 48,b 1 49,a 0 48,a 1 49' \
	sh -c "plot-curves -x layer --by by -t keys | sed 1d | tr '\t' ' ' | paste -sd,"
is 'of files, each by itself' 8 sh -c "cp keys more; plot-curves -x layer --by by -t keys more | sed 1d | wc -l"
is 'and four of them' 4 sh -c "plot-curves -x layer --by by -t keys more | sed 1d | cut -f 1 | uniq | wc -l"
printf '%s\n' '@trace v=1 layers=1 experts=4 topk=2' '@table name=gap rows=5 cols=v:f32 bytes=20' >gap
printf '\0\0\200\77\0\0\300\177\0\0\200\100\0\0\200\177\0\0\0\101\n@end frames=1\n' >>gap
is 'what is no number breaks the line' '0 1||2 4||4 8|' sh -c "plot-curves --script gap | sed -n '/EOD/,/EOD/p' | grep -v EOD | tr '\n' '|'"
is 'and is in no order' '1 8 2 4 3 1' sh -c "plot-curves --sort desc -t gap | sed 1d | cut -f 2,3 | xargs"
is '--logx leaves 0 out' '2 4' sh -c "plot-curves --logx --script gap | sed -n '/EOD/,/EOD/p' | grep '^[0-9]' | head -n 1"
is '--sheet: a panel a frame' "'layer=0' 'layer=1' 'layer=2'" sh -c "plot-curves --sheet --script load | sed -n 's/^set title \('.*'\) noen.*/\1/p' | xargs -d '\n'"
trace-gen --layers 41 --rows 9 --experts 8 -o m
expert-load -o many m
is 'above 40 curves no names but a ramp' '0 41' sh -c "plot-curves --script many >p; echo \$(grep -c keyentry p) \$(grep -c 'palette cb' p)"
printf '%s\n' '@trace v=1 layers=1 experts=4 topk=2' '@hist layer=0 of=cdf kernel=tophat lo=0 hi=1 rows=2 cols=n:u8 bytes=2' >h
printf '\3\5\n@hist layer=0 of=cdf kernel=linear lo=0 hi=1 rows=1 cols=n:u8:4 bytes=4\n\1\2\3\4\n@end frames=2\n' >>h
is 'hist frames are outlines' 'tophat 0 0,tophat 0 3,tophat 0.5 5,tophat 1 0,linear 0 0,linear 0 1,linear 0.25 2,linear 0.5 3,linear 0.75 4,linear 1 0' \
	sh -c "plot-curves -t h | sed 1d | tr '\t' ' ' | paste -sd,"
is 'in steps' 2 sh -c "plot-curves --script h | grep -c 'with steps.*notitle'"
printf '%s\n' '@trace v=1 layers=1 experts=4 topk=2' '@hist layer=0 of=p lo=0 hi=1 rows=2 cols=n:u8:2 bytes=4' >rows
printf '\1\2\3\4\n@end frames=1\n' >>rows
is 'layers that are not there have no tick' "set xtics ('1' 1, '3' 3, '5' 5)" sh -c \
	'trace-gen --layers 3 --map 1,3,5 | expert-stats | plot-curves --pool -x layer -y gini --script | grep xtics | tail -n 1'
is 'ranks have the usual ones' 0 sh -c 'trace-gen --experts 64 | expert-load | plot-curves --script | grep -c "set xtics ("'
fails 2 'rows of bins' 'plot-curves --script rows' '2 rows of bins'
fails 2 'a column that is not there' 'plot-curves -y no one' '@table has no column no, it has chain'
fails 2 'one that is a matrix' 'coact a | plot-curves -y n --script' '16 values a row'
fails 2 'no such frame' 'plot-curves --frame no one' 'no frames of no'
fails 2 'a trace' 'plot-curves --script a' 'nothing to draw: no result frames: expert-load'
fails 2 'text' "printf '@trace v=1 layers=1 experts=4 topk=2\n@table name=t rows=2 cols=s:s8 bytes=2\nab\n@end frames=1\n' | plot-curves -y s -t" 'no numbers but s8'
fails 2 'an empty input' 'plot-curves </dev/null' 'empty'
fails 2 'a mark that is none' 'plot-curves --mark 3,x load' 'mark'
fails 2 'nothing above 0' 'plot-curves -l 0 --logx --frame cost --script one' 'above 0'
command -v gnuplot >/dev/null || {
	skip_one 'no gnuplot'
	done_testing
	exit
}
for f in svg png pdf; do
	plot-curves --sheet --logy --mark 3 -o "c.$f" load && plot-curves -o "m.$f" many
	report $? "$f is drawn"
	plot-curves --sheet --logy --mark 3 -o "c2.$f" load
	is "$f: the same bytes again" '' cmp "c.$f" "c2.$f"
done
done_testing
