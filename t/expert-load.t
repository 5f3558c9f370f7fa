#!/bin/sh
# expert-load: picks per expert, empty slots and dropped picks, split slots.
. "${0%/*}/lib.sh"
{
	printf '@trace v=1 layers=1 experts=3 topk=2\n'
	printf '@route layer=0 rows=2 cols=ids:u8:2,dropped:u8:2 bytes=68\n\0\1\1\377'
	head -c 60 /dev/zero
	printf '\0\0\1\0\n@end frames=1\n'
} >x
is 'by hand' '1 2 0' sh -c "expert-load -t x | sed 1d | cut -f4 | paste -sd' ' -"
is '--kept' '1 1 0' sh -c "expert-load --kept -t x | sed 1d | cut -f4 | paste -sd' ' -"
jsonl2trace >odd <<!
{"kind":"trace","v":1,"layers":1,"experts":3,"topk":2}
{"kind":"route","layer":0,"rows":1,"cols":"ids:u8:2,dropped:u8:1","ids":[[0,1]],"dropped":[1]}
{"kind":"end","frames":1}
!
for tool in expert-load expert-stats expert-flow; do
	ok "$tool: what is dropped matters with --kept alone" sh -c "$tool odd | trace-check"
	fails 2 "$tool --kept: not a number each pick" "$tool --kept odd" '@route: column dropped is not u8:2, one number a pick'
done
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
# Places 2.5 and 4.5 of six sorted ones are the even ones, 2 and 4; 100 % on one of four experts is four times its share.
for n in 3 1 6 2 5 4; do
	echo "{\"layer\": 0, \"batch_id\": $n, \"topk_experts\": [$(seq -s ', ' $n | sed 's/[0-9]/[0]/g')]}"
done | jsonl2trace --experts 4 -o six
is 'percentiles round half to even' 'min: 1 p50: 3 p90: 5 p99: 6 max: 6' sh -c 'expert-load --summary six | sed -n 5p | xargs'
is 'the capacity factor is of so many experts' '[90.00, 100.00) CF [3.60, 4.00)=1' sh -c "expert-load --summary six | grep -o '[^ ]* [^ ]* CF [^ ]* [^ ]*\$'"
gold expert-load.split 'expert-load --summary --split-slots 2 t.trace'
# placement.md 5.2
counts() { # COUNT...: a count frame
	printf '{"kind":"trace","v":1,"layers":1,"experts":%d,"topk":1}\n{"kind":"count","layer":0,"n_tokens":100,"rows":%d,"cols":"n:u64","n":[%s]}\n' \
		$# $# "$(echo "$*" | tr ' ' ,)"
	echo '{"kind":"end","frames":1}'
}
halves() { expert-load -t "$@" | awk -F'\t' '!/^#/ { e = e $4 " "; p = p sprintf("%.12g ", $5) } END { print p "of " e }'; }
counts 50 30 20 | jsonl2trace -o c
is 'slots split' '12.5 15 20 25 15 12.5 of 0 1 2 0 1 0 ' halves --split-slots 3 c
counts 40 30 20 10 | jsonl2trace -o d
is 'slots split, a shared expert cut first' \
	'10 15 20 3.33333333333 3.33333333333 3.33333333333 20 15 10 of 0 1 2 3 3 3 0 1 0 ' \
	halves --split-slots 5 --shared-id 3 --shared-copies 3 d
is 'a table a batch and layer' 3 sh -c "expert-load --by-batch --split-slots 1 t.trace | grep -ac '^@table.* batch='"
gold expert-load.json 'expert-load --split-slots 3 --json t.trace'
counts 0 0 | jsonl2trace -o none
is 'a layer without picks' '0 0 0 of 0 1 0 ' halves --split-slots 1 none
if command -v python3 >/dev/null; then
	trace-gen --layers 3 --map 1,4,5 --experts 40 -k 3 --rows 500 --zipf 1.5 -o a
	python3 - <<'E'
import json, subprocess
out = lambda *a: subprocess.run(['expert-load', *a], capture_output=True, text=True).stdout
layers = {}
for line in out('-t', 'a').splitlines()[1:]:
    layer, _, _, n = line.split('\t')[:4]
    layers.setdefault(layer, []).append(int(n))
want = {'replication_slots': 50, 'experts': 40, 'layers': {}}
for layer, n in layers.items():
    f, of = [x / sum(n) * 100 for x in n], list(range(len(n)))
    for _ in range(50):
        i = f.index(max(f))
        f[i] /= 2
        f.append(f[i])
        of.append(of[i])
    want['layers'][layer] = {'replica_to_original': of, 'replica_frequencies': f}
open('want', 'w').write(json.dumps(want, indent=2) + '\n')
E
	same 'JSON as Python writes it' 'cat want' 'expert-load --split-slots 50 --json a'
else
	skip_one 'no python3'
fi
fails 2 'JSON of nothing split' 'expert-load --json a' 'only with --split-slots'
fails 2 'copies of no shared expert' 'expert-load --split-slots 2 --shared-copies 2 c' 'only with --shared-id'
fails 2 'a shared expert beyond' 'expert-load --split-slots 2 --shared-id 3 c' 'no expert 3'
fails 2 'JSON of batches' 'expert-load --by-batch t.trace | expert-load --split-slots 2 --json' 'layer 0 twice'
done_testing
