#!/bin/sh
# place-init, place-eval: placement.md 6.8, 7, 8 and 9.1 to the digits given.
. "${0%/*}/lib.sh"
cat >t.jsonl <<'E'
{"layer": 0, "batch_id": 0, "origin_rows": [0, 0, 1, 1, 2, 3], "topk_experts": [[0, 1], [0, 2], [0, 3], [1, 0], [4, 5], [0, 5]]}
{"layer": 0, "batch_id": 1, "origin_rows": [3, 2, 1, 0], "topk_experts": [[0, 1], [2, 3], [1, 4], [0, 5]]}
{"layer": 1, "batch_id": 0, "origin_rows": [0, 1], "topk_experts": [[5, 4], [3, 2]]}
E
jsonl2trace --experts 6 -o t t.jsonl
sed 's/"origin_rows": [^]]*], //' t.jsonl | jsonl2trace --experts 6 -o bare
printf '{"rows": 4, "cols": 2, "experts": 6, "num_shared_experts": 0, "slots": 8, "capacity_factor": 1.0, "layer": 0}' >s.jsonc
lists() { trace-show "$1" | awk '/^@/ { next } { d[$1] = d[$1] (d[$1] == "" ? "" : ",") $2 } END { for (e = 0; e in d; e++) printf "%s%d:[%s]", e ? " " : "", e, d[e] }'; }
cost() { place-eval -c s.jsonc -p "$@" -t | awk -F'\t' '$1 == "cost" { printf "%.9f %.9f\n", $4, $5 }'; }
expert-load t | place-replicate -c s.jsonc --policy one-each -o r
check() { # STRATEGY AXIS TOP LISTS COST
	place-init -c s.jsonc --strategy "$1" --axis "$2" --top "$3" --trace t -o p r
	is "$1 $2 $3" "$4 $5" echo "$(lists p) $(cost p t)"
}
check balance row 0 '0:[0,5] 1:[2,7] 2:[6] 3:[1] 4:[4] 5:[3]' '299.007980235 299.007980235'
cp p p1
check balance col 2 '0:[0,5] 1:[2,7] 2:[1] 3:[3] 4:[6] 5:[4]' '304.568924412 310.129868590'
check balance_load_coactivation row 0 '0:[0,7] 1:[1,6] 2:[4] 3:[5] 4:[3] 5:[2]' '292.832758013 310.129868590'
check balance_load_coactivation row 2 '0:[0,7] 1:[2,6] 2:[4] 3:[5] 4:[3] 5:[1]' '304.568924412 310.129868590'
check balance_load_coactivation col 0 '0:[0,5] 1:[2,7] 2:[1] 3:[3] 4:[6] 5:[4]' '304.568924412 310.129868590'
check balance_load_coactivation col 2 '0:[0,5] 1:[1,3] 2:[4] 3:[6] 4:[7] 5:[2]' '301.481313301 310.129868590'
check hot-tier col 2 '0:[0,5] 1:[1,3] 2:[4] 3:[6] 4:[7] 5:[2]' '301.481313301 310.129868590'
is 'origins: round robin' '304.568924412 310.129868590' cost p1 bare --origin round-robin
is 'origins: each row, averaged' '299.626313502 301.788452324' cost p1 bare --origin average-rows
is 'dispatch, compute, combine of a batch' '90.503990118 118 90.503990118' sh -c \
	"place-eval -c s.jsonc -p p1 --batches -t t | tail -n 1 | awk '{ printf \"%.9f %s %.9f\", \$5, \$6, \$7 }'"
awk 'BEGIN { printf "{\"layer\": 0, \"batch_id\": 0, \"origin_rows\": ["; for (i = 0; i < 70; i++) printf "%s0", i ? ", " : ""
	printf "], \"topk_experts\": ["; for (i = 0; i < 70; i++) printf "%s[0, 1]", i ? ", " : ""; print "]}" }' | jsonl2trace --experts 2 -o seventy
{
	echo '{"kind":"trace","v":1,"layers":1,"experts":2,"topk":1}'
	echo '{"kind":"place","layer":0,"mesh":"4x2","rows":3,"cols":"expert:u16,dev:u16","expert":[0,0,1],"dev":[0,5,2]}'
	echo '{"kind":"end","frames":1}'
} | jsonl2trace -o blocks
is 'blocks of 32 tokens' '528.832758013 354' sh -c \
	"place-eval --mesh 4x2 --factor 0.5 -p blocks --batches -t seventy | tail -n 1 | awk '{ printf \"%.9f %s\", \$3, \$5 }'"
# EPLB's own vector, slot by slot
{
	echo '{"kind":"trace","v":1,"layers":2,"experts":12,"topk":1}'
	echo '{"kind":"count","layer":0,"n_tokens":1033,"rows":12,"cols":"n:u64","n":[90,132,40,61,104,165,39,4,73,56,183,86]}'
	echo '{"kind":"count","layer":1,"n_tokens":1056,"rows":12,"cols":"n:u64","n":[20,107,104,64,19,197,187,157,172,86,16,27]}'
	echo '{"kind":"end","frames":2}'
} | jsonl2trace -o w
place-replicate --mesh 8x1 --shared 0 --slots 16 w | place-init --mesh 8x1 --shared 0 --slots 16 --strategy eplb --groups 4 --nodes 2 --count w -o e
is "EPLB's own vector" '5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1], [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1' sh -c \
	"place-conv --to eplb e | sed 's/{.phy2log.: \[\[//; s/\]\].*//'"
s=1
bad=
while [ $s -le 20 ]; do # copies that are moved apart change slots, or have none
	trace-gen --experts 8 -k 2 --rows 300 --zipf 2 -s $s | expert-load -o l
	place-replicate --mesh 8x1 --shared 0 --slots 16 -o c l
	place-init -q --as-is --mesh 8x1 --shared 0 --slots 16 --strategy eplb --count l -o a c
	place-init -q --mesh 8x1 --shared 0 --slots 16 --strategy eplb --count l -o b c
	place-init -q --mesh 8x1 --shared 0 --slots 24 --strategy eplb --count l -o d c
	place-conv -q --to sglang a >am && place-conv -q --to sglang b >bm && place-conv -q --to placement.json d >dm || bad="$bad $s"
	cmp -s am bm || moved=1
	trace-show d | grep -q slot:u16 || free=1
	s=$((s + 1))
done
is 'slots of copies moved apart, 20 seeds' '1 1 ' echo "$moved $free $bad"
jsonl2trace -o w.n <<'E'
{"kind":"trace","v":1,"layers":1,"experts":12,"topk":1}
{"kind":"count","layer":0,"n_tokens":1056,"rows":12,"cols":"n:u64","n":[20,107,104,64,19,197,187,157,172,86,16,27]}
{"kind":"end","frames":1}
E
for how in '--groups 3 --nodes 2' '--groups 8 --nodes 2' '--groups 8 --nodes 8'; do
	same "eplb $how: no even parts, one group" "place-replicate --mesh 8x1 --slots 16 w.n | place-init -q --no-prog --mesh 8x1 --slots 16 --strategy eplb $how --count w.n" \
		'place-replicate --mesh 8x1 --slots 16 w.n | place-init -q --no-prog --mesh 8x1 --slots 16 --strategy eplb --count w.n'
done
fails 2 'eplb: devices that do not divide over nodes' 'place-replicate --mesh 6x1 --slots 12 w.n | place-init --mesh 6x1 --slots 12 --strategy eplb --groups 4 --nodes 4 --count w.n' 'evenly'
# Device 2 has both copies of expert 1 (29 each): of expert 0 (33), 2 (28) and 4 (9), 2 is most alike.
jsonl2trace -o w.d <<'E'
{"kind":"trace","v":1,"layers":1,"experts":5,"topk":1}
{"kind":"count","layer":0,"n_tokens":225,"rows":5,"cols":"n:u64","n":[66,58,56,36,9]}
{"kind":"end","frames":1}
E
for how in --as-is ''; do
	# shellcheck disable=SC2086
	place-replicate --mesh 3x1 --slots 9 w.d | place-init -q $how --mesh 3x1 --slots 9 --strategy eplb --count w.d | place-conv -q --to sglang
	echo
done >said
is 'copies moved apart change places with the most alike' '[0, 2, 3, 0, 2, 4, 1, 1, 3] [0, 1, 3, 0, 2, 4, 1, 2, 3]' \
	sh -c "sed 's/.*\[\[/[/; s/\]\].*/]/' said | xargs"
# no more copies of an expert than devices, unless as EPLB has it
trace-gen --rows 100 --batches 3 --experts 8 -k 2 -s 1 --zipf 1.5 -w none | expert-load -o l
S='--mesh 2x1 --experts 8 --slots 10'
place-replicate $S -o c l
twice() { place-init "$@" --strategy eplb --count l c | trace-filter -t | grep -v '^#' | cut -f 4,5 | sort | uniq -d | wc -l; }
is 'eplb: as many copies as devices at most' 0 twice $S
is 'eplb --as-is: as it has them' 1 twice -q --as-is $S
fails 0 'and says so' "place-init --as-is $S --strategy eplb --count l -o a c" 'layer 0: 1 copy shares a device with another of the same expert, as of expert [0-9] on device [01]$'
# the standard trace
trace-gen --model reference --batches 50 --mesh-rows 16 --experts 256 -k 8 -s 7 -o std
printf '{"rows": 16, "cols": 8, "experts": 256, "num_shared_experts": 1, "slots": 384, "capacity_factor": 2.0, "layer": 0}' >s.jsonc
expert-load std | place-replicate -c s.jsonc --policy one-each -o r
printf '{"placement_strategy": "balance_load_coactivation", "placement_axis": "row", "top_n": 32, "replica_spread_by_distance": "none"}' >i.jsonc
place-init -q -c s.jsonc --init i.jsonc --trace std -o p r
is 'the standard start' 1879.9184 sh -c "place-eval -c s.jsonc -p p -t std | awk '\$1 == \"cost\" { printf \"%.4f\", \$4 }'"
place-init -q --as-is -c s.jsonc --strategy eplb --trace std -o p r
is 'EPLB there' 820.6 sh -c "place-eval -c s.jsonc -p p -t std | awk '\$1 == \"cost\" { printf \"%.1f\", \$4 }'"
s=1
bad=
while [ $s -le 20 ]; do
	place-init -q -c s.jsonc --strategy random -s $s --trace std r | trace-show | grep -v @ | cut -f 2 | sort -n | uniq -c |
		awk '$1 != 3 { exit 1 }' || bad="$bad $s"
	s=$((s + 1))
done
is 'random fills every device, 20 seeds' '' echo "$bad"
# even: the toy of eight and its optimum, never less even than EPLB, no expert twice on a device
{
	echo '{"kind":"trace","v":1,"layers":1,"experts":8,"topk":1}'
	echo '{"kind":"count","layer":0,"n_tokens":1450,"rows":8,"cols":"n:u64","n":[600,560,120,120,20,10,10,10]}'
	echo '{"kind":"end","frames":1}'
} | jsonl2trace -o toy
even() { place-eval -p "$1" --count "$2" -t | awk -F'\t' '$1 == "balance" { if ($4 > m) m = $4 } END { printf "%.6f", m }'; }
place-replicate --mesh 8x1 --slots 16 -o c toy
place-init --mesh 8x1 --slots 16 --strategy even --count toy -o p8 c
is 'the optimum of the toy' 1.085057 even p8 toy
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen --experts 32 -k 4 --rows 500 -s $s | expert-load -o l
	place-replicate --mesh 16x1 --slots 48 -o c l
	place-init -q --mesh 16x1 --slots 48 --strategy eplb --count l -o a c
	place-init --mesh 16x1 --slots 48 --strategy even --tries 0 --count l -o b c 2>said
	place-init --mesh 16x1 --slots 48 --strategy even --tries 50 --count l -o d c 2>>said
	[ -s said ] && bad="$bad doubles$s"
	awk -v a="$(even a l)" -v b="$(even b l)" -v d="$(even d l)" 'BEGIN { exit !(b <= a && d <= b) }' || bad="$bad $s"
	s=$((s + 1))
done
is 'even is as even as EPLB, more with tries, 20 seeds' '' echo "$bad"
s=1
while [ $s -le 20 ]; do
	trace-gen --rows 512 --experts 64 -k 4 --zipf 1 -s $s -o q
	expert-load q | place-replicate --mesh 4x2 --slots 72 --shared 0 -o c
	for i in balance balance_load_coactivation hot-tier eplb random; do
		place-init --mesh 4x2 --slots 72 --shared 0 --strategy $i --trace q -o d c || echo "$i $s"
		place-conv -q --slots 72 --mesh 4x2 -o d d || echo "full $i $s"
	done
	s=$((s + 1))
done >said 2>&1
is 'no expert twice on a device, five strategies, 20 seeds' '' cat said
fails 2 'co-activation of counts' 'place-init --mesh 4x2 --slots 16 --strategy hot-tier --count toy c' 'needs --trace'
fails 2 'no records' 'place-eval -c s.jsonc -l 3 -p p std' 'layer'
fails 2 'another system' 'place-eval --experts 7 -p p std' 'the trace has 256 experts, the system 7'
fails 2 'not placed' 'place-eval -c s.jsonc -p r std' 'a copy is on no device'
fails 2 'too many copies' 'place-init -c s.jsonc --slots 4 --trace std r' 'copies do not go on 128 devices|do not go'
done_testing
