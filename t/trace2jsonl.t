#!/bin/sh
# trace2jsonl: our own dialect and its inverse; records for the simulator.
. "${0%/*}/lib.sh"

# columns of every type, in a frame made by hand: R rows, payload from a file
column() { # KIND KEYS ROWS COLS FILE
	printf '@%s %s rows=%s cols=%s bytes=%s\n' "$1" "$2" "$3" "$4" "$(($(wc -c <"$5")))"
	cat "$5"
	echo
}
zeros() { head -c "$1" /dev/zero; }
{ printf '\0\1\377' && zeros 61 && printf '\376\377\377\377\0\200' && zeros 58; } >ints
{ printf '\0\74\0\174\0\374\0\176\1\176\0\200' && zeros 52 && # f16: 1 inf -inf nan nan -0
	printf '\200\77\200\177\200\377\300\177\301\377\0\200'; } >halves
{ printf '\315\314\314\75\0\0\200\177\0\0\300\377' && zeros 52 && # f32: 0.1 inf -nan
	printf '\232\231\231\231\231\231\271\77\0\0\0\0\0\0\360\377\0\0\0\0\0\0\370\177'; } >reals
printf 'a "text"\nof \303\251\0' >utf8
printf '\377\376raw' >raw
{
	echo '@trace v=1 layers=1 experts=4 topk=2 model=a%20%22b%22%25%FF kind=k order=batch,layer'
	printf '@note bytes=%s\n' $(($(wc -c <utf8))) && cat utf8 && echo
	printf '@note text=x bytes=%s\n' $(($(wc -c <raw))) && cat raw && echo
	echo '@acme data=0 n=007 m=9223372036854775808 x=1.5'
	printf '@acme bytes=%s\n' $(($(wc -c <raw))) && cat raw && echo
	printf '@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\2\1\377\n'
	column table name=i 3 a:u8,b:i16 ints
	column table name=h 6 a:f16,b:bf16 halves
	column table name=r 3 a:f32,b:f64 reals
	printf '@table name=o rows=1 cols=a:e4m3f8:3 bytes=3\n\0\1\377\n'
	echo '@table name=none rows=0 cols=ids:u16:3'
	echo '@end frames=10'
} >all.trace
trace2jsonl all.trace >all.jsonl
gold trace2jsonl-all 'cat all.jsonl'
ok 'jsonl2trace makes the same trace of it' sh -c 'jsonl2trace all.jsonl >back.trace && trace-cmp all.trace back.trace'
same 'and the same lines again' 'trace2jsonl back.trace | grep -v jsonl2trace | head -n 11' 'head -n 11 all.jsonl'
same 'columns may stand before cols, blanks anywhere' \
	"sed 's/^{\"kind\":\"route\",\(.*\),\(\"ids\".*\)}\$/{ \2 , \"kind\" : \"route\",\1}/' all.jsonl | jsonl2trace --no-prog" \
	'jsonl2trace --no-prog all.jsonl'
is 'the example of moetrace(5)' \
	'{"kind":"route","layer":0,"rows":2,"cols":"ids:u8:2","ids":[[0,2],[1,null]]}' \
	sh -c 'trace2jsonl all.trace | sed -n 6p'

line() { # N LINE: all.jsonl with line N replaced
	sed "$1s|.*|$2|" all.jsonl
}
fails 2 'a column that is missing' \
	'line 6 "{\"kind\":\"route\",\"layer\":0,\"rows\":1,\"cols\":\"ids:u8:2\"}" | jsonl2trace' ':6:.*column ids is missing'
fails 2 'a row too few' \
	'line 6 "{\"kind\":\"route\",\"layer\":0,\"rows\":2,\"cols\":\"ids:u8:2\",\"ids\":[[1,2]]}" | jsonl2trace' ':6:.*2 rows'
fails 2 'a number that its type cannot hold' \
	'line 6 "{\"kind\":\"route\",\"layer\":0,\"rows\":1,\"cols\":\"ids:u8:2\",\"ids\":[[1,256]]}" | jsonl2trace' ':6:'
fails 2 'a wrong count of frames' 'sed 4d all.jsonl | jsonl2trace' 'says 10 frames, there are 9'
fails 2 'lines that are cut off' 'head -n 5 all.jsonl | jsonl2trace' 'cut short'
fails 2 'no trace line' 'sed 1d all.jsonl | jsonl2trace --dialect moetrace' 'before the trace'
fails 2 'rows that lie' \
	'line 6 "{\"kind\":\"route\",\"layer\":0,\"rows\":268435456,\"cols\":\"ids:u8:2\",\"ids\":[[1,2]]}" | jsonl2trace' ':6:'
fails 2 'a cut trace' 'head -c 300 all.trace | trace2jsonl'
fails 2 'a frame without ids has no record' \
	"printf '@trace v=1 layers=1 experts=4 topk=2\n@route layer=0 rows=1 cols=x:u8 bytes=1\n0\n@end frames=1\n' | trace2jsonl --dialect moe-balance" 'no ids'

is 'a record for the simulator' '{"layer": 0, "batch_id": 0, "topk_experts": [[0, 2], [1]]}' \
	sh -c 'trace2jsonl --dialect moe-balance all.trace'
printf '@trace v=1 layers=1 experts=4 topk=2\n@seq batch=3 seq=0 request=a%%20b source=7\n@seq batch=4 seq=0 request=1\n@seq batch=4 seq=1 request=2\n' >seq.trace
for b in 3 4; do printf '@route batch=%s layer=0 rows=1 cols=ids:u8:2 bytes=2\n\0\1\n' $b; done >>seq.trace
echo '@end frames=5' >>seq.trace
is 'request and source of the one sequence of its batch' \
	'{"layer": 0, "batch_id": 3, "topk_experts": [[0, 1]], "request_id": "a b", "source_file": 7}
{"layer": 0, "batch_id": 4, "topk_experts": [[0, 1]]}' trace2jsonl --dialect moe-balance seq.trace

if command -v trace-gen >/dev/null && command -v trace-cmp >/dev/null; then
	bad=0
	for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		trace-gen --layers 3 --batches 2 --rows 50 --experts $((seed * 23)) -k 3 -s $seed >g.trace
		trace2jsonl g.trace | jsonl2trace | trace-cmp - g.trace >/dev/null || bad=$seed
		trace2jsonl --dialect moe-balance g.trace >g.jsonl
		jsonl2trace g.jsonl | trace2jsonl --dialect moe-balance | cmp -s - g.jsonl || bad=$seed
	done
	is '20 seeds there and back, both dialects' 0 echo $bad
else
	skip_one 'no trace-gen, no trace-cmp'
fi
done_testing
