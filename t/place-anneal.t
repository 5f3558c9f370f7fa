#!/bin/sh
# place-anneal: cheaper than its start, exact, and the same whatever -j.
. "${0%/*}/lib.sh"
cost() { place-eval "$@" -t | awk -F'\t' '$1 == "cost" { printf "%.6f", $4 }'; }
printf '{"rows": 4, "cols": 4, "experts": 32, "num_shared_experts": 1, "slots": 48, "capacity_factor": 2.0}' >s.jsonc
make() { # SEED
	trace-gen --model reference --batches 6 --rows 128 --mesh-rows 4 --experts 32 -k 4 -s "$1" -o t
	expert-load t | place-replicate -c s.jsonc --policy one-each --shared-copies 4 |
		place-init -q -c s.jsonc --strategy random -s "$1" --trace t -o start
}
s=1
bad=
while [ $s -le 20 ]; do
	make $s
	before=$(cost -c s.jsonc -p start t)
	for how in '--iters 300' '--kind local' '--keep-copies --iters 300' '--kind anneal'; do
		# shellcheck disable=SC2086
		place-anneal -c s.jsonc -p start --trace t $how -s $s -v -o best 2>said
		after=$(cost -c s.jsonc -p best t)
		awk -v a="$before" -v b="$after" -v s="$(sed 's/.*: //; s/ us//' said)" \
			'BEGIN { exit !(b < a && b - s < 1e-3 && s - b < 1e-3) }' || bad="$bad $s:$how"
		[ "$(trace-show best | grep -v @ | cut -f 2 | sort -n | uniq -c | awk '$1 > 3' | wc -l)" = 0 ] || bad="$bad full$s"
	done
	s=$((s + 1))
done
is 'cheaper than its start, as it says and as place-eval says, no device too full: 20 seeds' '' echo "$bad"
same 'three chains on one thread and on four' \
	'place-anneal --no-prog -c s.jsonc -p start --trace t --iters 500 --restarts 3 -j 1' \
	'place-anneal --no-prog -c s.jsonc -p start --trace t --iters 500 --restarts 3 -j 4'
same 'none keeps the placement' 'place-anneal -c s.jsonc -p start --trace t --kind none | trace-show | grep -v ^@[tpe][rn]' \
	'trace-show start | grep -v ^@[tpe][rn]'
for origin in round-robin average-rows; do
	trace2jsonl --dialect moe-balance t | sed 's/"origin_rows": [^]]*], //' | jsonl2trace --experts 32 -o bare
	place-anneal -c s.jsonc --origin $origin -p start --trace bare --kind local --iters 40 -v -o best 2>said
	is "$origin" "$(sed 's/.*: //; s/ us//' said)" sh -c "place-eval -c s.jsonc --origin $origin -p best bare -t | awk '\$1 == \"cost\" { printf \"%.4f\", \$4 }'"
done
for objective in p95 p99; do
	place-anneal -c s.jsonc --objective $objective -p start --trace t --iters 300 -v -o best 2>said
	c=$([ $objective = p95 ] && echo 5 || echo 6)
	is "$objective" "$(sed 's/.*: //; s/ us//' said)" sh -c "place-eval -c s.jsonc -p best t -t | awk -F'\t' '\$1 == \"cost\" { printf \"%.4f\", \$$c }'"
done
printf '{"search": "sequence", "search_sequence": [{"type": "local", "iters": 20}, "anneal:30:1.0:0.01"], "restarts": 2}' >q.jsonc
ok 'a sequence' place-anneal -c s.jsonc -p start --trace t --search q.jsonc -o best
fails 2 'a sequence that is none' "printf '{\"search\": \"sequence\", \"search_sequence\": \"lokal:3\"}' >q; place-anneal -c s.jsonc -p start --trace t --search q" 'q:1:.*neither local'
for step in 'anneal:30:1.0:-0.01' 'anneal:30:-1.0:0.01' 'anneal:0' 'local:-3' 'local:30:1.0'; do
	fails 2 "$step" "printf '{\"search\": \"sequence\", \"restarts\": 1, \"search_sequence\": \"local:5,$step\"}' >q; place-anneal -c s.jsonc -p start --trace t --search q" "q:1:.*\"$step\" is neither local"
done
for step in '"t1": -0.01' '"t0": -1'; do
	fails 2 "$step" "printf '{\"search\": \"sequence\", \"restarts\": 1, \"search_sequence\": [{\"type\": \"anneal\", \"iters\": 30, $step}]}' >q; place-anneal -c s.jsonc -p start --trace t --search q" 'q:1:.*not what this key of a step can be'
done
fails 2 'a key too few' "printf '{\"search\": \"local\"}' >q; place-anneal -c s.jsonc -p start --trace t --search q" 'no key restarts|no key local'
place-anneal -c s.jsonc -p start --trace t --iters 2000 --trace-cost curve -o best
is 'the curve falls' 0 sh -c "trace-show curve | awk '/^@/ { next } { if (n && \$5 > b) bad++; b = \$5; n++ } END { print bad + !n }'"
# the standard trace: stage one alone is far below EPLB's 820.6
trace-gen --model reference --batches 50 --mesh-rows 16 --experts 256 -k 8 -s 7 -o std
printf '{"rows": 16, "cols": 8, "experts": 256, "num_shared_experts": 1, "slots": 384, "capacity_factor": 2.0, "layer": 0}' >s.jsonc
expert-load std | place-replicate -c s.jsonc --policy one-each | place-init -q -c s.jsonc --trace std -o start
place-anneal -c s.jsonc -p start --trace std --iters 2000 -o best
is 'four blocks a device' '472 yes' sh -c "place-eval -c s.jsonc -p best std -t | awk '\$1 == \"cost\" { printf \"%.0f %s\", \$8, (\$4 < 703) ? \"yes\" : \$4 }'"
list() { trace-filter -t "$1" | grep -v '^#' | cut -f 4,5 | sort; }
list best >want
for engine in placement.json eplb trtllm sglang vllm; do
	place-conv -q -c s.jsonc -p best --to $engine -o file && place-conv -q -c s.jsonc --from $engine -o back file && list back | cmp -s - want || echo $engine
done >wrong 2>&1
is 'the plan in every format of an engine, and read back: the same copies on the same devices' '' cat wrong
for engine in placement.json eplb vllm; do # those that keep the order of copies
	place-conv -q -c s.jsonc -p best --to $engine | place-conv -q -c s.jsonc --from $engine -o back
	place-eval -c s.jsonc -p back -t std | sed -n 2p | cut -f 4
done | sort -u >cost
is 'and it costs the same' "$(place-eval -c s.jsonc -p best -t std | sed -n 2p | cut -f 4)" cat cost
trace-gen --model reference --batches 100 --mesh-rows 16 --experts 256 -k 8 -s 7 | trace-filter -b 50-99 -o next
place-anneal -c s.jsonc -p start --trace std --iters 2000 --margin 0.5 -o wide
is 'a margin costs less on batches not seen' 0 sh -c 'for p in wide best; do
	place-eval -c s.jsonc -p $p -t next | awk "\$1 == \"cost\" { print \$4 }"; done | xargs | awk "{ exit !(\$1 < \$2) }"; echo $?'
compute() { place-eval -c s.jsonc "$@" -t | awk -F'\t' '$1 == "cost" { printf "%.3f", $8 }'; }
for margin in 0 0.5; do
	for s in 1 2 3 4; do
		place-anneal -c s.jsonc -p start --trace std --iters 1 --margin $margin -s $s -o first.$margin.$s
		echo "$margin $(compute -p first.$margin.$s next)"
	done
done >blocks
place-anneal -c s.jsonc -p start --trace std --iters 20000 --margin 0.5 -o wide
is 'it is blocks that are fewer there, of four seeds' yes sh -c "awk '{ c[\$1] += \$2 } END { print (c[0.5] < 0.98 * c[0]) ? \"yes\" : c[0] \" \" c[0.5] }' blocks"
is 'and what follows keeps that' yes sh -c "echo $(compute -p first.0.5.1 next) $(compute -p wide next) | awk '{ print (\$2 <= 1.005 * \$1) ? \"yes\" : \$0 }'"
trace-gen --model reference --batches 100 --mesh-rows 16 --experts 256 -k 8 -s 7 -o all
same 'a hold-out plans on the first half alone' 'place-anneal --no-prog -c s.jsonc -p start --trace all --holdout 0.5 --iters 2000' \
	'place-anneal --no-prog -c s.jsonc -p start --trace std --iters 2000'
is 'and scores both' "$(place-eval -c s.jsonc -p best -t std | sed -n 2p | cut -f 3-9) $(place-eval -c s.jsonc -p best -t next | sed -n 2p | cut -f 3-9)" \
	sh -c 'place-eval -c s.jsonc -p best --holdout 0.5 -t all | sed -n 2,3p | cut -f 4-10 | paste -sd" "'
trace-gen --model reference --batches 50 --rows 256 --mesh-rows 4 --experts 64 -k 4 -s 3 -o t
printf '{"rows": 4, "cols": 4, "experts": 64, "num_shared_experts": 0, "slots": 80, "layer": 0}' >b.jsonc
expert-load t | place-replicate -c b.jsonc | place-init -q -c b.jsonc --trace t -o bstart
for s in 1 2 3 4; do
	place-anneal -s $s -c b.jsonc -p bstart --trace t --iters 1 -o best
	compute -c b.jsonc -p best t && echo
done >blocks
is 'blocks alone cool down to the same, whatever the draws' 1 sh -c 'sort -u blocks | wc -l'
expert-load t | place-replicate --mesh 4x4 --slots 80 | place-init -q --mesh 4x4 --slots 80 --trace t -o own
for how in '--kind local' '--kind anneal' '--iters 500'; do
	same "$how: mesh and slots are those of the placement" "place-anneal --no-prog -p own --trace t $how" \
		"place-anneal --no-prog --mesh 4x4 --slots 80 -p own --trace t $how"
done
S='--mesh 2x1 --experts 8 --shared 1 --slots 12'
trace-gen --rows 100 --batches 3 --experts 8 -k 2 -s 1 --zipf 1.5 -w none -o t
expert-load t | place-replicate $S --shared-copies 1 -o c
place-init $S --trace t -o p c
for how in '--routing nearest' '--temper 2' ''; do
	place-anneal $S $how -p p --trace t --iters 300 | trace-filter -t | grep -v '^#' | cut -f 4,5 | sort | uniq -d
done >twice 2>&1
is 'no expert twice on a device where that need not be' '' cat twice
place-init -q --as-is $S --strategy eplb --trace t -o p c
fails 0 'what stays twice is told' "place-anneal $S -p p --trace t --keep-copies --iters 300 --max-moves 0 -o best" 'layer 0: [0-9]* copies share a device'
fails 2 'no start' 'place-anneal -c s.jsonc --trace std' '-p FILE'
fails 2 'another mesh' 'place-anneal --mesh 4x4 -p start --trace std' 'a placement on 16x8'
done_testing
