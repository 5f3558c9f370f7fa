#!/bin/sh
# pipelines/place-search: the six steps, the simulator's way and ours.
. "${0%/*}/lib.sh"
trace-gen --layers 1 --model reference --batches 4 --rows 64 --mesh-rows 4 --experts 16 -k 2 -s 7 -o t
printf '{"trace": "t", // routing\n"layer": 0, "rows": 4, "cols": 2, "experts": 16, "num_shared_experts": 1, "shared_copies": 2, "slots": 24}' >s.jsonc
echo '{"placement_strategy": "balance_load_coactivation", "placement_axis": "row", "top_n": 4, "replica_spread_by_distance": "none"}' >i.jsonc
for kind in '"none"' '"random", "iters": 5' '"local", "local_search_iters": 40' \
	'"anneal", "anneal_iters": 40, "anneal_t0": 1.0, "anneal_t1": 0.01' '"sequence", "search_sequence": "local:20,anneal:20"'; do
	echo "{\"search\": $kind, \"restarts\": 1}" >q.jsonc
	place-search -c s.jsonc --init i.jsonc --search q.jsonc --policy one-each --out r >said 2>err
	is "$kind" '0 2' sh -c 'echo $(wc -l <err) $(grep -c mean said)'
	is "$kind: no costlier than it began" 0 sh -c "awk '{ m[NR] = \$5 } END { print (m[2] > m[1]) }' said"
done
ok 'ours' place-search -c s.jsonc --time 0.1 --out ours
same 'placement.json is the best placement' 'place-conv -q -l 0 --mesh 4x2 --from placement.json ours/placement.json | trace-show | grep -v "^@[tpe][rn]"' \
	'trace-show ours/best.place | grep -v "^@[tpe][rn]"'
is 'wrong use' 2 sh -c 'place-search 2>/dev/null; echo $?'
done_testing
