#!/bin/sh
# coact: symmetric, marginals on the diagonal, shards add up.
. "${0%/*}/lib.sh"
printf '@trace v=1 layers=1 experts=3 topk=3\n@route layer=0 rows=3 cols=ids:u8:3 bytes=9\n\0\2\1\1\1\377\2\0\377\n@end frames=1\n' >x
is 'by hand: a repeat, an empty slot' '2,1,2 1,2,1 2,1,2' sh -c "coact -t x | sed 1d | cut -f4 | paste -sd' ' -"
s=1
while [ $s -le 20 ]; do
	k=$((s % 9 + 1))
	trace-gen --batches 4 --rows 64 --layers 2 --experts $((s * 19)) -k $k -s $s -o a
	coact a -o whole
	ok "seed $s: shards add up" sh -c 'rm -f p-*; trace-split -n 3 -o p- a
		for f in p-*.trace; do coact "$f" -o "$f.co"; done; trace-sum p-*.co | trace-cmp - whole'
	is "seed $s: symmetric, rows of k picks" "0 $((2 * 256 * k * k))" sh -c "coact -t a | awk -F '\t' 'NR > 1 {
		n = split(\$4, c, \",\"); for (i = 1; i <= n; i++) { m[\$1, \$3 + 1, i] = c[i]; sum += c[i] } E = n }
		END { for (x in m) { split(x, p, SUBSEP); bad += m[x] != m[p[1], p[3], p[2]] } print bad + 0, sum }'"
	s=$((s + 1))
done
same 'norms of frames and of the trace' 'coact --norm pmi -t a' 'coact a | coact --norm pmi -t'
is 'jaccard by hand' '1,0.3333333333333333,1' sh -c "coact --norm jaccard -t x | sed -n 2p | cut -f4"
is 'on a terminal six digits do' 'coact-jaccard  0      0    1,0.333333,1' \
	sh -c 'TRACE_FAKE_TTY=1 coact --norm jaccard -t x | sed -n 2p'
printf '@trace v=1 layers=1 experts=3 topk=3\n@note a=1234567.25 b=0.12345678901 c=12345678 d=1.2.3.4.5.6\n@end frames=1\n' >keys
is 'keys, too' '1234567  0.123457  12345678  1.2.3.4.5.6' sh -c 'TRACE_FAKE_TTY=1 trace-filter -t keys | sed -n 2p'
is 'but not in a file' '1234567.25 0.12345678901 12345678 1.2.3.4.5.6' sh -c 'trace-filter -t keys | sed -n 2p | xargs'
fails 2 'no routing' 'expert-load a | coact' 'only @count frames: give it the trace'
fails 2 'a norm is no sum' 'coact --norm pmi a | trace-sum' 'table'
fails 2 'ids missing' "printf '@trace v=1 layers=1 experts=3 topk=1\n@route layer=0 rows=1 cols=w:f16:1 bytes=2\n\0\0\n@end frames=1\n' | coact" 'no column ids'
fails 2 'layers that are not there' 'trace-gen --rows 9 | coact -l 9' 'no records for layer 9 '
fails 2 'one of them is not there' 'trace-gen --rows 9 | coact -l 0,9' 'no records for layer 9 '
cat >t.jsonl <<'E'
{"layer": 0, "batch_id": 0, "topk_experts": [[0, 1], [0, 2], [0, 3], [1, 0], [4, 5], [0, 5]]}
{"layer": 0, "batch_id": 1, "topk_experts": [[0, 1], [2, 3], [1, 4], [0, 5]]}
{"layer": 1, "batch_id": 0, "topk_experts": [[5, 4], [3, 2]]}
E
jsonl2trace --experts 6 -o t.trace t.jsonl
is 'the placement simulator'\''s CSV, with a shared expert' '0,3,1,1,0,2,7
3,0,0,0,1,0,4
1,0,0,1,0,0,2
1,0,1,0,0,0,2
0,1,0,0,0,1,2
2,0,0,0,1,0,3
7,4,2,2,2,3,0' sh -c 'coact --shared 1 -l 0 t.trace | trace2csv --dialect coact'
fails 2 'shared and normed' 'coact --shared 1 --norm pmi t.trace' 'goes with all alike'
fails 2 'two matrices in a CSV' 'coact t.trace | trace2csv --dialect coact >/dev/null' 'several matrices'
printf '@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=2 cols=ids:u8:1 bytes=2\n\0\1\n@end frames=1\n' >apart
is 'pmi of what is never together, and of what is never picked' '1,-inf,nan,nan' \
	sh -c 'coact --norm pmi -t apart | sed -n 2p | cut -f 4'
done_testing
