#!/bin/sh
# trace-mix: how many of each kind, their marks, what real ones that lack become.
. "${0%/*}/lib.sh"
gen() { trace-gen --tokens --layers 3 --map 1,3,5 --experts 8 -k 1 --rows 8 "$@"; }
gen --batches 40 --domains 4 | trace2jsonl | sed 's/,"synthetic":1//' | jsonl2trace -o real.trace
gen --batches 60 -s 2 | trace2jsonl | sed 's/,"synthetic":1//' | jsonl2trace -o made.trace
kinds() { # real and synthetic traces
	trace-mix "$@" | trace-info --json | sed -n 's/.*"\(real\|synthetic\)": \([0-9]*\).*/\2/p' | paste -sd' ' -
}
M='trace-mix --no-prog --real real.trace --synthetic made.trace'
is 'half of each' '60 60' kinds --real real.trace --synthetic made.trace --traces 120
is 'by the ratio' '84 36' kinds --real real.trace --synthetic made.trace --traces 120 --real-ratio 0.7
is 'rounded to whole samples' '9 3' kinds --real real.trace --synthetic made.trace --traces 14 --real-ratio 0.7
is 'all real' '30 0' kinds --real real.trace --synthetic made.trace --traces 30 --real-ratio 1
is 'mode real' '30 0' kinds --mode real --real real.trace --traces 30
is 'mode synthetic' '0 30' kinds --mode synthetic --synthetic made.trace --traces 30
is 'never more than asked' '0 30' kinds --mode synthetic --synthetic made.trace --traces 32
# real never fills up
trace-mix --mode real --real real.trace --traces 600 2>err >r.trace
is 'real ones that lack are not replaced' '120 0' sh -c "trace-info --json r.trace | sed -n 's/.*\"\(real\|synthetic\)\": \([0-9]*\).*/\2/p' | paste -sd' ' -"
is 'and are told' 'trace-mix: real.trace: 40 samples, not 200: 120 real traces, not 600' cat err
is 'nor in a mixture' '120 90' sh -c 'trace-mix -q --real real.trace --synthetic made.trace --traces 300 --real-ratio 0.7 | trace-info --json |
	sed -n "s/.*\"\(real\|synthetic\)\": \([0-9]*\).*/\2/p" | paste -sd" " -'
is 'which is no trouble' 0 sh -c 'trace-mix -q --mode real --real real.trace --traces 600 >/dev/null; echo $?'
trace-mix --real real.trace --synthetic made.trace --traces 60 -o mixed.trace
is 'a synthetic sample is not real' '30 0' kinds -q --mode real --real mixed.trace
gen --batches 9 -o marked.trace
fails 2 'none is real' 'trace-mix --mode real --real marked.trace --traces 6' 'marked.trace: no real samples'
# whole, balanced, mixed
is 'a sound stream' 0 sh -c 'trace-check -q mixed.trace; echo $?'
is 'each has its seq, tok and three layers' '20 20 60' sh -c "trace-heads mixed.trace | awk '/^@seq/ { s++ } /^@tok/ { t++ } /^@route/ { r++ } END { print s, t, r }'"
picks() { trace2jsonl "$@" | sed -n 's/.*"layer":\([135]\).*"ids":\(.*\),"w".*/\1 \2/p' | sort; }
picks mixed.trace >x
picks real.trace made.trace 2>/dev/null >y || { picks real.trace && picks made.trace; } | sort >y
is 'picks are those of the inputs' '60 0' sh -c 'echo $(wc -l <x) $(comm -23 x y | wc -l)'
$M --traces 120 >m.trace
is 'evenly by data set' '5 5 5 5' sh -c "trace-heads m.trace | grep -o 'dataset=[^ ]*' | sort | uniq -c | awk '{ print \$1 }' | xargs"
marks() { trace-heads "$@" | sed -n '/^@seq/{s/.*synthetic=1.*/s/;t p;s/.*/r/;:p;p;}' | tr -d '\n'; }
ok 'in random order' sh -c "echo $(marks m.trace) | grep -q 'r.*s.*r.*s.*r.*s'"
$M --order round-robin --traces 30 >rr.trace
is 'in turn' rrrrsrsss "$(command -v echo)" "$(marks rr.trace | cut -c 1-9)"
same 'the same again' "$M --traces 30" "$M --traces 30"
ok 'another seed' sh -c "$M --traces 30 >x; $M -s 2 --traces 30 >y; ! cmp -s x y"
same 'compressed or not' "$M --traces 30 -z | trace2jsonl" "$M --traces 30 | trace2jsonl"
is 'from a pipe' 30 sh -c 'trace-mix --real - --synthetic made.trace --traces 30 <real.trace | trace-info --json | sed -n "s/.*total_traces.: \([0-9]*\).*/\1/p"'
# refused
gen --batches 9 --layers 2 --map 1,3 -o two.trace
fails 2 'other layers' 'trace-mix --real two.trace --synthetic made.trace' 'not the same layers: of 3 in all, one has 2'
trace-gen --tokens --layers 3 --map 1,3,5 --experts 16 -k 1 -o e16.trace
fails 2 'other experts' 'trace-mix --real real.trace --synthetic e16.trace' 'experts=8 and experts=16'
gen --name a -o a.trace
gen --name b -o b.trace
fails 2 'another model' 'trace-mix --real a.trace --synthetic b.trace' 'model=a and model=b'
fails 2 'a kind without a file' 'trace-mix --real real.trace' '--mode mixed: give --synthetic FILE'
fails 2 'fewer traces than layers' "$M --traces 2" '--traces 2: one sample makes 3'
fails 2 'a ratio above 1' "$M --real-ratio 1.1" 'not between 0 and 1'
fails 2 'a ratio that is none' "$M --real-ratio nan"
fails 2 'operands' "$M real.trace" 'told by --real'
prompt-fmt "$TOP"/examples/text/*.jsonl >p.trace
fails 2 'prompts' 'trace-mix --mode real --real p.trace' 'a prompt is no trace yet'
fails 2 'a cut stream' 'head -c 3000 real.trace | trace-mix --mode real --real - -o cut.trace'
ok 'and no file is left' test ! -e cut.trace
fails 2 'a full disk' "$M --traces 30 >/dev/full" 'No space'
done_testing
