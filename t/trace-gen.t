#!/bin/sh
# trace-gen: the same rows whatever the shard; what it makes is sound.
. "${0%/*}/lib.sh"
s=1
while [ $s -le 20 ]; do
	same "seed $s: --batch cuts what the whole holds" \
		"trace-gen --batches 4 --rows 40 --layers 3 -k 3 -s $s -b 1-2 --no-prog" \
		"trace-gen --batches 4 --rows 40 --layers 3 -k 3 -s $s --no-prog | trace-filter -b 1-2 --no-prog"
	s=$((s + 1))
done
is 'every row has k different experts' 0 sh -c "trace-gen --experts 6 -k 6 --rows 500 -t |
	awk 'NR > 1 { n = split(\$4, e, \",\"); for (i in e) seen[NR, e[i]]++ } END { for (x in seen) bad += seen[x] > 1; print bad + (n != 6) }'"
is 'weights descend' 0 sh -c "trace-gen -k 4 -w f32 --rows 500 -t |
	awk 'NR > 1 { split(\$5, w, \",\"); if (w[1] + 0 < w[2] + 0 || w[2] + 0 < w[3] + 0) bad++ } END { print bad + 0 }'"
is 'uniform: no expert is far from its share' 8 sh -c "trace-gen --experts 8 -k 1 --rows 80000 --zipf 0 |
	expert-load -t | awk 'NR > 1 && \$4 > 9500 && \$4 < 10500' | wc -l"
is 'more than 255 experts need u16' 'cols=ids:u16:2' sh -c "trace-gen --experts 256 -w none |
	grep -a '^@route' | grep -o 'cols=[^ ]*'"
is 'the reference, one layer' '{"layer": 0, "batch_id": 0, "origin_rows": [0, 0, 0, 3], "topk_experts": [[5, 1], [0, 4], [0, 1], [7, 3]]}
{"layer": 0, "batch_id": 1, "origin_rows": [1, 2, 2, 0], "topk_experts": [[6, 1], [0, 1], [1, 6], [7, 5]]}' sh -c \
	'trace-gen --model reference --batches 2 --rows 4 --mesh-rows 4 --experts 8 -k 2 -s 1 | trace2jsonl --dialect moe-balance'
is 'the reference, two' '{"layer": 0, "batch_id": 0, "origin_rows": [0, 1, 0], "topk_experts": [[0, 2, 3], [2, 4, 0], [1, 0, 5]]}
{"layer": 1, "batch_id": 0, "origin_rows": [1, 1, 0], "topk_experts": [[5, 1, 2], [3, 0, 1], [4, 1, 2]]}' sh -c \
	'trace-gen --model reference --layers 2 --rows 3 --mesh-rows 2 --experts 6 -k 3 --zipf 0.5 --coact 0.5 -s 42 | trace2jsonl --dialect moe-balance'
same 'the reference: a part is cut from the whole' 'trace-gen --no-prog --model reference --batches 9 -b 3-5' \
	'trace-gen --no-prog --model reference --batches 9 | trace-filter --no-prog -b 3-5'
fails 2 'weights of the reference' 'trace-gen --model reference -w f16' 'neither weights nor tokens'
fails 2 'k above experts' 'trace-gen --experts 4 -k 5' '--topk 5 of --experts 4'
fails 2 'map of another length' 'trace-gen --layers 3 --map 1-2' 'map lists 2'
fails 2 'a terminal' 'TRACE_FAKE_TTY=1 trace-gen' 'terminal'
fails 2 'full disk' 'trace-gen >/dev/full' 'No space'
done_testing
