#!/bin/sh
# trace-sample: whole samples, evenly by data set, seeded; what it leaves out and refuses.
. "${0%/*}/lib.sh"
# 24 batches of 4 sequences, two layers
gen() { trace-gen --tokens --layers 2 --map 1,3 --experts 8 --batches 24 --rows 32 --request-rows 8 "$@"; }
gen --domains 3 -o a.trace
# a line a sample: SAMPLE-OF-SET, its tokens and its picks, as a trace has them, whatever the batch
samples() {
	trace2jsonl "$@" | python3 -c '
import json, sys
tok, route, of = {}, {}, {}
for line in sys.stdin:
    f = json.loads(line)
    n = f.get("rows", 0)
    rows = f.get("row", range(f.get("row0", 0), f.get("row0", 0) + n))
    b = f.get("batch")
    if f["kind"] == "seq":
        of[b, f["seq"]] = f.get("dataset"), f.get("synthetic")
    for i, r in enumerate(rows):
        if f["kind"] == "tok":
            s = f["seq"]
            tok[b, r] = s if isinstance(s, int) else s[i], f["tok"][i], f["pos"][i]
        if f["kind"] == "route":
            route.setdefault((b, r), []).append((f["layer"], f["ids"][i], f["w"][i]))
out = {}
for (b, r), t in sorted(tok.items()):
    out.setdefault((b, t[0]), []).append((t[1:], route.get((b, r))))
for k, v in out.items():
    print(of.get(k), v)'
}
samples a.trace | sort >all
trace-sample a.trace >b.trace
samples b.trace | sort >got
is 'all are there, whole' 96 sh -c 'cmp all got && wc -l <got'
is 'a sound stream' 0 sh -c 'trace-check -q b.trace; echo $?'
is 'each is a batch, counted up' '96 0' sh -c "trace-heads b.trace | sed -n 's/^@seq batch=\([0-9]*\) seq=\([0-9]*\) .*/\1 \2/p' |
	awk '\$1 != NR - 1 || \$2 != NR - 1 { bad++ } END { print NR, bad + 0 }'"
samples b.trace >first
ok 'in another order' sh -c '! cmp -s first got'
is 'the trace line says it' 'order=batch,layer prompts=shuffle prompts_seed=1' sh -c \
	"trace-heads b.trace | sed -n '1s/.*\(order=.*seed=1\).*/\1/p'"
same 'the same again, from a pipe' 'trace-sample --no-prog -n 7 <a.trace' 'cat a.trace | trace-sample --no-prog -n 7 -'
ok 'another seed, others' sh -c 'trace-sample --no-prog -n 7 a.trace >x; trace-sample --no-prog -n 7 -s 2 a.trace >y; ! cmp -s x y'
for n in 5 12 40; do
	trace-sample -n $n a.trace | samples | sort >s.$n
	is "-n $n: so many" "$n" sh -c "wc -l <s.$n"
done
is 'of which the smaller are part' '0 0' sh -c 'echo $(comm -23 s.5 s.12 | wc -l) $(comm -23 s.12 s.40 | wc -l)'
is 'and which are of the trace' 0 sh -c 'comm -23 s.40 all | wc -l'
sets() { trace-heads "$@" | grep -o 'dataset=[^ ]*' | sort | uniq -c | awk '{ print $1 }' | paste -sd' ' -; }
ok 'the sets are not of one size' sh -c 'trace-heads a.trace | grep -o "dataset=[^ ]*" | sort | uniq -c | awk "{ print \$1 }" | sort -u | wc -l | grep -qv "^1\$"'
is 'evenly' '4 4 4' sh -c 'trace-sample -n 12 a.trace >x; trace-heads x | grep -o "dataset=[^ ]*" | sort | uniq -c | xargs | tr -cd "4 " | xargs'
trace-sample -n 13 a.trace >x
is 'of a remainder one has one more' 13 sh -c "trace-heads x | grep -c '^@seq'"
trace-sample --per-dataset 2 --order round-robin a.trace >x
is 'two of each set' '2 2 2' sets x
is 'in turn' 1 sh -c "trace-heads x | grep -o 'dataset=[^ ]*' | awk 'NR <= 3 { a[NR] = \$0 } NR > 3 && a[NR - 3] != \$0 { bad = 1 } END { print !bad }'"
is 'both' '1 1 1' sh -c 'trace-sample -n 3 --per-dataset 2 a.trace >x; trace-heads x | grep -o "dataset=[^ ]*" | sort | uniq -c | awk "{ print \$1 }" | xargs'
trace-filter --dataset domain-1 a.trace | trace-sample --per-dataset 5 | samples | sort >x
trace-sample --per-dataset 5 a.trace | samples | grep domain-1 | sort >y
is 'other sets change nothing' 5 sh -c 'cmp x y && wc -l <x'
# other shapes of input
same 'frames in another order' 'trace-sort --order layer,batch a.trace | trace-sample --no-prog -n 9 | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"' \
	'trace-sample --no-prog -n 9 a.trace | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"'
same 'compressed' 'trace-filter -z a.trace | trace-sample -n 9 | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"' \
	'trace-sample -n 9 a.trace | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"'
same 'to be compressed' 'trace-sample -z -n 9 a.trace | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"' \
	'trace-sample -n 9 a.trace | trace2jsonl | grep -v "^{.kind.:.[pe][rn]"'
trace-gen --layers 2 --batches 5 --rows 8 -o c.trace
is 'without tokens a sample is a batch' '3 6' sh -c "trace-sample -n 3 c.trace | trace-heads | awk '/^@seq/ { s++ } /^@route/ { r++ } END { print s, r }'"
gen -s 9 --domains 3 -o d.trace
cat a.trace d.trace >two.trace
is 'two sections are one' 192 sh -c "trace-sample two.trace | trace-heads | grep -c '^@seq'"
is 'as are two files' 192 sh -c "trace-sample a.trace d.trace | trace-heads | grep -c '^@seq'"
prompt-fmt "$TOP"/examples/text/*.jsonl >p.trace
is 'prompts' '6 6' sh -c "trace-sample -n 6 p.trace | trace-heads | awk '/^@seq/ { s++ } /^@text/ { r++ } END { print s, r }'"
is 'with their names' 0 sh -c "trace-sample -n 6 p.trace | trace2jsonl | grep -o '\"sample\":\"[^\"]*\"' | sort >x; trace2jsonl p.trace | grep -o '\"sample\":\"[^\"]*\"' | sort | comm -13 - x | wc -l"
expert-load --count a.trace >n.trace
is 'results are left out' 0 sh -c "cat a.trace n.trace | trace-sample | trace-heads | grep -c '^@count'"
# refused
trace2jsonl a.trace | grep -v '"kind":"tok"' | sed 's/"frames":[0-9]*/"frames":0/' >x
trace2jsonl a.trace | grep -v '"kind":"tok"\|"kind":"end"' | { cat && echo "{\"kind\":\"end\",\"frames\":$(($(wc -l <x) - 2))}"; } | jsonl2trace >notok.trace
fails 2 'sequences without tok frames' 'trace-sample notok.trace' 'batch 0 has several sequences, and no tok'
trace2jsonl a.trace | sed 's/"rows":32,"cols":"tok:u32,seq:u32,pos:u32","tok":\[[0-9]*,/"rows":31,"row0":1,"cols":"tok:u32,seq:u32,pos:u32","tok":[/; /"kind":"tok"/s/"seq":\[[0-9]*,/"seq":[/; /"kind":"tok"/s/"pos":\[[0-9]*,/"pos":[/' |
	jsonl2trace >short.trace
fails 2 'a row of no sequence' 'trace-sample short.trace' 'batch [0-9]*: row 0 is of no sequence'
jsonl2trace >late.trace <<!
{"kind":"trace","v":1,"layers":3,"experts":4,"topk":1}
{"kind":"route","layer":2,"batch":0,"rows":1,"cols":"ids:u8:1","ids":[2]}
{"kind":"route","layer":0,"batch":0,"rows":1,"cols":"ids:u8:1","ids":[0]}
{"kind":"tok","batch":0,"rows":1,"cols":"tok:u32","tok":[7]}
{"kind":"route","layer":1,"batch":0,"rows":1,"cols":"ids:u8:1","ids":[1]}
{"kind":"end","frames":4}
!
is 'layers ascend, whatever order they had' '@seq @tok @route_0 @route_1 @route_2' \
	sh -c "trace-sample --no-prog late.trace | trace-heads | sed -n 's/^\(@[a-z]*\).*layer=\([0-9]\).*/\1_\2/p; s/^\(@seq\|@tok\).*/\1/p' | xargs"
fails 2 'no samples' 'trace-sample n.trace' 'no samples'
gen --name x >e.trace
gen --name y >f.trace
fails 2 'two models' 'trace-sample e.trace f.trace' 'sections disagree: model=x and model=y'
ok 'but for -f' trace-sample -f e.trace f.trace -o g.trace
fails 2 'a cut stream' 'head -c 3000 a.trace | trace-sample -o cut.trace'
ok 'and no file is left' test ! -e cut.trace
fails 2 'a full disk' 'trace-sample a.trace >/dev/full' 'No space'
fails 2 'no such order' 'trace-sample --order none a.trace'
done_testing
