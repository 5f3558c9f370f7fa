#!/bin/sh
# pipelines/place-search: the six steps, the simulator's way and ours.
. "${0%/*}/lib.sh"
trace-gen --layers 1 --model reference --batches 4 --rows 64 --mesh-rows 4 --experts 16 -k 2 -s 7 -o t
printf '{"trace": "t", // routing\n"layer": 0, "rows": 4, "cols": 2, "experts": 16, "num_shared_experts": 1, "shared_copies": 2, "slots": 24}' >s.jsonc
echo '{"placement_strategy": "balance_load_coactivation", "placement_axis": "row", "top_n": 4, "replica_spread_by_distance": "none"}' >i.jsonc
for kind in '"none"' '"random", "iters": 5' '"local", "local_search_iters": 40' \
	'"anneal", "anneal_iters": 40, "anneal_t0": 1.0, "anneal_t1": 0.01' '"sequence", "search_sequence": "local:20,anneal:20"'; do
	echo "{\"search\": $kind, \"restarts\": 1}" >q.jsonc
	place-search -c s.jsonc --init i.jsonc --search q.jsonc --policy one-each --out r >said 2>err
	is "$kind" '0 2' sh -c 'echo $(wc -l <err) $(grep -c mean said)'
	is "$kind: no costlier than it began" 0 sh -c "awk '{ m[NR] = \$5 } END { print (m[2] > m[1]) }' said"
done
ok 'ours' place-search -c s.jsonc --time 0.1 --out ours
same 'placement.json is the best placement' 'place-conv -q -l 0 --mesh 4x2 --from placement.json ours/placement.json | trace-show | sed s/,slot:u16// | cut -f 1,2 | grep -v "^@[tpe][rn]"' \
	'trace-show ours/best.place | grep -v "^@[tpe][rn]"'

is 'what made it' 'expert-load place-replicate place-init place-anneal' sh -c "trace-heads ours/best.place | sed -n 's/^@prog name=\([a-z-]*\).*/\1/p' | grep -v gen | xargs"
is 'planned for drawn batches, too' '--margin%200.4' sh -c 'trace-heads ours/best.place | grep -o -e --margin%200.4'
ok 'or for those alone' place-search -c s.jsonc --time 0.05 --margin 0 --out 'it'\''s $one'
is 'as asked' '--margin%200' sh -c 'trace-heads it*/best.place | grep -o -e "--margin%20[0-9.]*"'
sed 's/^place-search/set --/' it*/run.txt >run
is 'run.txt can be run again' "-c s.jsonc --time 0.05 --margin 0 --out it's \$one 8" sh -c '. ./run && echo "$* $#"'

# A run that fails leaves what was there, and nothing of its own.
(cd ours && cksum -- * && ls -A) >was
echo '{"search": "local"}' >bad.jsonc
fails 2 'a search without its keys' 'place-search -c s.jsonc --search bad.jsonc --out ours' 'bad.jsonc:1:1: no key'
is 'the results are those of the run before' '' sh -c "(cd ours && cksum -- * && ls -A) | diff was -"
fails 2 'the same in a new folder' 'place-search -c s.jsonc --search bad.jsonc --out new/er' 'no key'
is 'which stays empty' '' ls new
fails 2 'a trace that is none' 'place-search -c s.jsonc --trace none --out new' 'none: No such file'
fails 2 'no trace' 'echo "{\"rows\": 4} // \"trace\": \"t\"" >q; place-search -c q --out new' 'no trace'
fails 2 'where another one runs' 'mkdir ours/.part; place-search -c s.jsonc --out ours' 'ours/.part: another run'
rmdir ours/.part
trace-gen --layers 2 --model reference --batches 2 --rows 64 --mesh-rows 4 --experts 16 -k 2 -s 7 -o two
sed 's/"layer": 0, //' s.jsonc >both.jsonc
echo '{"search": "local", "restarts": 1, "local_search_iters": 20}' >q.jsonc
place-search -c both.jsonc --trace two --search q.jsonc --out r >said
is 'a file for each layer, and none of the run before' 'placement-0.json placement-1.json' sh -c 'cd r && echo placement*'
is 'the key trace, as JSONC has it' 0 sh -c 'printf "/* \"trace\": \"none\", */ {\"tr\\\\u0061ce\": \".//t\",\n%s" "$(sed "1d" s.jsonc)" >q; place-search -c q --search q.jsonc --out r >said; echo $?'
is 'steps and progress on a terminal' 'count replicate place search evaluate keep' sh -c \
	'TRACE_FAKE_TTY=2 place-search -c s.jsonc --search q.jsonc --out r 2>err >said; grep -q changes/s err && sed -n "s/.*place-search: //p" err | xargs'
is 'help' usage: sh -c 'place-search --help | grep -o ^usage:'
is 'wrong use' 2 sh -c 'place-search 2>/dev/null; echo $?'
done_testing
