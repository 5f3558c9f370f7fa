#!/bin/sh
# trace-check: silent when sound, one line a finding, errors on what is broken.
. "${0%/*}/lib.sh"
s=1
while [ $s -le 20 ]; do
	for w in f16 bf16 f32; do
		trace-gen --layers 2 --batches 2 --rows 300 --experts $((s * 13)) -k $((s % 8 + 1)) -w $w -s $s -o a
		is "seed $s $w: sound, silent" '0' sh -c 'trace-check a; echo $?'
	done
	s=$((s + 1))
done
is 'a copied layer' 'layer 7: equal to layer 1' sh -c 'trace-map --copy-layers 7=1 a | trace-check'
head='@trace v=1 layers=1 experts=4 topk=2'
odd() { # DESCRIPTION WANT FRAME: one finding, exit 1
	printf '%s\n' "$head" >x
	printf "$3\n@end frames=1\n" >>x
	is "$1" "$2" trace-check x
	trace-check x >/dev/null
	is "$1: exit status" 1 echo $?
}
odd 'an expert twice' 'layer 0: an expert twice: 1 of 2 rows, the first is row 1' '@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\1'
odd 'NaN' 'layer 0: NaN or infinite: 1 of 1 rows, the first is row 0' '@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\0\0\176'
odd 'a negative weight' 'layer 0: a negative weight: 1 of 1 rows, the first is row 0' '@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\0\0\274'
odd 'a sum above 1' 'layer 0: weights sum above 1: 1 of 1 rows, the first is row 0' '@route layer=0 rows=1 cols=w:f16:2 bytes=4\n\0\74\0\74'
if [ -d "$DATA/qwen1.5-moe-vllm-jsonl" ]; then
	zstd -qdc "$DATA/qwen1.5-moe-vllm-jsonl/moe_layer12.jsonl.zst" | sed 1d |
		sed 's/.*"topk_ids": \[\([^]]*\)\].*/[\1]/' | paste -sd, - |
		sed 's/.*/{"layer": 12, "batch_id": 0, "topk_experts": [&]}/' | jsonl2trace --experts 60 -o q
	is 'warm-up of a real engine log' 'layer 12: one list of experts: 8448 of 12805 rows, the first is row 0' trace-check q
else
	skip_one 'no engine log here'
fi
fails 2 'a row twice' "printf '%s\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\1\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\1\n@end frames=2\n' '$head' | trace-check" 'row 0 occurs twice'
fails 2 'an id out of range' "printf '%s\n@route layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\4\n@end frames=1\n' '$head' | trace-check --frames" 'row 0 slot 1'
fails 2 'a broken checksum' "trace-gen --rows 9 | sed 's/layer=0/layer=00/' | trace-check" 'crc='

done_testing
