#!/bin/sh
# What every tool owes: help, version, one line when used wrongly; what every
# tool that reads a trace owes: refusal of anything broken, and honest I/O.
# FULL=1 tries every cut and every bit, else every 97th.
. "${0%/*}/lib.sh"
trace-gen --rows 3 --layers 1 --experts 8 --tokens --logits -o small
expert-load small | place-replicate --mesh 2x4 --slots 16 |
	place-init --mesh 2x4 --slots 16 --trace small -o place
expert-load -o count small
pcie-bw --host --sizes 4K --samples 3 -o run
: >empty
mkdir dir
printf '{"model": {"type": "Unigram", "vocab": [["a", 0]]}}' >pieces.json
ok 'moetrace --version tells of kernels' sh -c \
	"moetrace --version | grep -Eq ', (no cuda|cuda [0-9.]+( sm_[0-9]+)+( nccl)?)$'"
for path in "$BUILD"/bin/*; do
	name=$(basename "$path")
	is "$name --help names it" "$name:" sh -c "$name --help | head -n 1 | cut -d' ' -f1"
	ok "$name --version" "$name" --version
	fails 2 "$name: a wrong option" "$name --no-such-option" '^usage: |: --no-such-option: no such option: --help lists them$'
	[ "$name" = moetrace ] || fails 2 "$name: an abbreviated option" "$name --versio" ': --versio: no such option: --help lists them$'
	"$name" --help >help
	case $name in
	trace-join | trace-merge | trace-sort) ;; # read traces by a door of their own
	*) grep -q -- '--keep-going' help || continue ;;
	esac
	extra='' stdin=
	case $name in
	trace-merge) stdin=- ;;
	trace-mix) extra='--mode synthetic --traces 1 --synthetic' stdin=- ;;
	trace-cmp) extra=small stdin=- ;;
	bench-cmp) extra=run stdin=- ;;
	router-bench) extra='--cpu --from-trace --samples 1 --warm --copy-gbs 1' ;;
	trace-split) extra='-n 2 -o p-' ;;
	plot-grid) extra='--script --count count' ;;
	plot-*) extra='--script' ;;
	place-eval) extra='-p place' ;;
	logit-hist) extra='--of wsum' ;;
	logit-pval) extra='--at 0' ;;
	place-init) extra='--trace small' ;;
	spec-eval) extra=--count ;;
	tok-*) extra='-m pieces.json' ;;
	place-anneal) continue ;; # has no operands
	router-capture) continue ;; # its operands are models: t/router-capture.t
	esac
	for bad in nope dir empty; do
		fails 2 "$name: $bad" "$name $extra $bad" "$bad: "
	done
	fails 2 "$name: text" "trace-filter -t small | $name $extra $stdin" 'give -t to the last tool only'
	fails 2 "$name: a terminal to read from" "TRACE_FAKE_TTY=0 $name $extra $stdin" 'terminal'
	fails 2 "$name: closed input" "$name $extra $stdin <&-" 'Bad file descriptor'
	grep -q -- --zstd help && fails 2 "$name: a level that is none" "$name --zstd=x $extra small" "not a level"
	ok "$name: cuts and flips" "$BUILD/t/flip" "${FULL:-97}" small "$name" $extra $stdin
	if $name $extra small >out 2>err; then
		[ -s out ] && fails 2 "$name: full disk" "$name $extra small >/dev/full" 'No space'
		[ -s out ] && {
			($name $extra small 2>pipe.err; echo $? >rc) | head -c 1 >/dev/null
			is "$name: a reader that goes is no news" '' cat pipe.err
		}
		grep -q -- '--output' help && [ "$name" != trace-split ] && {
			echo old >there
			$name $extra -o there empty 2>/dev/null
			is "$name: -o leaves the old file when it fails" old cat there
			fails 2 "$name: -o into no folder" "$name $extra -o no/where small" 'no/where'
			is "$name: nothing is left beside it" '' sh -c 'ls | grep "there\.\|where"'
		}
	fi
	case $name in plot-bars | router-bench | tok-encode) continue ;; esac # their own tests have -j
	grep -q -- '--jobs' help && same "$name: -j 0 is every core" "$name $extra small" "$name $extra -j 0 small"
done
same 'a relative name with a blank, a leading dash' 'cp small "./-a b" && trace-check "./-a b" && trace-filter --no-prog -- "-a b"' 'trace-filter small --no-prog'
is 'bytes skipped are told' 'trace-filter: 101 bytes were broken and are left out' \
	sh -c '{ head -n 1 small; head -c 100 /dev/zero; echo; tail -n +2 small; } >hurt; trace-filter --keep-going -o saved hurt; trace-check saved'
# what a file of another kind is, and who reads it
trace-gen --rows 9 -o kind.trace
gzip -c kind.trace >kind.gz
printf '\200\4}.' >kind.pickle
trace2jsonl kind.trace >kind.jsonl
trace2csv -o kind.csv kind.trace
trace2npz -o kind.npz kind.trace
for name in npz2trace pt2trace pkl2trace jsonl2trace log2trace csv2trace; do
	fails 2 "$name of a trace" "$name kind.trace" 'a trace: it needs no conversion'
	fails 2 "$name of gzip" "$name kind.gz" 'give it to gzip -dc first'
	case $name in
	npz2trace) fails 2 "$name of a pickle" "$name kind.pickle" 'pt2trace reads it' ;;
	j* | l* | c*)
		fails 2 "$name of a zip" "$name kind.npz" 'a zip file: npz2trace or pt2trace reads it'
		fails 2 "$name of a pickle" "$name kind.pickle" 'a pickle: pkl2trace or pt2trace reads it'
		;;
	esac
	case $name in j* | l*) ;; *) fails 2 "$name of JSON" "$name kind.jsonl" 'JSON: jsonl2trace or log2trace reads it' ;; esac
	case $name in c*) ;; *) fails 2 "$name of CSV" "$name kind.csv" 'CSV: csv2trace reads it' ;; esac
done
fails 2 'a log is no JSON Lines' 'echo "{\"samples\": []}" | jsonl2trace' 'log2trace reads it'
fails 2 'JSON Lines are no log' 'log2trace kind.jsonl' 'jsonl2trace reads it'
done_testing
