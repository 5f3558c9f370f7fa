#!/bin/sh
# pipelines/expert-analysis: what it says is what the tools say, and all pictures are there.
. "${0%/*}/lib.sh"
command -v gnuplot >/dev/null || skip 'no gnuplot'
trace-gen --tokens --domains 2 --request-rows 32 --layers 3 --batches 4 --rows 64 --experts 8 -k 2 -o t
ok 'all of it' expert-analysis --out all --size 2,4 -j 2 t
is 'tables and pictures' 'cache.png cache.trace datasets.trace expert_statistics.json expert_statistics.png flow.trace journeys.png layer_0_expert_frequency.png layer_1_expert_frequency.png layer_2_expert_frequency.png layer_expert.png prediction.png prediction.trace report.html specialisation.png transitions.png' sh -c 'ls -A all | xargs'
same 'JSON of the statistics' "expert-stats -t t | awk -F'\t' '!/#/ { print \$2, \$4, \$17 }'" "jq -r '.[] | \"\(.layer) \(.std) \(.expert_diversity)\"' all/expert_statistics.json"
same 'transitions' 'trace-filter --no-prog all/flow.trace' 'expert-flow t | trace-filter --no-prog'
same 'caches' 'trace-filter -t all/cache.trace' 'cache-sim --size 2,4 -t t'
same 'predictions' 'trace-filter -t all/prediction.trace' 'spec-eval -t t'
is 'data sets: three tables' 'divergence information specialisation' sh -c "trace-filter -t all/datasets.trace | awk -F'\t' '!/#/ { print \$1 }' | sort -u | xargs"
is 'a page of all' 0 sh -c 'for w in cache-sim spec-eval expert-stats flow; do grep -q "$w" all/report.html || echo no $w; done; echo 0'
trace-filter -l 1 t | trace-filter --frame route >one
expert-analysis --out all --format svg one
is 'one layer, no data sets: what there is' 'cache.svg expert_statistics.svg journeys.svg layer_1_expert_frequency.svg layer_expert.svg prediction.svg' sh -c 'ls all | grep svg | xargs'
is 'quietly' '' sh -c 'expert-analysis --out all one 2>&1'
is 'the same bytes again, any -j' '' sh -c 'expert-analysis --out a1 t && expert-analysis --out a2 -j 2 t && diff -r a1 a2'
(cd all && cksum -- * && ls -A) >was
fails 2 'a trace that is none' 'echo no >no; expert-analysis --out all no' 'not a trace'
is 'the results are those of the run before' '' sh -c '(cd all && cksum -- * && ls -A) | diff was -'
fails 2 'no folder is left' 'expert-analysis --out new no' 'not a trace'
is 'none' '' sh -c '[ ! -e new ]'
fails 2 'a format' 'expert-analysis --out x --format gif t' 'none of svg, png, pdf'
fails 2 'standard input' 'expert-analysis --out x <t' 'a trace is wanted'
fails 2 'a file that is not there' 'expert-analysis --out x none' 'none: No such file'
fails 2 'an option' 'expert-analysis --nosuch' '--nosuch: no such option'
ok 'the trace first' expert-analysis one --out first --format svg
done_testing
