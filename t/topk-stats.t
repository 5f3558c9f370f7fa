#!/bin/sh
# topk-stats: counts, sums of shards, and the shipped histograms.
. "${0%/*}/lib.sh"
printf '@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\377\n@end frames=1\n' >x
is 'by hand, an empty slot' '0 1 2 0 1 50.00% 1,0 1 2 1 1 50.00% 2,0 1 2 2 0 0.00% 3,0 1 2 3 0 0.00% 4,0 2 2 0 1 50.00% 1,0 2 2 1 1 50.00% 2,0 2 2 2 1 50.00% 3,0 2 2 3 0 0.00% 4' \
	sh -c "topk-stats -t x | sed 1d | tr '\t' ' ' | paste -sd, -"
s=1
while [ $s -le 20 ]; do
	trace-gen --batches 3 --rows 70 --layers 2 --experts $((s * 17)) -k 3 -s $s -o a
	ok "seed $s: stats of a b are the sum of stats" \
		sh -c 'cat a a | topk-stats -o q && topk-stats a -o p && trace-sum p p | trace-cmp - q'
	same "seed $s: frames that come in are added" \
		'topk-stats a | topk-stats -t' 'topk-stats a -t'
	is "seed $s: k picks a row" $((2 * 210 * 3)) sh -c "topk-stats -k 3 -t a | awk '{ n += \$5 } END { print n }'"
	s=$((s + 1))
done
fails 2 'k above the trace' 'topk-stats -k 9 a' 'topk 9: the trace has topk=3'
fails 2 'k of 0' 'topk-stats -k 0 a' 'topk 0'
fails 2 'sections disagree' 'trace-gen --experts 9 | cat a - | topk-stats' 'disagree: experts'
fails 2 'an id out of range' "printf '@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\4\n@end frames=1\n' | topk-stats" 'expert out of range'
fails 2 'full disk' 'topk-stats a >/dev/full' 'No space'
if [ -d "$DATA/flame-moe-290m" ]; then
	n=0
	find "$DATA/flame-moe-290m" -name '*.pt' | sort >list
	while read -r f; do
		for k in 1 2 6; do
			pt2trace "$f" | topk-stats --compat -k $k -t | sed 1d | sort -t '	' -k5,5nr -k4,4n |
				awk -F '\t' '{ printf "%d,%d,%.2f,%d\r\n", $4, $5, $5 / $3 * 100, NR }' >got
			sed 1d "${f%.pt}_top${k}_stats.csv" | cmp -s - got && n=$((n + 1))
		done
	done <list
	is 'compat: every shipped histogram' $(($(wc -l <list) * 3)) echo $n
else
	skip_one 'no shipped histograms here'
fi
fails 2 'layers that are not there' 'trace-gen --rows 9 | topk-stats -k 1 -l 9' 'no records for layer 9 '
fails 2 'no routing' 'trace-gen --rows 9 | expert-load | topk-stats' 'only @count frames: give it the trace'
fails 2 'one of them is not there' 'trace-gen --rows 9 | topk-stats -k 1 -l 0,9' 'no records for layer 9 '
done_testing
