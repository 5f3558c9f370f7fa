#!/bin/sh
# place-replicate: placement.md 5, the vectors.
. "${0%/*}/lib.sh"
counts() { # N_TOKENS COUNT...: a count frame
	n=$1 && shift
	printf '{"kind":"trace","v":1,"layers":1,"experts":%d,"topk":1}\n' $#
	printf '{"kind":"count","layer":0,"n_tokens":%d,"rows":%d,"cols":"n:u64","n":[%s]}\n' \
		"$n" $# "$(echo "$*" | tr ' ' ,)"
	echo '{"kind":"end","frames":1}'
}
copies() { trace-show | awk '/^@/ { next } { n[$1]++ } END { for (e = 0; e in n; e++) printf "%d ", n[e] }'; }
counts 24 5 9 9 1 | jsonl2trace -o c
place-replicate --slots 8 --mesh 2x2 --policy one-each c | copies >got
is 'one each' '2 2 2 2 ' cat got
place-replicate --slots 22 --mesh 11x2 --shared 1 --policy one-each c | copies >got
is 'one each, a shared expert of 16' '1 2 2 1 16 ' cat got
place-replicate --slots 8 --mesh 2x2 c | copies >got
is 'minmax' '2 3 2 1 ' cat got
counts 100 50 30 20 | jsonl2trace | place-replicate --slots 6 --mesh 3x2 --policy split | copies >got
is 'split halves the highest' '3 2 1 ' cat got
place-replicate --slots 10 --mesh 5x2 --shared 1 --shared-copies 0 c | copies >got
is 'a shared expert like any other' '1 2 2 1 4 ' cat got
s=1
bad=
while [ $s -le 20 ]; do
	slots=$((16 + s * 3))
	trace-gen --experts 16 -k 3 --rows 300 -s $s | expert-load -o l
	for policy in minmax one-each split blocks; do
		[ "$(place-replicate --mesh 4x4 --slots $slots --policy $policy l | trace-show | grep -vc @)" = $slots ] ||
			bad="$bad $policy$s"
	done
	s=$((s + 1))
done
is 'all slots are used, 20 seeds' '' echo "$bad"
# By blocks of 32 against all ways to give 8 slots to four experts: their blocks, sorted.
py=$(command -v python3 || command -v /usr/bin/python3)
cat >all.py <<'E'
import itertools, sys
n = [int(x) for x in sys.argv[1:5]]
c = [int(x) for x in sys.argv[5:9]]
f = lambda c: sorted((-(-(-(-x // k)) // 32) for x, k in zip(n, c)), reverse=True)
best = min(f(w) for w in itertools.product(range(1, 6), repeat=4) if sum(w) <= 8)
print('optimal' if f(c) == best else (f(c), best))
E
bad=
for n in '500 90 33 32' '64 65 66 67' '1000 1 1 1' '128 128 128 96' '40 80 160 320' '160 64 64 1' '96 64 64 33'; do
	# shellcheck disable=SC2086
	c=$(counts 1024 $n | jsonl2trace | place-replicate --slots 8 --mesh 4x2 --policy blocks | copies)
	# shellcheck disable=SC2086
	[ -z "$py" ] || [ "$($py all.py $n $c)" = optimal ] || bad="$bad/ $n: $c $($py all.py $n $c)"
done
is 'blocks: the optimum' '' echo "$bad"
counts 10240 960 640 640 330 | jsonl2trace | place-replicate --slots 8 --mesh 4x2 --policy blocks | copies >got
is 'counts are of ten batches, a copy more takes a block off' '3 2 2 1 ' cat got
fails 2 'too few slots' 'place-replicate --slots 3 --mesh 2x2 c' '3 slots are too few for 4 experts'
fails 2 'too few in the file' "printf '{\n \"rows\": 2, \"cols\": 2, \"num_shared_experts\": 0, \"experts\": 4,\n  \"slots\": 3}' >s.jsonc; place-replicate -c s.jsonc c" 's.jsonc:3:12: 3 slots are too few'
fails 2 'other experts than the trace has' "printf '{\"experts\": 3, \"slots\": 9}' >s.jsonc; place-replicate -c s.jsonc c" 's.jsonc:1:13: counts of 4 experts'
fails 2 'no counts' 'trace-gen | place-replicate' 'no counts'
fails 2 'counts of another layer' 'place-replicate -l 3 c' 'c: no records for layer 3'
fails 2 'of another one than the file says' "printf '{\"experts\": 4,\n \"layer\": 3}' >s.jsonc; place-replicate -c s.jsonc c" 's.jsonc:2:11: no records for layer 3'
fails 2 'a bad system' "printf '{\n \"rows\": 0}' >s.jsonc; place-replicate -c s.jsonc c" 's.jsonc:2:10: rows: not a number'
fails 2 'an unknown key' "printf '{\"rowz\": 4}' >s.jsonc; place-replicate -c s.jsonc c" 's.jsonc:1:2: unknown key rowz'
printf '{"rows": 2, "cols": 4, "experts": 4, "num_shared_experts": 0, "slots": 8} // eight\n' >s.jsonc
is 'the command line beats the file' 'mesh=2x4 4x4' sh -c \
	'echo $(place-replicate -c s.jsonc c | trace-heads | grep -o mesh=...) $(place-replicate -c s.jsonc --mesh 4x4 c | trace-heads | grep -o "mesh=..." | cut -c6-)'
done_testing
