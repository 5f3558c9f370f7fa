#!/bin/sh
# pipelines/place-sweep: every run in the table, what it says is what place-eval says.
. "${0%/*}/lib.sh"
command -v gnuplot >/dev/null || skip 'no gnuplot'
trace-gen --model reference --batches 4 --rows 64 --mesh-rows 4 --experts 16 -k 2 -s 7 -o t
printf '{"trace": "t", "layer": 0, "rows": 4, "cols": 2, "experts": 16, "num_shared_experts": 1, "shared_copies": 2, "slots": 24}' >s.jsonc
echo '{"placement_strategy": "balance_load_coactivation", "placement_axis": "row", "top_n": 4, "replica_spread_by_distance": "none"}' >own.jsonc
echo '{"search": "local", "local_search_iters": 40, "restarts": 1}' >walk.jsonc
ok 'all of them' place-sweep -c s.jsonc --out all --time 0.05 -j 2
is 'eight placements by six searches' 48 sh -c 'tail -n +2 all/sweep.tsv | wc -l'
is 'the cheapest first' 0 sh -c 'tail -n +2 all/sweep.tsv | cut -f 3 | sort -n -c; echo $?'
is 'as place-eval says' "$(place-eval -c s.jsonc -p all/eplb.ours.place t -t | awk '$1 == "cost" { print $4 }')" sh -c "awk '\$1 == \"eplb.ours\" { print \$3 }' all/sweep.tsv"
is 'pictures, and the table again' 0 sh -c 'grep -q eplb.ours all/sweep.svg && grep -q seconds all/search.svg && grep -q eplb.ours all/summary.json; echo $?'
is 'searches end no costlier than they begin' 0 sh -c "awk 'NR > 1 { split(\$1, n, \".\"); c[\$1] = \$3; i[n[1]] } END { for (k in i) for (r in c) if (index(r, k \".\") == 1 && c[r] > c[k \".none\"]) bad++; print bad + 0 }' all/sweep.tsv"
ok 'files of one'\''s own' place-sweep -c s.jsonc --out some --init 'own.jsonc even' --search 'walk.jsonc none'
is 'have their names' 'even.none even.walk own.none own.walk' sh -c 'tail -n +2 some/sweep.tsv | cut -f 1 | sort | xargs'
fails 2 'a search that is none' 'place-sweep -c s.jsonc --out bad --search lokal' 'lokal: no such search'
is 'wrong use' 2 sh -c 'place-sweep --out x 2>/dev/null; echo $?'
done_testing
