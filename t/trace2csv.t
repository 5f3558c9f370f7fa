#!/bin/sh
# trace2csv: both dialects, and the shipped files byte for byte.
. "${0%/*}/lib.sh"
{
	printf '@trace v=1 layers=2 experts=3 topk=2\n'
	printf '@route layer=1 rows=2 cols=ids:u8:2,w:f32:2 bytes=80\n\2\0\1\377'
	head -c 60 /dev/zero
	printf '\0\0\200\77\0\0\0\74\0\0\0\77\0\0\0\0\n@end frames=1\n'
} >x
{
	printf '@trace v=1 layers=1 experts=3 topk=1\n@route layer=0 rows=1 cols=ids:u8,w:f16 bytes=66\n\1'
	head -c 63 /dev/zero
	printf '\0\176\n@end frames=1\n'
} >nan
is 'plain' 'layer_id,token_id,expert_0,expert_1,expert_2 1,0,0.0078125,0,1 1,1,0,0.5,0' sh -c "trace2csv x | paste -sd' ' -"
is 'dynande: half to even' '0,0,0.007812,0.000000,1.000000' sh -c "trace2csv --dialect dynande x | tr -d '\r' | sed -n 2p"
is 'nine digits read back' '0.0078125,0,1' sh -c "trace2csv --precision 9 x | sed -n 2p | cut -d, -f3-"
trace-gen --layers 2 --rows 5 -o a
fails 2 'the simulator reads one layer' 'trace2csv --dialect dynande a' 'one layer a file'
is 'unless it is chosen' 6 sh -c 'trace2csv --dialect dynande -l 1 a | wc -l'
fails 2 'a weight that is no number' 'trace2csv nan' 'row 0 slot 0'
fails 2 'no weights' 'trace-gen -w none | trace2csv' 'no column w'
fails 2 'full disk' 'trace2csv a >/dev/full' 'No space'
if [ -d "$DATA/flame-moe-290m" ]; then
	n=0 all=0
	find "$DATA/flame-moe-290m" -name '*.csv' ! -name '*_stats.csv' -o -name '*.csv.zst' | sort >list
	while read -r f; do
		all=$((all + 1))
		case $f in *.zst) zstd -qdc "$f" ;; *) cat "$f" ;; esac >want
		pt2trace "${f%.csv*}.pt" | trace2csv --dialect dynande | cmp -s - want && n=$((n + 1))
	done <list
	[ $all -gt 0 ] && [ $n -eq $all ]
	report $? "all $all shipped CSVs, byte for byte"
else
	skip_one 'no shipped files here'
fi
fails 2 'layers that are not there' 'trace-gen --rows 9 | trace2csv -l 9' 'none of these layers'
done_testing
