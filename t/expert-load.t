#!/bin/sh
# expert-load: picks per expert, empty slots and dropped picks.
. "${0%/*}/lib.sh"
{
	printf '@trace v=1 layers=1 experts=3 topk=2\n'
	printf '@route layer=0 rows=2 cols=ids:u8:2,dropped:u8:2 bytes=68\n\0\1\1\377'
	head -c 60 /dev/zero
	printf '\0\0\1\0\n@end frames=1\n'
} >x
is 'by hand' '1 2 0' sh -c "expert-load -t x | sed 1d | cut -f4 | paste -sd' ' -"
is '--kept' '1 1 0' sh -c "expert-load --kept -t x | sed 1d | cut -f4 | paste -sd' ' -"
s=1
while [ $s -le 20 ]; do
	trace-gen --batches 3 --rows 50 --layers 2 --experts $((s * 21)) -k 2 -s $s -o a
	ok "seed $s: cat a a is twice a" \
		sh -c 'cat a a | expert-load -o q && expert-load a -o c && trace-sum c c | trace-cmp - q'
	is "seed $s: rows times k" 600 sh -c "expert-load -t a | awk '{ n += \$4 } END { print n }'"
	s=$((s + 1))
done
is 'by batch' 6 sh -c "expert-load --by-batch a | grep -ac '^@count'"
fails 2 'a result of another kind has no rows' 'topk-stats a | head -c 500 | expert-load' 'cut off'
fails 2 'layers that are not there' 'trace-gen --rows 9 | expert-load -l 9' 'no records for layer 9 '
fails 2 'of a summary, too' 'trace-gen --rows 9 | expert-load --summary -l 0,9' 'no records for layer 9 '
fails 2 'no routing' 'trace-gen --rows 9 | coact | expert-load' 'only @coact frames: give it the trace'
fails 2 'one of them is not there' 'trace-gen --rows 9 | expert-load -l 0,9' 'no records for layer 9 '
cat >t.jsonl <<'E'
{"layer": 0, "batch_id": 0, "topk_experts": [[0, 1], [0, 2], [0, 3], [1, 0], [4, 5], [0, 5]]}
{"layer": 0, "batch_id": 1, "topk_experts": [[0, 1], [2, 3], [1, 4], [0, 5]]}
{"layer": 1, "batch_id": 0, "topk_experts": [[5, 4], [3, 2]]}
E
jsonl2trace --experts 6 -o t.trace t.jsonl
gold expert-load.summary 'expert-load --summary -t t.trace'
is 'the summary, as the placement simulator has it' 'min: 25.0000 p50: 25.0000 p90: 35.0000 p99: 35.0000 max: 35.0000' \
	sh -c 'expert-load --summary t.trace | sed -n 7p | xargs'
done_testing
