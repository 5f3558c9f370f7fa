#!/bin/sh
# router-capture: batches, generated tokens, losses, and outputs that are gone on with.
. "${0%/*}/lib.sh"
. "$TOP/t/checkpoint.sh"
mk m tie_word_embeddings=false edit='add("lm_head.weight", c["vocab_size"], D, by=2)'
LONG='3 8 1 29 4 4 17 22 9 3 3 8 0 11 12 13 28 27 26 5 6 7 3 3 3'
tok "0 0 $LONG" "1 0 5 6 7" '2 0 9' '0 1 0 9 9 4' '1 1 0 2' '2 1 0 3 3' >in.trace
tok "0 0 $LONG" "1 0 5 6 7" '2 0 9' >src.trace
# how many numbers of x and y are apart by more than 1e-4, or have no other
apart() { paste x y | awk '{ d = $1 - $2; if (NF != 2 || d > 1e-4 || d < -1e-4) n++ } END { print n + !NR }'; }
# tokens of a sequence and phase
tokens() { trace2jsonl | "$py" -c 'import json, sys
for l in sys.stdin:
    f = json.loads(l)
    if f["kind"] == "tok": print(*(t for t, s, p in zip(f["tok"], f["seq"], f["phase"]) if [s, p] == [int(sys.argv[1]), int(sys.argv[2])]))' "$@"; }
losses() { trace-heads | sed -n 's/^@seq.*loss=\([^ ]*\).*/\1/p'; }
kinds() { trace-heads "$@" | sed -n 's/^@\([a-z]*\).*/\1/p' | xargs; }

# batches
router-capture m --decoder --rows 3 <in.trace | column logit >x
router-capture m --decoder <in.trace | column logit >y
is 'sequences apart and together, bit for bit' 235 sh -c 'cmp x y && wc -l <x'
router-capture m --decoder --rows 3 --no-prog <in.trace >x.trace
is 'pieces of a batch are its frames again' 'trace prog tok route route route end' kinds x.trace
printf '@trace v=1 layers=0 experts=0 topk=0\n@tok batch=0 rows=0 cols=tok:u32\n@end frames=1\n' >empty.trace
router-capture m --no-prog <empty.trace >x.trace
is 'a batch of no rows' 'trace tok end' kinds x.trace
"$py" - >many.jsonl <<'E'
import json
print('{"kind":"trace","v":1,"layers":0,"experts":0,"topk":0}')
for b in range(6):
    n = 3 + 2 * b
    print(json.dumps(dict(kind="seq", batch=b, seq=b, tokens=n, dataset="abc"[b % 3])))
    print(json.dumps(dict(kind="text", batch=b, seq=b, text="text %d" % b)))
    print(json.dumps(dict(kind="tok", batch=b, rows=n + 3, cols="tok:u32,seq:u32,pos:u32,phase:u8",
        tok=[(7 * i + b) % 30 for i in range(n)] + [0, 9, b], seq=[b] * (n + 3),
        pos=list(range(n)) + [0, 1, 2], phase=[0] * n + [1] * 3)))
print('{"kind":"end","frames":18}')
E
jsonl2trace <many.jsonl >many.trace

# what is generated
router-capture m --decoder --generate 12 <src.trace >g.trace
trace2jsonl g.trace >g.jsonl
is 'a start token and twelve more, each' '25 3 1 / 13 13 13' "$py" -c '
import json
f = [json.loads(l) for l in open("g.jsonl")]
f = [x for x in f if x["kind"] == "tok"][0]
print(*(sum(1 for a, p in zip(f["seq"], f["phase"]) if (a, p) == (s, 0)) for s in range(3)), "/",
      *(sum(1 for a, p in zip(f["seq"], f["phase"]) if (a, p) == (s, 1)) for s in range(3)))'
is 'frames and rows are whole' 0 sh -c 'trace-check --frames g.trace; echo $?'
tokens 0 1 <g.trace >t0
is 'not one token again and again' yes sh -c "tr ' ' '\n' <t0 | sort -u | wc -l | awk '{ print (\$1 > 3 ? \"yes\" : \$1) }'"
trace-filter --phase decode --seq 0 -l 3,4 g.trace | column logit >x
tok "0 0 $LONG" "0 1 $(cat t0)" >given.trace
router-capture m --decoder -l 3,4 <given.trace | column logit >y
is 'the logits are those of the tokens when they are given' 0 apart
trace-filter --phase decode --seq 0 -l 4 g.trace | column dropped >x
router-capture m --decoder -l 4 <given.trace | column dropped >y
is 'and so is what is dropped' 0 apart
router-capture m --decoder --generate 12 --rows 1 <src.trace | tokens 0 1 >x
is 'pieces generate the same' "$(cat t0)" cat x
tok "0 0 $LONG" "0 1 $(cut -d' ' -f1-5 t0)" >begun.trace
router-capture m --decoder --generate 8 <begun.trace | tokens 0 1 >x
is 'a target that has begun goes on' "$(cat t0)" cat x
eos=$(cut -d' ' -f4 t0)
mk e/m tie_word_embeddings=false eos_token_id="$eos" edit='add("lm_head.weight", c["vocab_size"], D, by=2)'
router-capture e/m --decoder --generate 12 <src.trace | tokens 0 1 >x
is 'the last id ends it, and stays' "$(sed "s/ $eos .*/ $eos/" t0)" cat x
same 'the same bytes for any -j' 'router-capture m --decoder --no-prog --generate 5 <src.trace' \
	'router-capture m --decoder --no-prog --generate 5 -j 3 <src.trace'
printf '@trace v=1 layers=0 experts=0 topk=0\n@tok batch=0 seq=4 phase=0 row0=2 rows=2 cols=tok:u32 bytes=8\n\5\0\0\0\6\0\0\0\n@end frames=1\n' |
	router-capture m --decoder --generate 1 >x.trace
is 'keys that stand for columns become columns' '"seq":[4,4,4,4] "pos":[0,0,0,1] "phase":[0,0,1,1]' sh -c "
	trace2jsonl x.trace | grep -o '\"\(seq\|pos\|phase\)\":[^]]*]' | xargs -d '\n'"
is 'rows are numbered on' 'layer=1 row0=2 layer=3 row0=4 layer=4 row0=4' sh -c "
	trace-heads x.trace | sed -n 's/^@route \(layer=.\).*\(row0=.\).*/\1 \2/p' | xargs"
fails 2 'an encoder alone generates nothing' 'router-capture m --generate 3 <src.trace' '--generate: switch_transformers needs --decoder'

# decoders alone: what is generated continues the sequence
for dir in "$TOP"/t/refs/*/; do
	family=$(basename "$dir")
	[ -f "$dir/target.txt" ] && continue
	prompt=$(tr '\n' ' ' <"$dir/ids.txt" | cut -d' ' -f1-20)
	tok "0 0 $prompt" '1 0 3 9 2' >p.trace
	router-capture "$dir" --generate 6 <p.trace >g.trace
	tok "0 0 $prompt $(tokens 0 1 <g.trace)" >given.trace
	trace-filter --seq 0 g.trace | column logit >x
	router-capture "$dir" <given.trace | column logit >y
	is "$family: the logits are those of the tokens when they are given" 0 apart
	router-capture "$dir" --generate 6 --rows 1 <p.trace | tokens 1 1 >x
	is "$family: pieces generate the same" "$(tokens 1 1 <g.trace)" cat x
	router-capture "$dir" --loss <p.trace | losses >x
	router-capture "$dir" --loss --rows 1 <p.trace | losses >y
	is "$family: and lose the same" '2 0' sh -c "awk '\$1 > 0 { n++ } END { printf \"%d \", n }' x; cmp x y && echo 0"
	trace-filter --seq 0 g.trace | router-capture "$dir" | column logit >x
	router-capture "$dir" <given.trace | column logit >y
	is "$family: a prompt of two phases is one" 0 apart
done

# loss: over all next tokens p sums to 1, and the likeliest is generated
i=0
while [ $i -lt 30 ]; do
	set -- "$@" "$i 0 5 6 7" "$i 1 0 $i"
	i=$((i + 1))
done
tok "$@" >next.trace
router-capture m --decoder --loss <next.trace | losses >loss
is 'p sums to 1' '30 1.0000' awk '{ s += exp(-$1) } END { printf "%d %.4f\n", NR, s }' loss
tok '0 0 5 6 7' | router-capture m --decoder --generate 1 | tokens 0 1 >x
is 'the token of least loss is generated' "0 $(awk 'NR == 1 || $1 < l { l = $1; n = NR - 1 } END { print n }' loss)" cat x
mk z edit='t["shared.weight"][1][:] = [0] * 360'
router-capture z --decoder --loss <in.trace | losses >loss
is 'without weights all are alike: ln 30' '3.4011 3.4011 3.4011' sh -c 'cut -c1-6 loss | xargs'
router-capture m --decoder --loss <many.trace >x
is 'seq frames of the input are kept' 'batch=5 seq=5 tokens=13 dataset=c' sh -c "trace-heads x | sed -n 's/^@seq \(.*\) loss=.*/\1/p' | tail -n 1"
is 'the order of frames, too' 'seq text tok route route route seq' sh -c "trace-heads x | sed -n 's/^@\([a-z]*\).*/\1/p' | sed -n '4,10p' | xargs"
is 'a log has it' 6 sh -c "router-capture m --loss --decoder <many.trace | trace2log | grep -o '\"loss\": [0-9]' | wc -l"
fails 2 'an encoder has no loss' 'router-capture m --loss <in.trace' '--loss: switch_transformers needs --decoder'

# unfinished outputs
for args in 'm --decoder --generate 3 --loss' 'm -z' 'm --no-prog --index'; do
	# shellcheck disable=SC2086
	router-capture $args -o whole.trace <many.trace
	is "no part stays ($args)" '' sh -c 'ls whole.trace.part 2>/dev/null'
	bad=
	size=$(wc -c <whole.trace)
	for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		head -c $((size * i / 20)) whole.trace >f.trace.part
		# shellcheck disable=SC2086
		router-capture $args -o f.trace --resume <many.trace && cmp -s f.trace whole.trace || bad="$bad $i"
		rm -f f.trace
	done
	is "cut anywhere, it becomes the same bytes ($args)" '' echo "$bad"
done
cat many.trace many.trace >two.trace
router-capture m -o whole.trace <two.trace
head -c $(($(wc -c <whole.trace) * 3 / 4)) whole.trace >f.trace.part
is 'in a second section' '' sh -c 'router-capture m -o f.trace --resume <two.trace && cmp f.trace whole.trace'
router-capture m -o whole.trace <many.trace
is '--resume without a part begins' '' sh -c 'rm -f f.trace; router-capture m -o f.trace --resume <many.trace && cmp f.trace whole.trace'
mkfifo fifo
for signal in TERM KILL; do
	router-capture m -o k.trace <fifo 2>err &
	pid=$!
	exec 3>fifo
	head -c $(($(wc -c <many.trace) * 2 / 3)) many.trace >&3
	i=0
	until [ "$(grep -ac '^@route' k.trace.part 2>/dev/null)" -ge 3 ] 2>/dev/null || [ $i -gt 1000 ]; do
		i=$((i + 1))
		sleep 0.02
	done
	kill -$signal $pid
	wait $pid 2>/dev/null
	exec 3>&-
	is "SIG$signal: no file" 0 sh -c 'ls k.trace 2>/dev/null | wc -l'
	fails 2 "SIG$signal: its part is not whole" 'trace-check k.trace.part' 'no @end'
	is "SIG$signal: three batches or more can be had" yes sh -c 'trace-filter --keep-going -q -o had.trace k.trace.part; trace-check had.trace; [ $(trace-heads had.trace | grep -c ^@route) -ge 3 ] && echo yes'
	fails 2 "SIG$signal: nothing begins over it" 'router-capture m -o k.trace <many.trace' 'k.trace.part is there: --resume'
	is "SIG$signal: it becomes what it would have been" '' sh -c '
		router-capture m -o k.trace --resume <many.trace && cmp k.trace whole.trace; ls k.trace.part 2>/dev/null'
	rm -f k.trace
done
head -c 4000 whole.trace >f.trace.part
fails 2 'other options' 'router-capture m --no-logits -o f.trace --resume <many.trace' 'f.trace.part: not of this input and these options'
sed 's/"dataset": "b"/"dataset": "d"/' many.jsonl | jsonl2trace >other.trace
fails 2 'another input' 'router-capture m -o f.trace --resume <other.trace' 'f.trace.part: not of this input'
is 'and it stays as far as it was whole' 'yes 2' sh -c '(cmp f.trace.part whole.trace 2>&1 | grep -q EOF && echo yes; grep -ac ^@route f.trace.part) | xargs'
trace-filter --batch 0 many.trace >short.trace
fails 2 'a shorter input' 'router-capture m -o f.trace --resume <short.trace' 'f.trace.part: not of this input'
router-capture m --no-prog -o np.trace <many.trace
mkdir -p o
mk o/m edit='random.seed(6); t["shared.weight"][1][:] = [round(random.gauss(0, 1) * 32) / 32 for _ in range(360)]'
for what in 'another model:o/m' 'numbers in bf16:m --type bf16' 'no logits:m --no-logits' 'the decoder, too:m --decoder'; do
	head -c 6000 np.trace >f.trace.part
	fails 2 "without a prog line, ${what%:*}" "router-capture ${what#*:} --no-prog -o f.trace --resume <many.trace" 'f.trace.part: not of this input and these options'
done
"$py" -c 'import json
for l in open("many.jsonl"):
    f = json.loads(l)
    if f["kind"] == "tok" and f["batch"] == 1: f["tok"][1] ^= 1
    print(json.dumps(f))' | jsonl2trace >other.trace
head -c 6000 np.trace >f.trace.part
fails 2 'another token of a later batch' 'router-capture m --no-prog -o f.trace --resume <other.trace' 'f.trace.part: not of this input'
echo 'my notes' >f.trace.part
fails 2 'what is no trace' 'router-capture m -o f.trace --resume <many.trace' 'f.trace.part: not a trace, and --resume would write over it'
is 'and it stays' 'my notes' cat f.trace.part
rm -f f.trace.part
fails 2 '--resume goes on with a file' 'router-capture m --resume <many.trace' 'give -o FILE'
rm -f f.trace f.trace.part
fails 2 'a model that is refused' 'router-capture none -o f.trace <many.trace' 'none/config.json'
is 'leaves nothing' '' sh -c 'ls f.trace* 2>/dev/null'
sed 's/"tok": \[4, 11/"tok": [4, 30/' many.jsonl | jsonl2trace >bad.trace
fails 2 'a batch that is refused' 'router-capture m -o f.trace <bad.trace' 'id 30 of token 1 is beyond the vocabulary of 30'
is 'leaves those before it' 'f.trace.part 4' sh -c '(ls f.trace*; grep -ac ^@route f.trace.part) | xargs'
fails 3 'a GPU that is not there' 'router-capture m --gpu=1023 <in.trace' 'GPU'
fails 2 'streamed to no GPU' 'router-capture m --stream-weights <in.trace' 'needs --gpu'
router-capture m --type bf16 <in.trace | column logit >x
router-capture m <in.trace | column logit >y
is 'bf16 is near, and not the same' yes sh -c "paste x y | awk '{ d = (\$1 - \$2) * (\$1 - \$2); s += d; r += \$2 * \$2 } END { print (s > 0 && s < 1e-3 * r ? \"yes\" : s / r) }'"
# positions: 512 of that model
ids() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%d ", 5 + i % 90 }' >ids && tok-encode --ids ids; }
rows() { router-capture "$TOP/examples/tiny-qwen" --no-logits "$@" | trace-heads | sed -n 's/^@tok.* rows=\([0-9]*\).*/\1/p'; }
ids 513 >long.trace
fails 2 'more tokens than positions' "router-capture '$TOP/examples/tiny-qwen' <long.trace" '513 tokens, but the model has 512 positions'
ids 512 | rows >x
ids 510 | rows --generate 9 >>x
is 'as many, and generated up to them' '512 512' xargs <x
# out of memory: weights that do not fit name their file, rows the frame and the shape
if [ -z "${ASAN_OPTIONS:-}" ]; then
	mkdir huge && cp "$TOP/examples/tiny-qwen/config.json" huge
	"$py" -c 'import json, struct
h = json.dumps({"a": {"dtype": "F32", "shape": [1 << 29], "data_offsets": [0, 1 << 31]}}).encode()
h += b" " * (-len(h) % 8)
f = open("huge/model.safetensors", "wb")
f.write(struct.pack("<Q", len(h)) + h)
f.truncate(8 + len(h) + (1 << 31))'
	fails 2 'no memory for weights' 'ulimit -v 1000000; echo 5 6 | tok-encode --ids - | router-capture huge' 'huge/model.safetensors: Cannot allocate memory'
	seq 600000 | awk '{ printf "%d ", $1 % 2000 } END { print "" }' >many.ids
	tok-encode --ids many.ids -o many.trace
	fails 2 'no memory for rows' "ulimit -v 1000000; router-capture '$TOP/examples/tiny-switch' <many.trace" '@tok: tiny-switch: no memory for [0-9]+ x [0-9]+ numbers'
else
	skip_one 'no limit of memory with ASan'
	skip_one 'no limit of memory with ASan'
fi
done_testing
