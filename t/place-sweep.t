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
for s in local anneal; do # told to stop by time alone
	trace-show "all/eplb.$s.search" | awk -v s=$s '!/^@/ && $2 > t { t = $2 } END { if (t < 0.05) print s, t }'
done >early
is 'a search has its time' '' cat early
(cd some && cksum -- * && ls -A) >was
echo '{"search": "local"}' >bad.jsonc
fails 2 'a search without its keys' 'place-sweep -c s.jsonc --out some --init "own.jsonc even" --search "walk.jsonc bad.jsonc"' 'bad.jsonc:1:1: no key'
is 'the results are those of the run before' '' sh -c "(cd some && cksum -- * && ls -A) | diff was -"
fails 2 'a trace that is none' 'place-sweep -c s.jsonc --trace none --out new' 'none: No such file'
is 'no folder of it' '' sh -c '[ ! -e new ] || ls -A new'
TRACE_FAKE_TTY=2 place-sweep -c s.jsonc --out some --init eplb --search 'walk.jsonc none' >said 2>err
is 'steps and progress on a terminal' 'count replicate place eplb search eplb.walk search eplb.none table and pictures' sh -c \
	'grep -q changes/s err && sed -n "s/.*place-sweep: //p" err | xargs'
is 'nothing is left of the runs before' 'eplb.none.place eplb.none.search eplb.start eplb.walk.place eplb.walk.search' sh -c 'cd some && echo *.*.place *.*.search *.start | xargs -n 1 | sort | xargs'
fails 2 'a search that is none' 'place-sweep -c s.jsonc --out bad --search lokal' 'lokal: no such search'
fails 2 'no initial placement' 'place-sweep -c s.jsonc --out bad --init ""' '^place-sweep: --init names nothing$'
fails 2 'no search' 'place-sweep -c s.jsonc --out bad --search " "' '^place-sweep: --search names nothing$'
is 'run.txt can be run again' 'eplb|walk.jsonc none' sh -c 'sed "s/^place-sweep/set --/" some/run.txt >run && . ./run && echo "$6|$8"'
is 'wrong use' 2 sh -c 'place-sweep --out x 2>/dev/null; echo $?'
done_testing
