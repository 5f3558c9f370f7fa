#!/bin/sh
# ffn-bench: sizes, strategies, what is refused; t/layer.t shows that the check finds errors.
. "${0%/*}/lib.sh"
export CUDA_VISIBLE_DEVICES= # where there is a GPU, too
bench() { ffn-bench --cpu --samples 1 --tokens 33 --d-model 20 --experts 7 --hidden 50 "$@"; }
col() { # FRAME KEYS... <trace: these columns of its text
	trace-filter --frame "$1" -t | awk -F'\t' -v keys="$(shift && echo "$*")" '
		sub(/^# /, "") { n = split(keys, k, " "); for (i = 1; i <= NF; i++) at[$i] = i; next }
		{ for (i = 1; i <= n; i++) printf "%s%s", $at[k[i]], i < n ? " " : "\n" }'
}
for type in f32 f16 bf16; do
	for size in '--tokens 1 --d-model 1 --hidden 1 --experts 1 -k 1' '--tokens 2 --d-model 3 --hidden 5' '-k 7' \
		'--tokens 700 --experts 2' '--d-model 64 --hidden 300 -k 3 --empty 4' '--zipf 2 -j 3' \
		'--skew-experts 1 --skew-bias 9 --tokens 600'; do
		# shellcheck disable=SC2086
		is "$type $size" 'ok ok ok ok' sh -c "ffn-bench --cpu --samples 1 --tokens 33 --d-model 20 --experts 7 --hidden 50 --dtype $type $size -o $type &&
			trace-filter --frame ffn -t $type | awk -F'\t' 'NR > 1 && \$3 != \"-\" && \$2 != \"-\" { print \$NF }' | paste -sd' ' -"
	done
done
bench --empty 3 -j 2 -o a && bench --empty 3 -o b
is 'stages of strategies' '- gather,ours ffn,- combine,ours all,loop ffn,loop all' \
	sh -c "$(command -v trace-filter) --frame ffn -t a | sed 1d | cut -f 2,3 | tr '\t' ' ' | paste -sd, -"
is 'routes and experts without rows' '66 3' col load routes empty <a
is 'the same on any -j' "$(col load routes most empty max_mean cv <b)" col load routes most empty max_mean cv <a
is 'bytes and operations' "gather 4224 -
ffn 29280 396000
combine 4488 -
all 37992 396000
ffn 29280 396000
all 37992 396000" col ffn stage moved_bytes flops <a
is 'samples' 6 sh -c 'ffn-bench --cpu --samples 3 --tokens 9 --d-model 4 --experts 3 --hidden 5 | grep -ac "^@bench name=ffn .* n=3 .* rows=3 cols=us:f64 "'
bench --strategy loop --no-check -o c
is 'a strategy that is named, alone, not checked' 'loop -' sh -c "trace-filter --frame ffn -t c | tail -n 1 | cut -f 2,22 | tr '\t' ' '"
bench -s 2 -o d
ok 'another seed, other picks' sh -c '! trace-filter --frame load a | trace-cmp -q - d'
fails 2 'a strategy that is none' 'bench --strategy ours,theirs' "no strategy 'theirs': --help lists them"
fails 3 'a library that the processor has not' 'bench --strategy grouped-library' 'no grouped product'
fails 3 'no GPU' 'ffn-bench --tokens 3' 'no GPU: .*--cpu'
fails 2 'more picks than experts' 'bench -k 8' '8'
fails 2 'more picks than experts that may have tokens' 'bench --empty 6' '--empty 6 of 7'
fails 2 'no expert left' 'bench --empty 7 -k 1' '--empty 7 of 7'
fails 2 'more hot ones than there are' 'bench --skew-experts 8 --skew-bias 1' '8 of 7'
fails 2 'too little memory' 'ffn-bench --cpu --experts 1024 --d-model 65536 --hidden 262144' \
	'1024 experts of 3 x 262144 x 65536 f16 need 105553.1 GB'
fails 2 'a full disk' 'bench >/dev/full' 'No space'
fails 2 'a width of 0' 'bench --hidden 0'
fails 2 'an operand' 'bench x.trace' 'x.trace'
# shellcheck disable=SC2016
is 'who does not multiply does not load BLAS' '' sh -c 'for x in trace-filter trace-route topk-stats coact; do ldd "$0/bin/$x" | grep blas; done' "$BUILD"
done_testing
