#!/bin/sh
# pipelines/tour: the demo runs, and the same twice.
. "${0%/*}/lib.sh"
mkdir 1 2
ok 'tour runs' sh -c 'cd 1 && tour a >../said'
ok 'and again' sh -c 'cd 2 && tour a >../again'
is 'the same words' '' cmp said again
ok 'by its path alone' env PATH="$BUILD/bin:/usr/bin:/bin" "$TOP/pipelines/tour" 3
cd 1 || exit
for f in routing.trace written.trace coact.trace cost.trace best.place layer2.csv report.html; do
	is "the same bytes: $f" '' cmp "a/$f" "../2/a/$f"
done
is 'text, tokens, routes: a batch of twelve sentences' "$(($(cat "$TOP"/examples/text/*.jsonl | wc -l) / 12))" sh -c 'trace-heads a/routing.trace | grep -c "^@tok"'
is 'a domain prefers some expert in each layer' '12 12' sh -c 'echo $(grep -c "^layer.*expert.*times$" ../said) $(sed -n "s/.*expert.*\t\(.*\) times/\1/p" ../said | awk "\$1 > 1.0" | wc -l)'
is 'three prompts, and what is written behind them' '3' grep -c '^   \.\.\. ' ../said
is 'a placement that costs less' 1 sh -c 'sed -n "s/.*(\(.*\) % less)/\1/p" ../said | awk "{ print (\$1 > 0) }"'
is 'its CSV has a line a token, and one of names' 0 sh -c 'trace-filter -l 2 a/written.trace | trace2csv | wc -l | { read -r n; [ "$n" -eq "$(wc -l <a/layer2.csv)" ]; echo $?; }'
if command -v gnuplot >/dev/null; then
	is 'pictures' 'experts/layer_1_expert_frequency.svg experts/specialisation.svg experts/transitions.svg coact.svg place.svg cost.svg' \
		sh -c 'cd a && ls -U -d experts/layer_1_expert_frequency.svg experts/specialisation.svg experts/transitions.svg coact.svg place.svg cost.svg | xargs'
fi
done_testing
