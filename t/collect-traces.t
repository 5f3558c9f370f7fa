#!/bin/sh
# pipelines/collect-traces: how many of what, its metadata, what is absent.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
S=$TOP/examples/tiny-switch
C="collect-traces --model $S"
parts() { sed -n 's/.*"\(real\|synthetic\)": \([0-9]*\).*/\2/p' "$1" | paste -sd' ' -; }
is 'traces that are asked for' '' $C --traces 200 --mode mixed --real-ratio 0.7 --output mixed.trace
is 'a sound stream' 0 sh -c 'trace-check -q mixed.trace; echo $?'
$py - >got <<'E'
import json
m = json.load(open("mixed.json"))
d = m["dataset_distribution"]
real = {k: v["samples"] for k, v in d.items() if not k.startswith("domain-")}
print(m["total_traces"], m["model_name"], m["num_experts"], m["data_type"], m["device"])
print(sorted(real), sorted(real.values()), m["layer_distribution"])
print(len(m["created"]), m["collection_time"] >= 0)
E
is 'metadata' "200 tiny-switch 8 {'real': 140, 'synthetic': 60} cpu
['harbour', 'kitchen', 'numbers'] [11, 12, 12] {'1': 50, '3': 50, '5': 50, '7': 50}
20 True" cat got
is 'beside it, and nothing else' 'mixed.json mixed.trace' sh -c 'ls mixed* | xargs'
is 'real ones have names; all have tokens, none its text' '35 15 50 0' sh -c "trace-heads mixed.trace |
	awk '/^@seq.* sample=/ { s++ } /^@seq.* synthetic=1/ { m++ } /^@tok/ { k++ } /^@text/ { t++ } END { print s, m, k, t + 0 }'"
fails 2 'fewer traces than layers' "$C --traces 1 --output x.trace" '--traces 1: one sample makes 4'
ok 'mode real' $C --mode real --traces 31 --output real
is 'is all real, in whole samples, its metadata beside it' '28 0' parts real.json
$C --mode real --traces 600 --output few.trace 2>err
is 'real ones that lack are told' 'collect-traces: real: 108 samples, not 150: 432 real traces, not 600' cat err
is 'and not replaced' '432 0' parts few.json
same 'the same trace again, from another folder' 'cat mixed.trace' \
	"mkdir -p other && cd other && $C --traces 200 --mode mixed --real-ratio 0.7 --output again.trace && cat again.trace"
ok 'another seed' sh -c "$C -s 2 --traces 200 --real-ratio 0.7 --output other.trace; ! cmp -s other.trace mixed.trace"
printf 'first long enough text of them\nsecond long enough text of them\n' >own.txt
is "texts of one's own, cut, a layer, a round robin" '1 2 18' sh -c "$C --mode real --max-tokens 9 -l 3 --order round-robin --traces 2 --output o.trace own.txt &&
	trace-heads o.trace | awk '/^@trace.* prompts=round-robin.* map=3 / { a = 1 } /^@seq.* dataset=own / { s++ } /^@tok/ { sub(/.*rows=/, \"\"); n += \$1 } END { print a, s, n }'"
# refused
fails 2 'no model' 'collect-traces --model . --output x.trace' 'config.json: No such file'
fails 2 'no such data set' "$C --output x.trace none.jsonl" 'none.jsonl: No such file'
fails 2 'a mode that is none' "$C --mode all --output x.trace" '--mode all'
fails 2 'a ratio that is none' "$C --real-ratio 1.5 --output x.trace" '--real-ratio 1.5'
fails 2 'a number that is none' "$C --traces 1e3 --output x.trace" '--traces 1e3'
fails 2 'the name of the metadata' "$C --output x.json" 'metadata'
is 'usage' '2 2' sh -c "collect-traces --output x 2>/dev/null; a=\$?; collect-traces --nothing x 2>/dev/null; echo \$a \$?"
is 'nothing is left of those' '' sh -c 'ls | grep "^x[.]" || :'
mkdir bin
ln -s "$BUILD"/bin/* bin
rm -f bin/tok-encode
for t in sh awk sed cat date mktemp mv rm; do ln -sf "$(command -v $t)" bin; done
only() { PATH=$tmp/bin sh "$TOP/pipelines/collect-traces" --model "$S" "$@"; }
fails 3 'without a tokenizer' 'only --output x.trace own.txt' 'no tok-encode here'
is 'which synthetic ones do not need' '' only --mode synthetic --traces 10 --output y.trace
is 'and are' '0 8' parts y.json
ok 'as the guide has it' $C --traces 600 --mode mixed --real-ratio 0.7 --output guide.trace
is 'all that were asked for' '420 180' parts guide.json
fails 2 'an option' 'collect-traces --nosuch' '--nosuch: no such option'
done_testing
