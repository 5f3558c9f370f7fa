#!/bin/sh
# tok-decode: decoders, phases, special tokens; what is refused.  t/tok-encode.t has those of the library.
. "${0%/*}/lib.sh"
# tokenizer DECODER PIECE...: e.json; id 1 is special
tokenizer() {
	decoder=$1 && shift
	printf '%s\n' "$@" | awk -v d="$decoder" '{ v = v (NR > 1 ? ", " : "") "[\"" $0 "\", 0]" }
		END { printf "{\"added_tokens\": [{\"id\": 1, \"content\": \"</s>\", \"special\": true}], \"decoder\": %s,\n\"model\": {\"type\": \"Unigram\", \"vocab\": [%s]}}\n", d, v }' >e.json
}
of() { # IDS OPTION...: SEQ:TEXT
	echo "$1" | tok-encode --ids - --decoder 0 >i.trace && shift
	tok-decode -m e.json "$@" i.trace | trace2jsonl | sed -n 's/^{"kind":"text".*"seq":\([0-9]*\),"text":"\(.*\)"}$/\1:\2/p' | paste -sd' ' -
}
M='{"type": "Metaspace", "replacement": "_"'
tokenizer "$M}" _a '</s>' b _ __c
is 'Metaspace: blanks of the first token go' '0:a ab  c b' of '0 0 2 4 3 2' --phase 0
is 'special tokens go' '0:ab' of '0 1 2' --phase 0
is 'or stay' '0:a</s>b' of '0 1 2' --phase 0 --special
is 'phase 1 alone' '0:a a' of '0 1 2' --phase 1
is 'both' '0:a</s>b a a</s>' of '0 1 2' --special
tokenizer "$M, \"prepend_scheme\": \"never\"}" _a '</s>'
is 'Metaspace without a blank before' '0: a a' of '0 0' --phase 0
tokenizer null x '</s>' y
is 'no decoder: blanks between' '0:x y x' of '0 2 0' --phase 0
tokenizer '{"type": "ByteLevel"}' Ġa '</s>' Ã ¤ €Ġ
is 'ByteLevel: bytes' '0: aä€Ġ' of '0 2 3 4' --phase 0
is 'that are no character' '0: a�� a' of '0 2 2 0' --phase 0
tokenizer '{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}' \
	_a '</s>' '<0xC3>' '<0xA4>' _
is 'Sequence, Replace, ByteFallback, Strip' '0:aä  a' of '0 2 3 4 0' --phase 0
is 'a byte for each that is no character' '0:a�� a�' of '0 2 2 0 3' --phase 0
printf '0\n\n0 2 3\n' | tok-encode --ids - >i.trace
is 'frames of each sequence' '0:a 2:aä' sh -c "tok-decode -m e.json i.trace | trace2jsonl | sed -n 's/^{\"kind\":\"text\".*\"seq\":\([0-9]*\),\"text\":\"\(.*\)\"}/\1:\2/p' | xargs"
is 'a sound stream' 0 sh -c 'tok-decode -m e.json i.trace | trace-check -q -; echo $?'
cat >r.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":4,"topk":1}
{"kind":"seq","batch":0,"seq":0,"dataset":"d"}
{"kind":"text","batch":0,"seq":0,"text":"old"}
{"kind":"tok","batch":0,"rows":2,"cols":"tok:u32","tok":[0,2]}
{"kind":"route","layer":0,"batch":0,"rows":2,"cols":"ids:u8","ids":[1,2]}
{"kind":"end","frames":4}
E
is 'other frames stay, routes and texts do not' 'trace seq text end' sh -c \
	'jsonl2trace r.jsonl | tok-decode -m e.json | trace-heads | sed "s/^@//; s/ .*//" | grep -v prog | xargs'
is 'a frame without seq is one sequence' 1 sh -c 'jsonl2trace r.jsonl | tok-decode -m e.json | trace2jsonl | grep -c "\"seq\":0,\"text\":\"a"'

# what is refused
tokenizer '{"type": "Metaspace"}' a '</s>'
fails 2 'a part that is missing' 'tok-decode -m e.json i.trace' 'e.json:1:.*not a string'
tokenizer '{"type": "CTC"}' a '</s>'
fails 2 'a decoder' 'tok-decode -m e.json i.trace' 'decoder "CTC" is not known'
tokenizer '{"type": "Replace", "pattern": {"Regex": "a"}, "content": ""}' a '</s>'
fails 2 'a pattern' 'tok-decode -m e.json i.trace' 'decoder Replace without a String'
tokenizer null a '</s>' b
fails 2 'an id without a token' 'tok-decode -m e.json i.trace' '@tok: id 3 of sequence 2: no token of e.json'
fails 2 'no tokenizer' 'tok-decode i.trace' 'no -m'
fails 2 'no such file' 'tok-decode -m none i.trace' 'none: No such file'
fails 2 'no tokens' 'trace-gen --layers 1 --rows 4 | tok-decode -m e.json' 'no tok frame'
fails 2 'full' 'echo 0 2 | tok-encode --ids - | tok-decode -m e.json >/dev/full' 'No space'
fails 2 'a trace that was cut' 'head -c 200 i.trace | tok-decode -m e.json'
done_testing
