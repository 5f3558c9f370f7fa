#!/bin/sh
# ep-bench: what its frames say, over transports; what it refuses; ranks that die.
. "${0%/*}/lib.sh"
small='--cpu --tokens 64 --d-model 32 --experts 16 --samples 3 --warmup 1'
run() { ep-bench $small "$@"; }
field() { # FRAME COLUMN FILE: by name
	trace-filter --frame "$1" -t "$3" | awk -F'\t' -v c="$2" '
		/^#/ { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next } { print $at[c] }' | xargs
}
all='naive_topk fused_select sinkhorn'

for p in 1 2 4 8; do
	for transport in loop shm; do
		run --transport $transport --ranks $p --all-strategies >$transport.$p
		is "$transport, $p ranks" "$all|ok ok ok|$transport $transport $transport|$p $p $p" echo \
			"$(field ep strategy $transport.$p)|$(field ep check $transport.$p)|$(field ep transport $transport.$p)|$(field ep ranks $transport.$p)"
	done
	is "$p ranks: the same loads whatever carries them" "$(field ep expert_cv loop.$p) $(field ep rank_cv loop.$p) $(field ep sent_bytes loop.$p)" \
		echo "$(field ep expert_cv shm.$p) $(field ep rank_cv shm.$p) $(field ep sent_bytes shm.$p)"
done
for e in '--transport loop --ranks 8 --tokens 1 --d-model 1 --experts 1024 -k 64' '--expert none' '--dtype f32' '--dtype bf16' '--ranks 3 --experts 15 -k 4' '--chunks 7 --tokens 31' '--tokens 1' '--no-combine' '--hidden 5 -j 2' '--reference-inputs'; do
	is "with $e" 'ok ok ok' field ep check "$(run $e --all-strategies -o e && echo e)"
done

# Loads: what is routed is what arrives.
trace2jsonl shm.4 >j
python3 - >said <<'E' 2>&1
import json, statistics
f = [json.loads(l) for l in open('j')]
line = [x for x in f if x.get('name') == 'ep']
phase = {(x['strategy'], x['stage']): x for x in f if x.get('name') == 'phase'}
one = lambda x: x[0] if isinstance(x, list) else x
near = lambda a, b: abs(a - b) <= 2e-3 * max(abs(a), abs(b)) + 0.002
bad = 0
def want(ok, *say):
    global bad
    if not ok:
        bad += 1
        print(*say)
med = lambda s, p: statistics.median(one(v) for v in phase[s, p]['us'])
for l in line:
    s = l['strategy']
    g = lambda k: one(l[k])
    want(near(g('route_us'), med(s, 'route')), s, 'route')
    want(near(g('comm_us'), med(s, 'comm')), s, 'comm')
    want(near(g('apart_us'), med(s, 'apart')), s, 'apart')
    want(near(g('eta_apart'), med(s, 'apart') / med(s, 'wall')), s, 'eta_apart')
    want(near(g('eta_within'), (med(s, 'route_in') + med(s, 'comm_in') + med(s, 'comp_in')) / med(s, 'wall')), s, 'eta_within')
    want(near(g('hidden_share'), (med(s, 'exchange') + med(s, 'comp') - med(s, 'part')) / min(med(s, 'exchange'), med(s, 'comp'))), s, 'hidden')
    want(near(g('route_delta_us'), med(s, 'route') - med('naive_topk', 'route')), s, 'delta')
    # 64 tokens, 2 picks, 32 columns of 2 bytes, a number of 4
    want(near(g('alg_gbs'), 64 * 2 * (32 * 2 + 4) / med(s, 'comm') / 1e3), s, 'alg')
    want(near(g('bus_gbs'), g('alg_gbs') * 3 / 4), s, 'bus')
    want(g('sent_bytes') % 68 == 0 and 0 < g('sent_bytes') <= 128 * 68, s, 'sent')
    for p in 'route', 'comp', 'exchange', 'apart':
        for k in range(3):
            us = one(phase[s, p]['us'][k])
            parts = {'route': ['select', 'index', 'select+index', 'gather'], 'comp': ['local', 'remote'], 'exchange': ['comm', 'return'],
                     'apart': ['route', 'meta', 'comm', 'comp']}[p]
            parts = [one(phase[s, q]['us'][k]) for q in parts if (s, q) in phase]
            want(max(parts) <= us + 1e-9, s, p, 'is less than a part')
            want(us <= sum(parts) + 1e-6 if p != 'apart' else us >= sum(parts) - 1e-6, s, p, 'is not of its parts')
    want(('fused_select', 'select') not in phase and ('naive_topk', 'select+index') not in phase, 'fused')
    for k in 'transport', 'ranks', 'virtual', 'tokens', 'd_model', 'experts', 'topk', 'dtype', 'hidden', 'chunks':
        want(phase[s, 'comm'][k] == l[k], s, k)
print(bad)
E
is 'the table is what the phases say' 0 cat said
is 'of virtual ranks neither links nor overlap' 'nan nan nan|nan nan nan|1 1 1|' echo \
	"$(field ep eta_apart loop.4)|$(field ep bus_gbs loop.4)|$(field ep virtual loop.4)|$(trace-filter --frame phase -t loop.4 | awk -F'\t' '$3 == "wall" || $16 != "-" && !/^#/' | head -n 1)"
is 'one rank sends nothing' '0 0 0|1 1 1' echo "$(field ep sent_bytes shm.1)|$(field ep rank_max_mean shm.1)"
run --ranks 4 --same-tokens -o same
is 'the same tokens: all picks four times' "$(field ep expert_cv shm.1 | cut -d' ' -f 1)" field ep expert_cv same
run --strategy sinkhorn -o alone
is 'naive_topk is measured, not told' 'sinkhorn|1' echo "$(field ep strategy alone)|$(field ep route_delta_us alone | awk '{ print ($1 != 0 && $1 == $1) }')"
run --ranks 4 --zipf 2 -k 1 --tokens 512 --strategies naive_topk,sinkhorn -o zipf
is 'sinkhorn evens the ranks' 1 awk -v l="$(field ep rank_max_mean zipf)" 'BEGIN { split(l, x, " "); print (x[2] < x[1] * 0.6) }'
is 'the table alone' 'table' sh -c "ep-bench $small --table | trace-heads | sed -n 's/^@\(bench\|table\) .*/\1/p'"
is 'rows that do not come back' 'nan nan nan' field ep return_us "$(run --no-combine --all-strategies -o e && echo e)"
same 'the same loads with more threads' "ep-bench $small -j 3 --table -t | cut -f 30-34" "ep-bench $small --table -t | cut -f 30-34"

fails 2 'k above experts' 'ep-bench --cpu --experts 4 -k 5' '5 picks'
fails 2 'experts that ranks cannot share' 'ep-bench --cpu --experts 16 --ranks 3' '16 experts cannot be shared evenly by 3 ranks'
fails 2 'no such strategy' 'ep-bench --cpu --strategies naive_topk,best' "no strategy 'best': --help lists them"
fails 2 'a strategy that moves nothing' 'ep-bench --cpu --strategy masked_matmul' 'not one of'
fails 2 'too many ranks' 'ep-bench --cpu --ranks 65' 'ranks'
fails 2 'host memory without --cpu' 'ep-bench --transport shm' 'give --cpu'
fails 2 'nccl with --cpu' 'ep-bench --transport nccl --cpu' 'not with --cpu'
fails 2 'more than one choice' 'ep-bench --cpu --all-strategies --strategy sinkhorn' 'one of them'
fails 2 'a temperature that f32 has not' "ep-bench $small --all-strategies --temperature 1e-320" 'temperature'
fails 2 'no time to wait' 'ep-bench --cpu --timeout 0' 'timeout'
fails 2 'a rank that is not' 'ep-bench --transport nccl --ranks 2 --rank 2 --id x' 'rank 2 of 2'
fails 2 'nowhere to meet' 'ep-bench --transport nccl --ranks 2 --rank 1' 'id FILE'
fails 2 'hidden of nothing' 'ep-bench --cpu --expert none --hidden 4' 'hidden'
fails 2 'an operand' 'ep-bench --cpu x' 'operands'
fails 2 'a full disk' "ep-bench $small >/dev/full" 'space'
if [ -z "${ASAN_OPTIONS:-}" ]; then
	fails 2 'too little memory' '(ulimit -v 4000000; ep-bench --cpu --tokens 100000 --d-model 100000)' 'memory'
fi
if ep-bench --tokens 64 --d-model 32 --experts 16 >/dev/null 2>err; then
	skip_one 'there is a GPU'
else
	fails 3 'no GPU or no NCCL' 'ep-bench --ranks 1' 'ep-bench: .*; --cpu runs on the processor'
fi

# Ranks that die: of three processes the first started is rank 0.  A long run, ended by a signal to one.
mortal() { # RANK SIGNAL: kill it once all are at work; say how it ended
	rm -f dead.out
	ep-bench --cpu --ranks 3 --experts 15 --tokens 64 --d-model 32 --samples 10000 --timeout 2 -o dead.out 2>err &
	pid=$!
	tries=0
	while children=$(cat /proc/$pid/task/$pid/children 2>/dev/null) && [ "$(echo "$children" | wc -w)" -lt 2 ] && [ $tries -lt 500 ]; do
		tries=$((tries + 1))
		sleep 0.02
	done
	case $1 in
	0) kill -"$2" $pid ;;
	*) kill -"$2" "$(echo "$children" | cut -d' ' -f "$1")" ;;
	esac
	wait $pid 2>/dev/null
	rc=$?
	tries=0
	for c in $children; do # a process that is left, or a zombie
		while [ -e /proc/$c ] && [ $tries -lt 500 ]; do
			tries=$((tries + 1))
			sleep 0.02
		done
		[ ! -e /proc/$c ] || echo "left: $(sed -n 's/^State:.//p' /proc/$c/status)"
	done
	echo "$rc $(wc -l <err) $(ls dead.out 2>/dev/null)"
}
is 'rank 1 killed' '2 1 ' mortal 1 KILL
is 'is named' 'ep-bench: rank 1: died of signal 9' cat err
is 'rank 2 ended' '2 1 ' mortal 2 TERM
is 'rank 2 stopped: no answer' '2 1 ' mortal 2 STOP
is 'is told' 1 grep -c 'no answer from rank' err
is 'rank 0 killed: the others end with it' '137 0 ' mortal 0 KILL

if command -v mpirun >/dev/null && [ -e "$BUILD/moetrace-mpi.so" ] && [ -z "${ASAN_OPTIONS:-}" ]; then
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	for p in 2 4; do
		ok "mpi, $p ranks" timeout 100 mpirun --oversubscribe -np $p ep-bench --transport mpi $small --all-strategies -o mpi.$p
		is "mpi, $p ranks: loads as of processes" "$(field ep expert_cv shm.$p) $(field ep rank_cv shm.$p) $(field ep sent_bytes shm.$p)" \
			echo "$(field ep expert_cv mpi.$p) $(field ep rank_cv mpi.$p) $(field ep sent_bytes mpi.$p)"
	done
	is 'one file, and no other' 'mpi.2 mpi.4' sh -c 'ls -A | grep mpi | xargs'
	one() { # SHELL: how many lines of ours, and the status
		timeout 100 mpirun --oversubscribe -np 3 sh -c "$1" >/dev/null 2>err
		echo "$? $(grep -c '^ep-bench:' err)"
	}
	is 'mpi: experts that ranks cannot share, told once' '2 1' one 'exec ep-bench --transport mpi --cpu --experts 16'
	is 'mpi: no such option, told once' '2 1' one 'exec ep-bench --transport mpi --bogus'
	is 'mpi: another number of ranks' '2 1' one 'exec ep-bench --transport mpi --cpu --experts 15 --ranks 5'
	is 'mpi: shm within it' '2 1' one 'exec ep-bench --transport shm --cpu'
	is 'mpi: told by a first rank that is late' '2 1' one '[ $OMPI_COMM_WORLD_RANK = 0 ] && sleep 1; exec ep-bench --transport shm --cpu'
	is 'mpi: a rank that does not come' '2 1' one "[ \$OMPI_COMM_WORLD_RANK = 1 ] && exec sleep 60; exec ep-bench $small --experts 15 --transport mpi"
	is 'is told' 1 grep -c 'not all ranks started MPI in time' err
	is 'mpi: a rank that is stopped' '2 1' one "[ \$OMPI_COMM_WORLD_RANK = 1 ] && (sleep 2; kill -STOP \$\$) & exec ep-bench $small --experts 15 --samples 10000 --transport mpi --timeout 2"
	is 'is told, too' 1 grep -c 'did not answer in 2 s' err
	# mpirun ends the others of one that dies
	is 'mpi: a rank that is killed' 0 sh -c "timeout 60 mpirun --oversubscribe -np 3 sh -c '[ \$OMPI_COMM_WORLD_RANK = 1 ] && (sleep 1; kill -9 \$\$) & exec ep-bench $small --experts 15 --samples 10000 --transport mpi -o killed' >/dev/null 2>&1; r=\$?; [ \$r -ne 0 ] && [ \$r -ne 124 ] && [ ! -e killed ]; echo \$?"
else
	skip_one 'no mpirun'
fi
done_testing
