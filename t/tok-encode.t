#!/bin/sh
# tok-encode and tok-decode: the ids and texts of the Tokenizers library; frames; what is refused.
. "${0%/*}/lib.sh"
tok-encode -h | grep -q -- --ids || skip 'no tok-encode'
# the ids of a sequence a line
ids() { tok-encode "$@" | rows; }
rows() {
	trace2jsonl | sed -n 's/^{"kind":"tok".*"tok":\[\([0-9,]*\)\],"seq":\[\([0-9,]*\)\].*/\1 \2/p' | awk '{
		k = split($1, t, ","); split($2, s, ",")
		for (i = 1; i <= k; i++) { a[s[i]] = a[s[i]] (a[s[i]] == "" ? "" : " ") t[i]; if (s[i] > n) n = s[i] + 0 } }
		END { for (i = 0; i <= n; i++) print a[i] }'
}
of() { # TEXT ARGUMENTS...: ids of a line
	printf '%s\n' "$1" >line && shift && ids --lines "$@" line
}

# a tokenizer of a few pieces; each edit makes another
cat >uni.json <<'E'
{"added_tokens": [{"id": 5, "content": "<x>", "special": true, "lstrip": true},
{"id": 1, "content": "</s>", "special": true}],
"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "_"},
"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
{"SpecialToken": {"id": "</s>", "type_id": 0}}], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
"decoder": {"type": "Metaspace", "replacement": "_"},
"model": {"type": "Unigram", "unk_id": 0,
"vocab": [["<unk>", -50], ["</s>", 0], ["_a", -1], ["_", -2], ["b", -3]]}}
E
cat >bpe.json <<'E'
{"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
"post_processor": null, "decoder": {"type": "ByteLevel"},
"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "aba": 5, "Ã": 6, "¤": 7}, "merges": ["a b", ["Ġ", "ab"], "ab a"]}}
E
edit() { sed "$2" "$1" >e.json; }
printf 'a ab\n\nba<x> zz  \nab abab aä\n' >x.txt
is 'Unigram' '2 3 3 4 1' of 'a  b' -m uni.json
ids --lines -m uni.json x.txt >got
is 'lines, added tokens, unknown characters' '2 2 4 1||3 4 0 5 3 0 3 3 1|2 4 2 4 0 4 2 0 1' sh -c 'paste -sd"|" got'
is 'BPE: merges by rank, then from the left' 5 of aba -m bpe.json
is 'a character without a token is left out' '3 4 5 7' of 'ab abcaba¤' -m bpe.json
edit bpe.json 's/"Ġab": 4/"Ġab": 4, "abab": 8/; s/"merges"/"ignore_merges": true, "merges"/'
is 'ignore_merges' 8 of abab -m e.json
edit uni.json 's/"normalizer": null/"normalizer": {"type": "NFC"}/; s/"b", -3/"\xe1\x86\xa7", -3/'
is 'U+11A7 is no part of a Hangul syllable' '3 0 4 4 0 4 1' of "$(printf '\352\260\270\341\206\247\341\206\247\341\204\200\341\205\241\341\206\247')" -m e.json
is 'tokens that are put around stay' '2 2 1' of 'a a a a' -m uni.json --max-tokens 3
is '256 by default' 256 sh -c 'yes a | head -n 400 | xargs | tok-encode --lines -m uni.json -t | sed 1d | wc -l'
is 'or all' 401 sh -c 'yes a | head -n 400 | xargs | tok-encode --lines -m uni.json --max-tokens 0 -t | sed 1d | wc -l'
back() { printf '%s\n' "$1" | tok-encode --lines -m uni.json | tok-decode -m uni.json $2 | trace2jsonl | sed -n 's/.*"text":"\(.*\)"}/\1/p'; }
is 'and back' 'a b' back 'a b<x>' ''
is 'with special tokens' 'a b<x></s>' back 'a b<x>' --special

# frames
cat >p.jsonl <<'E'
{"kind":"trace","v":1,"layers":0,"experts":0,"topk":0}
{"kind":"seq","batch":3,"seq":7,"dataset":"d"}
{"kind":"text","batch":3,"seq":7,"text":"a b"}
{"kind":"seq","batch":3,"seq":4,"dataset":"e"}
{"kind":"text","batch":3,"seq":4,"text":"b"}
{"kind":"note","text":"between"}
{"kind":"text","batch":9,"seq":1,"text":"a"}
{"kind":"end","frames":6}
E
jsonl2trace p.jsonl | trace-filter --no-prog >p.trace
is 'a batch is one frame, behind what is known of it' 'trace seq 3 seq 3 tok 3 note tok 9 end' sh -c "
	cat p.trace | tok-encode -m uni.json --no-prog | trace-heads | sed 's/^@//; /^prog/d; s/ .*batch=\([0-9]*\).*/ \1/; s/ [^ ]*=.*//' | xargs"
is 'its rows' '"tok":[2,3,4,1,3,4,1],"seq":[7,7,7,7,4,4,4],"pos":[0,1,2,3,0,1,2],"phase":[0,0,0,0,0,0,0]}' sh -c \
	'tok-encode -m uni.json p.trace | trace2jsonl | grep -o "\"tok\":.*" | head -n 1'
is '--decoder' '"tok":[3,4,1,9,3,4],"seq":[4,4,4,4,4,4],"pos":[0,1,2,0,1,2],"phase":[0,0,0,1,1,1]}' sh -c \
	"sed '2,3d; s/:6}/:4}/' p.jsonl | jsonl2trace | tok-encode -m uni.json --decoder 9 | trace2jsonl | grep -o '\"tok\":.*' | head -n 1"
is 'the trace line names the tokenizer' 'tokenizer=uni.json' sh -c 'tok-encode -m ./uni.json p.trace | trace-heads | grep -o "tokenizer=[^ ]*"'
cat p.trace p.trace >two.trace
is 'sections stay apart' '3 9 3 9' sh -c 'tok-encode -m uni.json two.trace | trace-heads | sed -n "s/^@tok batch=\([0-9]*\).*/\1/p" | xargs'
is 'and phases' 1 sh -c "echo 2 4 | tok-encode --ids - --decoder 3 | tok-decode -m uni.json --phase 1 | trace2jsonl | grep -c '\"text\":\" a\"\|\"text\":\"a\"'"
is 'a sound stream' 0 sh -c 'prompt-fmt "$1"/examples/text/*.jsonl | tok-encode -m uni.json | trace-check -q -; echo $?' - "$TOP"
prompt-fmt "$TOP"/examples/text/*.jsonl >q.trace
i=0
while [ $i -lt 40 ]; do cat q.trace; i=$((i + 1)); done >many.trace
same 'the same bytes for any -j' 'tok-encode --no-prog -m uni.json many.trace' 'tok-encode --no-prog -m uni.json -j 3 many.trace'
ok 'a broken pipe is silent' sh -c 'tok-encode -m uni.json many.trace | head -n 1 >/dev/null'

# ids
printf '1 2\t3 \r\n\n 4' >some.ids
ids --ids some.ids >got
is '--ids' '1 2 3||4' paste -sd'|' got
fails 2 'not an id' 'printf "1\n2 x 3\n" | tok-encode --ids -' 'standard input:2:3: not an id'
fails 2 'too great an id' 'echo 4294967295 | tok-encode --ids -' ':1:1: not an id'
fails 2 'no ids' 'tok-encode --ids /dev/null' 'no text'
printf '7 1\n\n7 4 4\n' >target.ids
is '--target: rows of phase 1' '1:0 2:0 3:0 7:1 1:1|4:0 7:1 4:1 4:1' sh -c "tok-encode --ids some.ids --target target.ids | trace2jsonl | jq -r 'select(.kind == \"tok\") | [.tok, .phase] | transpose | map(\"\\(.[0]):\\(.[1])\") | join(\" \")' | paste -sd'|'"
fails 2 '--target: fewer lines' 'echo 1 | tok-encode --ids some.ids --target -' 'standard input ends before line 2 of some.ids'
fails 2 '--target: more' 'printf "1\n2\n3\n4\n" | tok-encode --ids some.ids --target -' 'some.ids ends before line 4'
fails 2 '--target alone' 'tok-encode -m uni.json --target some.ids x.txt' 'of --ids'
fails 2 '--target and --decoder' 'tok-encode --ids some.ids --target target.ids --decoder 0' 'without --decoder'
fails 2 '--ids and a tokenizer' 'tok-encode --ids x.txt -m uni.json' '--ids takes no tokenizer'
S=$DATA/switch-tiny
if [ -d "$S" ]; then
	is 'what router-capture reads' 200 sh -c "tok-encode --ids '$S/ids-200.txt' | router-capture '$S' --capacity 4 | trace2jsonl | sed -n 's/.*\"layer\":1,.*\"rows\":\([0-9]*\).*/\1/p'"
	np=$(for p in python3 /usr/bin/python3; do "$p" -c 'import numpy' 2>/dev/null && echo "$p" && break; done)
	for c in '200 4 zero enc-200-cap4-zero' '200 4 residual enc-200-cap4-residual' '40 64 zero enc-40-cap64' '40 64 zero dec-16-cap64'; do
		# shellcheck disable=SC2086
		set -- $c
		case $4 in
		dec*) also="--target $S/ids-dec-16.txt" run='--decoder -l 5,7' ;;
		*) also='' run='-l 1,3' ;;
		esac
		# shellcheck disable=SC2086
		tok-encode --ids "$S/ids-$1.txt" $also | router-capture "$S" --capacity "$2" --dropped "$3" $run | trace2npz -o got.npz
		is "$4: within 1e-5 of the greatest" near "$np" -c "
import numpy as np
want = np.load('$S/$4.npy')
got = np.load('got.npz')['logit'].transpose(1, 0, 2)
got = got[:, ~np.isnan(got).any(axis=(0, 2))]
print('near' if got.shape == want.shape and abs(got - want).max() <= 1e-5 * abs(want).max() else 'far')"
	done
	is 'its decoder, too' 'layer=5 layer=7' sh -c "tok-encode --ids '$S/ids-40.txt' --decoder 0 | router-capture '$S' --decoder -l 5,7 | trace-heads | grep -o 'layer=[0-9]*' | xargs"
else
	for i in 1 2 3 4; do skip_one 'no shipped checkpoint here'; done
	skip_one 'no shipped checkpoint here'
	skip_one 'no shipped checkpoint here'
fi

# what is refused, by its name
refused() { # DESCRIPTION FILE SED REGEX
	edit "$2" "$3"
	fails 2 "$1" 'tok-encode --lines -m e.json x.txt' "$4"
}
refused 'a normalizer' uni.json 's/"normalizer": null/"normalizer": {"type": "Lowercase"}/' 'e.json:3:15: normalizer "Lowercase" is not known'
refused 'one in a sequence' uni.json 's/"normalizer": null/"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}/' 'normalizer "Nmt"'
refused 'a pre-tokenizer' bpe.json 's/"ByteLevel", "add/"UnicodeScripts", "add/' 'pre_tokenizer "UnicodeScripts" is not known'
refused 'a post-processor' uni.json 's/"TemplateProcessing"/"Other"/' 'post_processor "Other" is not known'
refused 'a model' uni.json 's/"Unigram"/"WordPiece"/' 'model "WordPiece" is not known'
refused 'a part of BPE' bpe.json 's/"BPE"/"BPE", "end_of_word_suffix": "<\/w>"/' 'end_of_word_suffix of BPE is not known'
refused 'dropout' bpe.json 's/"BPE"/"BPE", "dropout": 0.1/' 'dropout of BPE is not known'
refused 'ByteLevel before another' bpe.json 's/{"type": "ByteLevel", .*},/{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]},/' 'a pre-tokenizer behind ByteLevel'
P='"pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "RE"}},'
for re in '\\\\w+' '[^\\\\W]|x' '[[:alpha:]]' 'a\\\\b'; do
	refused "pattern $re" bpe.json "s/\"pre_tokenizer.*/$(echo "$P" | sed "s/RE/$re/; s/\\\\/\\\\\\\\/g")/" 'is not known'
done
refused 'a pattern that is none' bpe.json "s/\"pre_tokenizer.*/$(echo "$P" | sed 's/RE/(ab/')/" 'e.json:.*pattern "\(ab":? |takes PCRE2'
refused 'a behavior' bpe.json "s/\"pre_tokenizer.*/$(echo "$P" | sed 's/Isolated/Odd/')/" 'a behavior that is not known'
refused 'a map that is none' uni.json 's/"normalizer": null/"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}/' 'not a map of SentencePiece'
refused 'a merge of nothing' bpe.json 's/"a b"/"a c"/' 'a merge of what is not in the vocab'
refused 'an unknown token that is not there' bpe.json 's/"BPE"/"BPE", "unk_token": "q"/' 'unk_token is not in the vocab'
refused 'unk_id' uni.json 's/"unk_id": 0/"unk_id": 7/' 'unk_id is not an id'
refused 'a template' uni.json 's/"ids": \[1\]/"ids": ["x"]/' 'not an id'
refused 'no model' uni.json 's/"model"/"modle"/' 'it has no model'
refused 'no JSON' uni.json 's/"decoder"/decoder/' 'e.json:6:1'
refused 'no token for a character' uni.json 's/"unk_id": 0,//' 'line 3: a character without a token'
sed 's/"text":"b"/"text":"z"/' p.jsonl | jsonl2trace >z.trace
fails 2 'a frame' 'tok-encode -m e.json z.trace' 'z.trace: frame 5 at byte .*: @text: a character without'
n=$(wc -c <uni.json) k=1 bad=
while [ $k -lt "$n" ]; do
	head -c $k uni.json >cut.json
	tok-encode --lines -m cut.json x.txt >/dev/null 2>err
	[ $? -eq 2 ] && [ "$(wc -l <err)" -eq 1 ] || bad="$bad $k"
	k=$((k + 37))
done
is 'a file that was cut' '' echo "$bad"
fails 2 'no file' 'tok-encode --lines -m none x.txt' 'none: No such file'
mkdir empty
fails 2 'a folder without one' 'tok-encode --lines -m empty/ x.txt' 'empty/tokenizer.json: No such file'
fails 2 'no tokenizer' 'tok-encode p.trace' 'no -m'
printf 'a\nb\377\n' >bad.txt
fails 2 'no UTF-8' 'tok-encode --lines -m uni.json bad.txt' 'line 2: no UTF-8'
fails 2 'a text for a trace' 'tok-encode -m uni.json x.txt' 'text, not a trace|not a trace'
fails 2 'tokens' 'tok-encode -m uni.json p.trace | tok-encode -m uni.json' '@tok: the input has tokens already'
fails 2 'no texts' "tok-encode -m uni.json '$TOP/examples/small.trace'" 'no text frame'
fails 2 'a cut too short' 'tok-encode --lines --max-tokens 1 -m uni.json x.txt' '1 are put around'
fails 2 'full' 'tok-encode -m uni.json p.trace >/dev/full' 'No space'
fails 2 'a trace that was cut' 'head -c 300 p.trace | tok-encode -m uni.json'
edit uni.json 's/"decoder": {"type": "Metaspace"/"decoder": {"type": "CTC"/'
fails 2 'a decoder' 'tok-encode -m uni.json p.trace | tok-decode -m e.json' 'e.json:6:12: decoder "CTC" is not known'
ok 'which encoding does not mind' tok-encode --lines -m e.json x.txt -o y
fails 2 'an id without a token' 'echo 6 | tok-encode --ids - | tok-decode -m uni.json' '@tok: id 6 of sequence 0: no token of uni.json'
fails 2 'decoding: no tokenizer' 'tok-decode p.trace' 'no -m'

# what the library makes of the same
py=
for p in "$BUILD/venv/bin/python3" "$TOP/build/venv/bin/python3" python3 /usr/bin/python3; do
	[ -n "$py" ] || ! "$p" -c 'import tokenizers; tokenizers.Tokenizer' 2>/dev/null || py=$p
done
if [ -z "$py" ]; then
	skip_one 'no python3 with tokenizers'
	done_testing
	exit
fi
ok 'tokenizers are trained' "$py" "$TOP/t/mktokens.py" hf
jsonl2trace hf/multi.jsonl >multi.trace
for dir in hf/*/; do
	dir=${dir%/} name=$(basename "$dir")
	ids --lines -m "$dir" --max-tokens 0 hf/lines.txt >got
	is "$name: ids of $(wc -l <hf/lines.txt) texts" '' cmp "$dir.ids" got
	ids -m "$dir" --max-tokens 0 multi.trace >got
	is "$name: of texts with line ends" '' cmp "$dir.multi" got
	ids --lines -m "$dir" --max-tokens 7 hf/lines.txt >got
	is "$name: cut at 7" '' cmp "$dir.cut" got
	for how in plain special; do
		[ $how = plain ] && set -- || set -- --special
		tok-encode --lines -m "$dir" --max-tokens 0 hf/lines.txt | tok-decode -m "$dir" "$@" | trace2jsonl >got
		is "$name: texts, $how" '' "$py" -c '
import json, sys
want = [json.loads(l) for l in open(sys.argv[1])]
got = [""] * len(want)
for f in map(json.loads, open("got")):
    if f["kind"] == "text": got[f["seq"]] = f.get("text", "")
for a, b in zip(got, want):
    if a != b: print(repr(a)[:200], repr(b)[:200])' "$dir.$how"
	done
done
done_testing
