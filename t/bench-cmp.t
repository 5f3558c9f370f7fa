#!/bin/sh
# bench-cmp: what is compared with what, ratio and interval, the verdict and the exit status.
. "${0%/*}/lib.sh"
run() { # FILE (KEYS SAMPLES)...: bench frames
	f=$1 && shift
	{
		echo '{"kind":"trace","v":1,"layers":0,"experts":0,"topk":0}'
		while [ $# -gt 0 ]; do
			echo "{\"kind\":\"bench\",\"name\":\"x\",$1,\"rows\":$(echo "$2" | wc -w),\"cols\":\"us:f64\",\"us\":[$(echo "$2" | tr ' ' ,)]}"
			shift 2
		done
	} >"$f.jsonl"
	echo "{\"kind\":\"end\",\"frames\":$(grep -c bench "$f.jsonl")}" >>"$f.jsonl"
	jsonl2trace -o "$f" "$f.jsonl"
}
a='10 10.1 10.2 9.9 9.8 10 10.1 9.9 10.05 9.95'
slow='11 11.1 11.2 10.9 10.8 11 11.1 10.9 11.05 10.95'
wide='6 20 7 19 8 18 9 17 10 16'
run old '"t":1' "$a"
run new '"t":1' "$slow"
col() { # FILES COLUMN...: of the last row
	bench-cmp -t "$@" | awk -F'\t' 'END { print $6, $7, $8, $11 }'
}
is 'medians, their ratio, the verdict' '10 11 1.1 slower' col old new
is 'and the other way' '11 10 0.9091 faster' col new old
is 'with itself' '10 10 1 same' col old old
bench-cmp old new >out
is 'slower: exit 1' 1 echo $?
ok 'which is whole' trace-check out
ok 'not beyond a threshold' bench-cmp --threshold 1.2 old new -o out2
is 'faster: exit 0' 0 sh -c 'bench-cmp new old >out; echo $?'
run wide '"t":1' "$wide"
is 'too wide to tell' unsure sh -c "bench-cmp -t old wide | awk 'END { print \$NF }'"
is 'and no regression' 0 sh -c 'bench-cmp old wide >out; echo $?'
# What is measured, or tells of the machine, does not tell measurements apart; all else does
run m1 '"t":1,"k":2,"median_us":1,"moved_bytes":100,"gbs":"-","bus_gbs":3,"device":"A","pct_copy":3,"check":"ok"' "$a"
run m2 '"k":2,"t":1,"median_us":9,"moved_bytes":100,"gbs":7,"bus_gbs":4,"device":"B","pct_copy":"-","check":"-"' "$a"
is 'keys in any order, measurements apart' same sh -c "bench-cmp -t m1 m2 | awk 'END { print \$NF }'"
run m3 '"t":1,"k":3' "$a"
fails 2 'nothing in common' 'bench-cmp m1 m3' 'no measurement is in both'
run two '"t":1' "$a" '"t":2,"how":"a b"' "$a"
run three '"t":3' "$a" '"t":1' "$a"
is 'what is in one alone' '- 1 same
a b 2 -
- 3 -' sh -c "bench-cmp -t two three | awk -F'\t' 'NR > 1 { print \$3, \$4, \$NF }' | cut -c1-40"
is '-v says so' 'bench-cmp: 1 measurements are only in two
bench-cmp: 1 measurements are only in three' bench-cmp -v two three -o out
is 'and else nothing' '' bench-cmp two three -o out
cat old old >twice
is 'samples of all sections' '20 10' sh -c "bench-cmp -t twice old | awk 'END { print \$4, \$5 }'"
# By bytes a second, less is slower
is '--key gbs' '0.01 0.01 1 same' sh -c "bench-cmp --key gbs -t m1 m2 | awk -F'\t' 'END { print \$7, \$8, \$9, \$12 }'"
run g '"t":1,"k":2,"moved_bytes":100' "$slow"
is 'fewer bytes a second' '0.9091 slower' sh -c "bench-cmp --key gbs -t m1 g | awk -F'\t' 'END { print \$9, \$12 }'"
is 'exit 1' 1 sh -c 'bench-cmp --key gbs m1 g >out; echo $?'
is 'more' faster sh -c "bench-cmp --key gbs -t g m1 | awk 'END { print \$NF }'"
is 'no bytes told' '- - - -' sh -c "bench-cmp --key gbs -t old new | awk -F'\t' 'END { print \$6, \$7, \$8, \$11 }'"
run ms '"t":1' '123456 123456'
is 'long times, as the run itself tells them' '123456 123456' sh -c "bench-cmp -t ms ms | awk -F'\t' 'END { print \$6, \$7 }'"
# The interval
same 'the same seed, the same bytes' 'bench-cmp -t old wide' 'bench-cmp -t -s 1 old wide'
is 'another seed, nearly the same' 1 sh -c "for s in 1 2; do bench-cmp -s \$s -t old wide | awk 'END { print \$9, \$10 }'; done |
	awk '{ l[NR] = \$1; h[NR] = \$2 } END { print l[1] != 0 && (l[1] / l[2] - 1) ^ 2 < 0.01 && (h[1] / h[2] - 1) ^ 2 < 0.01 }'"
run one '"t":1' 4
run dbl '"t":1' 8
is 'of one sample each it is the ratio' '2 2 2 slower' sh -c "bench-cmp -t one dbl | awk -F'\t' 'END { print \$8, \$9, \$10, \$11 }'"
if command -v python3 >/dev/null && python3 -c 'import numpy' 2>/dev/null; then
	s=1 bad=
	while [ $s -le 20 ]; do
		x=$(awk -v s=$s 'BEGIN { srand(s); for (i = 0; i < 5 + s; i++) printf "%.4f ", 10 + 3 * rand() }')
		y=$(awk -v s=$s 'BEGIN { srand(s + 99); for (i = 0; i < 30 - s; i++) printf "%.4f ", 10 + 5 * rand() }')
		run p '"t":1' "${x% }"
		run q '"t":1' "${y% }"
		bench-cmp -t p q | awk -F'\t' 'END { print $8, $9, $10 }' >got
		python3 - "$x" "$y" "$(cat got)" <<'E' || bad="$bad $s"
import sys, numpy as np
x, y = (np.array(a.split(), float) for a in sys.argv[1:3])
got = np.array(sys.argv[3].split(), float)
rng = np.random.default_rng(1)
draw = lambda a: np.median(rng.choice(a, (40000, len(a))), axis=1)
want = np.array([np.median(y) / np.median(x), *np.percentile(draw(y) / draw(x), [2.5, 97.5])])
sys.exit(not np.all(abs(got / want - 1) < [6e-4, 0.025, 0.025]))
E
		s=$((s + 1))
	done
	is 'ratio and interval as numpy finds them, 20 seeds' '' echo "$bad"
else
	skip_one 'no numpy'
fi
# Real runs, and what cannot be
ok 'what pcie-bw writes' sh -c 'pcie-bw --host --sizes 4K,64K --samples 9 -o r && bench-cmp r r -o c'
is 'is like itself' '2 1' sh -c "bench-cmp -t r r | awk -F'\t' 'NR > 1 { n++; one += \$17 == 1 } END { print n, one / n }'"
run neg '"t":1' '1 -1'
fails 2 'a time below 0' 'bench-cmp old neg' 'neg: frame 2 .*no time above 0'
trace-gen --rows 9 -o t
fails 2 'no bench frames' 'bench-cmp old t' 't: no measurements'
fails 2 'one file' 'bench-cmp old' 'usage'
fails 2 'standard input twice' 'bench-cmp - -' 'cannot be both'
ok 'one may be standard input' sh -c 'bench-cmp - old <old >out'
fails 2 'no such file' 'bench-cmp old nope' 'nope: No such file'
fails 2 'a cut file' 'head -c 300 new >cut; bench-cmp old cut' 'cut'
fails 2 'a threshold below 1' 'bench-cmp --threshold 0.9 old new' 'below 1'
done_testing
