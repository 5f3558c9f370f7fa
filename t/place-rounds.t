#!/bin/sh
# place-anneal's chains: tempering, searches stored and gone on with, few moved copies, ranks.
. "${0%/*}/lib.sh"
printf '{"rows": 4, "cols": 4, "experts": 32, "num_shared_experts": 1, "slots": 48, "capacity_factor": 2.0}' >s.jsonc
make() { # NAME SEED
	trace-gen --model reference --layers 2 --batches 6 --rows 128 --mesh-rows 4 --experts 32 -k 4 -s "$2" -o "$1"
}
make t 1
make u 2
cost() { place-eval -c s.jsonc -l 0 -p "$@" -t | awk -F'\t' '$1 == "cost" { printf "%.4f", $4 }'; }
expert-load t | place-replicate -c s.jsonc | place-init -q -c s.jsonc --trace t -o start
pa='place-anneal --no-prog -c s.jsonc -p start --trace t'
same 'tempering on one thread and on four' "$pa --temper 4 --iters 5000 -j 1" "$pa --temper 4 --iters 5000 -j 4"
ok 'tempering lowers the cost' sh -c "$pa -l 0 --temper 4 --iters 20000 -o best; awk -v a=$(cost start t) -v b=\$(place-eval -c s.jsonc -p best -t t | awk '/^cost/ { print \$4 }') 'BEGIN { exit !(b < a) }'"
is 'its chains have different costs in the curve' yes sh -c "$pa -l 0 --temper 3 --iters 20000 --trace-cost c -o /dev/null
	trace-show c | awk '!/^@/ { n[\$1]++ } END { print length(n) == 3 ? \"yes\" : length(n) }'"

# After a round of 8 chains they have changed places, and of two neighbours the colder mostly costs less: that is
# what it accepts.  Rungs are in the stored search, the costs in the curve.
for s in 1 2 3 4 5 6; do
	$pa -q -l 0 -s $s --temper 8 --iters 2048 --checkpoint ck --trace-cost c -o /dev/null
	trace-heads ck | sed -n 's/^@place.* state=now .* chain=\([0-9]*\) rung=\([0-9]*\) .*/rung \1 \2/p' >rungs
	trace-show c | awk '!/^@/ { print "cost", $1, $4 }' | cat - rungs | awk '$1 == "cost" { cost[$2] = $3; next }
		{ at[$3] = cost[$2]; moved += ($2 != $3) }
		END { for (k = 0; k < 8; k += 2) right += (at[k] >= at[k + 1]); print moved, right }'
done >rounds
is 'chains change places' yes awk '{ n += $1 } END { print (n > 0 ? "yes" : "no") }' rounds
is 'and the cheaper one gets the colder place' yes awk '{ n += $2 } END { print (n >= 16 ? "yes" : n " of 24") }' rounds

# One that cools ends near its best, one that does not wanders above it.
for s in 1 2 3; do
	$pa -q -l 0 -s $s --iters 20000 --trace-cost c -o /dev/null
	trace-show c | awk '!/^@/ { now = $4; best = $5 } END { if (now > 1.0025 * best) print now, best }'
done >wanders
is 'a search cools' '' cat wanders

# --target: far from all the changes, half of the way.
for how in '' '--kind local'; do
	# shellcheck disable=SC2086
	$pa -l 0 $how --iters 3000 -o best
	target=$(echo "$(cost start t) $(cost best t)" | awk '{ print ($1 + $2) / 2 }')
	# shellcheck disable=SC2086
	$pa -l 0 $how --iters 400000 --target "$target" --trace-cost c -o best
	trace-show c | awk -v t="$target" -v c="$(cost best t)" '!/^@/ { n = $3 } END { if (n > 200000 || c > t) print n, c, t }'
done >targets
is '--target ends it as soon as it is reached' '' cat targets

# Within a round, of 16384 changes; and before the first where stage one has reached it.
$pa -l 0 --keep-copies --iters 3000 -o best
target=$(echo "$(cost start t) $(cost best t)" | awk '{ print ($1 + $2) / 2 }')
$pa -l 0 --keep-copies --iters 400000 --target "$target" --checkpoint ck -o best
is 'a target ends it within a round' yes sh -c "trace-heads ck | sed -n 's/.* state=now .* done=\([0-9]*\) .*/\1/p' | awk '{ print (\$1 > 0 && \$1 < 16384) ? \"yes\" : \$1 }'"
is 'and is reached' yes sh -c "echo $(cost best t) $target | awk '{ print (\$1 <= \$2) ? \"yes\" : \$0 }'"
$pa -l 0 --iters 1 --trace-cost c -o first
trace-show c | grep -v '^@' >rows
is 'the curve: start, copies by load, stage one; the result' '0 0 0 1 yes' \
	awk '{ n[NR] = $3; now[NR] = $4 } END { print n[1], n[2], n[3], n[NR], (now[1] > now[2] && now[2] + 1e-9 > now[3] ? "yes" : "no") }' rows
is 'as it is written' "$(cost first t)" awk 'END { printf "%.4f", $5 }' rows
$pa -l 0 --iters 400000 --target "$(awk 'NR == 3 { print $4 + 1e-6 }' OFMT=%.9f rows)" --trace-cost c --checkpoint ck -o best
is 'a target that stage one reaches: no change' 0 sh -c "trace-show c | awk '!/^@/ { n = \$3 } END { print n }'"
is 'and it is stored' 1 sh -c "trace-heads ck | grep -c state=best"

# Where a change is a full evaluation the clock is looked at before each, and so is a signal.
$pa -l 0 --routing nearest --keep-copies --time 1e-9 --checkpoint ck -o best 2>said
is 'no time, no draws' 0 sh -c "trace-heads ck | sed -n 's/.* state=now .* draws=\([0-9]*\) .*/\1/p'"
is 'and it says why they are few' 'place-anneal: layer 0: each change is a full evaluation: about a thousand times slower than others, see CAVEATS' cat said
$pa -q -l 0 --routing nearest --keep-copies --iters 1 --checkpoint ck -o best
is 'few draws tell the temperatures' yes sh -c "trace-heads ck | sed -n 's/.* state=now .* draws=\([0-9]*\) .*/\1/p' | awk '{ print (\$1 <= 125) ? \"yes\" : \$1 }'"
trace-gen --model reference --batches 50 --rows 512 --mesh-rows 4 --experts 32 -k 4 -o long
: >said
place-anneal -c s.jsonc -l 0 -p start --trace long --routing nearest --keep-copies --iters 100000 --progress --checkpoint ck -o best 2>said &
pid=$!
n=0
while [ ! -s said ] && [ $n -lt 600 ]; do sleep 0.05 && n=$((n + 1)); done
kill -TERM $pid
wait $pid
is 'a signal ends it within a round' yes sh -c "trace-heads ck | sed -n 's/.* state=now .* done=\([0-9]*\) .*/\1/p' | awk '{ print (\$1 < 16384) ? \"yes\" : \$1 }'"
for how in '' '--temper 2'; do
	how="-q -l 0 --routing nearest --keep-copies --iters 5000 $how"
	$pa $how -o whole
	: >said
	$pa ${how#-q} --progress --checkpoint ck -o best 2>said &
	pid=$!
	while [ ! -s said ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
	kill -TERM $pid
	wait $pid
	same "$how: gone on with from there" "$pa $how --resume ck" 'cat whole'
done 2>/dev/null
is 'progress: a line at first where stderr is no terminal' 1 sh -c "sed 1q said | grep -c '^place-anneal: best [0-9.]* now [0-9.]* us, 0 changes/s, '"
is 'none with -q' 0 sh -c "$pa -q -l 0 --iters 9 --progress -o best 2>&1 | wc -c"
fails 2 'no time at all' "$pa --time 0" '--time is above 0'
ok 'but some changes' $pa -l 0 --time 0 --iters 9 -o best

# The start has no expert twice on a device; nor has a result.
for how in '--keep-copies' '--kind local' '--kind anneal' '--temper 3'; do
	# shellcheck disable=SC2086
	$pa $how --iters 20000 -o best
	trace-filter -t best | grep -v '^#' | cut -f 1,4,5 | sort | uniq -d
done >twice
is 'never two copies of an expert on a device' '' cat twice

# Stored while it runs, ended by force, gone on with: the bytes of a search that nothing ended.
for how in '--restarts 2' '--temper 3'; do
	rm -f ck
	$pa $how --iters 250000 --checkpoint ck --every 0 -o /dev/null &
	pid=$!
	n=0
	while [ ! -e ck ] && [ $n -lt 600 ]; do sleep 0.05 && n=$((n + 1)); done
	kill -9 $pid
	wait $pid 2>/dev/null
	same "$how, stored and gone on with" "$pa $how --iters 250000 --resume ck" "$pa $how --iters 250000"
done
ok 'a stored search is a trace' trace-check ck
$pa --iters 3000 --checkpoint two -o whole
same 'gone on with once a layer has ended' "$pa --iters 3000 --resume two" 'cat whole'
$pa --iters 3000 --resume two --checkpoint again -o /dev/null
same 'and stored again' "$pa --iters 3000 --resume again" 'cat whole'
another='of another trace, model, rule, origin, objective or number of slots'
fails 2 'of another trace' "place-anneal -c s.jsonc -p start --trace u --iters 3000 --resume two" "layer 0: .*$another"
for how in '--routing round-robin' '--objective p95' '--factor 3' '--origin random' '--slots 64' '--cost simple'; do
	fails 2 "$how" "$pa $how --iters 3000 --resume two" "$another"
done
fails 2 'of another seed' "$pa --temper 3 -s 2 --iters 9 --resume ck" 'another seed'
fails 2 'of other chains' "$pa --iters 9 --resume ck" 'another number of chains'
fails 2 'no search at all' "$pa --iters 9 --resume start" 'not a search that --checkpoint stored'
fails 2 'not for the kinds of the simulator' "$pa --kind local --temper 3" 'search of our own'
fails 2 'two numbers of chains' "$pa --temper 3 --restarts 3" 'both say'

# Planned again for other routing: no more copies than that are where none of their expert was.
list() { trace-show "$1" | grep -v @ | cut -f 1,2 | sort -u; }
for n in 0 2 6 20; do
	place-anneal -l 0 -c s.jsonc -p start --trace u --iters 20000 --max-moves $n -o again
	list again >b
	trace-filter -l 0 start >start0
	list start0 >a
	is "--max-moves $n" yes sh -c "[ \$(comm -13 a b | wc -l) -le $n ] && echo yes"
	cost again u && echo
done >costs
grep '^ok\|^not' costs
is 'the more may move, the less it costs' '' sh -c "grep '^[0-9]' costs | awk 'NR > 1 && \$1 > b * 1.001 { print b, \$1 } { b = \$1 }'"

# Even again for counts that have drifted: within 1 % of a plan from nothing, a fifth of the copies at most.
sys='--mesh 8x1 --experts 64 --shared 0 --slots 80'
for part in 0-9 10-19; do trace-gen --layers 3 --rows 4096 --zipf 1 --domains 4 --drift 60 --batches 40 -b $part | expert-load -o n$part; done
place-replicate $sys n0-9 | place-init -q $sys --strategy even --tries 1000 --count n0-9 -o even
max() { place-eval -t --count n10-19 -p "$1" | awk '$1 == "balance" && $4 > x { x = $4 } END { print x }'; }
place-anneal $sys -p even --count n10-19 -v -o again 2>said
is 'no longer even, and even again' yes sh -c "awk -v a=$(max even) -v b=$(max again) 'BEGIN { print (a > 1.02 && b < 1.0102) ? \"yes\" : a \" \" b }'"
is 'it says so, and few copies moved' '' sh -c "awk '{ if (\$7 > 1.01 * \$10 || \$11 > 0.2 * \$13) print }' said"
is 'as many as differ' "$(awk '{ n += $11 } END { print n }' said)" sh -c 'for p in even again; do
	trace-filter -t $p | grep -v "^#" | cut -f 1,4,5 | sort >$p.list; done; comm -13 even.list again.list | wc -l'
place-anneal $sys -p even --count n10-19 --within 0.0003 -v -o again 2>said
is 'as even as --within says' '' awk '$7 > 1.00035 * $10 { print $7, $10 }' said
place-anneal $sys -p even --count n10-19 --max-moves 1 -v -o again 2>said
is 'no more than may' '' awk '$11 > 1' said
is 'a goal that is missed is told, in a line a layer' 3 sh -c "place-anneal $sys -p even --count n10-19 --max-moves 1 -o again 2>&1 | grep -c '1 of 80 copies moved.*; the goal of 1.* is missed'"
is 'and is not where it is met' '' place-anneal $sys -p even --count n10-19 -o again
# Some experts alone are more than a device should have.
for e in $(seq 0 63); do echo "$e $((5000 * (e % 7 + 1) * (e % 5 == 0 ? 9 : 1) + e * e))"; done >drawn
awk '{ s = s (NR > 1 ? "," : "") $2 } END {
	print "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":64,\"topk\":8}"
	print "{\"kind\":\"count\",\"layer\":0,\"n_tokens\":1000000,\"rows\":64,\"cols\":\"n:u64\",\"n\":[" s "]}"
	print "{\"kind\":\"end\",\"frames\":1}" }' drawn | jsonl2trace -o hard.count
hard='--mesh 8x4 --experts 64 --shared 0 --slots 96'
trace-gen --experts 64 -k 6 --rows 4096 -s 3 | expert-load | place-replicate $hard | place-init -q $hard --strategy random --count hard.count -o hard.place
for x in 0.05 0.01 0.001 0; do
	place-anneal $hard -p hard.place --count hard.count --within $x -v -o h$x 2>said
	awk -v x=$x '{ print ($7 <= (1 + x) * $10 + 2e-5 && $11 >= $16) ? "met" : $0 }' said
done >goals
is 'each goal is met from a start that has nothing of it' "$(yes met | head -n 4)" cat goals
place-anneal --mesh 8x4 --experts 64 --shared 0 --slots 128 -p hard.place --count hard.count -o roomy
is 'no more copies than were, where slots are free' "$(trace-filter -t hard.place | grep -vc '^#')" sh -c "trace-filter -t roomy | grep -vc '^#'"
place-anneal $hard -p h0.01 --count hard.count -v -o stays 2>said
is 'what meets the goal stays' '0 0' sh -c "awk '{ print \$11, \$16 }' said"
same 'the same each time' "place-anneal $hard -p hard.place --count hard.count | trace-filter -t" 'trace-filter -t h0.01'
for n in 5 10 20; do place-anneal $hard -p hard.place --count hard.count --within 0.001 --max-moves $n -v -o again 2>>capped; done
is 'the more may move, the more even' 3 awk 'NR > 1 && $7 > b { print } { b = $7 } END { print NR }' capped
# A goal out of reach is no worse to have than one within it.
for x in 0.3 0.1 0.01 0; do place-anneal $hard -p hard.place --count hard.count --within $x --max-moves 20 -v -o again 2>>strict; done
is 'a stricter goal is no worse' 4 awk 'NR > 1 && $7 > b { print } { b = $7 } END { print NR }' strict
fails 2 'counts and a trace' "place-anneal $sys -p even --count n10-19 --trace t" 'evenness alone'

if command -v mpirun >/dev/null && [ -e "$B/moetrace-mpi.so" ] && [ -z "${ASAN_OPTIONS:-}" ]; then
	run="mpirun --oversubscribe -np 3"
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	# mpirun gives its processes a terminal
	same 'three processes temper like one' "$run $pa --temper 5 --iters 5000 -o m; cat m" "$pa --temper 5 --iters 5000"
	same 'and restart like one' "$run $pa --restarts 3 --iters 20000 -o m; cat m" "$pa --restarts 3 --iters 20000"
	is 'and leave one file' m sh -c 'ls -A | grep "^m\(\.\|$\)"'
else
	skip_one 'no mpirun'
fi
done_testing
