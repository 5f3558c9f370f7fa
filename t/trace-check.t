#!/bin/sh
# trace-check: silent when sound, one line a finding, errors on what is broken.
. "${0%/*}/lib.sh"
s=1
while [ $s -le 20 ]; do
	for w in f16 bf16 f32; do
		trace-gen --layers 2 --batches 2 --rows 300 --experts $((s * 13)) -k $((s % 10 + 1)) -w $w -s $s -o a
		is "seed $s $w: sound, silent" '0' sh -c 'trace-check a; echo $?'
	done
	s=$((s + 1))
done

trace-map --copy-layers 7=1 a | trace-rows -n 7 -o copy
is 'a copied layer' 'layer 7 equals layer 1' trace-check copy
is 'a copy in frames of another size' 'layer 7 equals layer 1' sh -c \
	'{ trace-filter -l 7 copy | trace-rows; trace-filter -l 0,1 a; } | trace-check'
trace-gen --rows 300 --layers 1 -w f32 -o one
trace-gen --rows 300 --layers 1 -w bf16 | trace-map --layers 0=1 -o two
is 'the same picks, other weights: no copy' 0 sh -c 'cat one two | trace-check; echo $?'

odd() { # DESCRIPTION WANT FRAMES FORMAT [KEYS]: that finding, or none
	# shellcheck disable=SC2059
	printf "@trace v=1 layers=1 experts=4 topk=2 ${5-}\n$4\n@end frames=$3\n" >x
	is "$1" "$2" trace-check x
	trace-check -q x
	is "$1: exit status" "$([ -n "$2" ] && echo 1 || echo 0)" echo $?
}
odd 'an expert twice' 'layer 0: 1 row with an expert twice, first batch 3 row 6' 1 \
	'@route batch=3 layer=0 row0=5 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\1'
odd 'empty slots are no repeat' '' 1 '@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\377\377'
odd 'NaN' 'layer 0: 1 row with a weight that is NaN or infinite, first batch 0 row 0' 1 \
	'@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\0\0\176'
odd 'infinity' 'layer 0: 1 row with a weight that is NaN or infinite, first batch 0 row 1' 1 \
	'@route layer=0 rows=2 cols=w:f16:2 bytes=8\n\0\0\0\0\0\0\0\174'
odd 'a negative weight' 'layer 0: 1 row with a weight below 0, first batch 0 row 0' 1 \
	'@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\0\0\274'
two='@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\74\0\74'
odd 'a sum above 1' 'layer 0: 1 row with weights that sum above 1, first batch 0 row 0: 2' 1 "$two"
odd 'a sum above 1 of sigmoids' '' 1 "$two" score=sigmoid
odd 'but not if they were divided by it' \
	'layer 0: 1 row with weights that sum above 1, first batch 0 row 0: 2' 1 "$two" \
	'score=sigmoid renorm=1'
odd 'a sum that rounding explains' '' 1 '@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\1\70\1\70'
odd 'a logit that is NaN' 'layer 0: 1 row with a logit that is NaN, first batch 0 row 0' 1 \
	'@route layer=0 rows=1 cols=logit:f16:4 bytes=8\n\0\0\0\0\0\0\1\174'
odd 'a masked logit is none' '' 1 '@route layer=0 rows=1 cols=logit:f16:4 bytes=8\n\0\0\0\0\0\0\0\374'

# N rows, M of them 7,3; the others all differ
lists() {
	awk -v n="$1" -v m="$2" 'BEGIN {
		print "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":200,\"topk\":2}"
		printf "{\"kind\":\"route\",\"layer\":0,\"rows\":%d,\"cols\":\"ids:u8:2\",\"ids\":[", n
		for (i = 0; i < n; i++) {
			same = int((i + 1) * m / n) > int(i * m / n)
			printf same ? "%s[7,3]" : "%s[%d,%d]", i ? "," : "", 10 + i % 90, 110 + int(i / 90)
		}
		print "]}\n{\"kind\":\"end\",\"frames\":1}"
	}' | jsonl2trace -o lists
}
lists 400 100
is 'a list in a quarter of the rows' '' trace-check lists
lists 400 101
is 'a list in more' 'layer 0: one id list fills 101 of 400 rows (warm-up?): 7,3' trace-check lists
lists 8000 2200
is 'among more lists than are counted' 'layer 0: one id list fills at least 2 of 8000 rows (warm-up?): 7,3' \
	sh -c "trace-check lists | sed 's/2[12][0-9][0-9]/2/'"
if [ -d "$DATA/qwen1.5-moe-vllm-jsonl" ]; then
	zstd -qdc "$DATA/qwen1.5-moe-vllm-jsonl/moe_layer12.jsonl.zst" | sed 1d |
		sed 's/.*"topk_ids": \[\([^]]*\)\].*/[\1]/' | paste -sd, - |
		sed 's/.*/{"layer": 12, "batch_id": 0, "topk_experts": [&]}/' | jsonl2trace --experts 60 -o q
	is 'warm-up of a real engine log' 'layer 12: one id list fills at least 84 hundred of 12805 rows' \
		sh -c "trace-check q | sed 's/84[0-9][0-9]/84 hundred/; s/ (.*//'"
else
	skip_one 'no engine log here'
fi

head='@trace v=1 layers=2 experts=4 topk=2'
row='@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\1\n'
fails 2 'a row twice' "printf '%s\n$row$row@end frames=2\n' '$head' | trace-check" \
	'frame 2 .*row 0 of batch 0 layer 0 comes twice'
fails 2 'a row twice in a frame' "printf '%s\n@route layer=0 rows=2 row=4 cols=ids:u8:2 bytes=4\n\0\1\1\0\n@end frames=1\n' '$head' | trace-check" \
	'row 4 of batch 0 layer 0 comes twice'
is 'another layer or section is another row' 0 sh -c \
	"{ printf '%s\n$row@route layer=1 rows=1 cols=ids:u8:2 bytes=2\n\0\1\n@end frames=2\n' '$head'
	printf '%s\n$row@end frames=1\n' '$head'; } | trace-check; echo \$?"
fails 2 'against order=' "printf '%s order=batch,layer\n@route layer=1 rows=0 cols=ids:u8:2\n@route layer=0 rows=0 cols=ids:u8:2\n@end frames=2\n' '$head' | trace-check" 'against the order= of @trace'
fails 2 'an id out of range' "printf '%s\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\4\n@end frames=1\n' '$head' | trace-check --frames" 'row 0 slot 1'
fails 2 'a broken checksum' "trace-gen --rows 9 | sed 's/layer=0/layer=00/' | trace-check" 'crc='
is '--frames looks for nothing odd' 0 sh -c 'trace-check --frames copy; echo $?'
done_testing
