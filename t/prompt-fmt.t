#!/bin/sh
# prompt-fmt: rules, fields, characters, samples, order, names; what it refuses.
. "${0%/*}/lib.sh"
EX=$TOP/examples
texts() { trace2jsonl | sed -n 's/^{"kind":"text".*"text":"\(.*\)"}$/\1/p'; }
ids() { trace2jsonl | sed -n 's/.*"sample":"\([^"]*\)".*/\1/p'; }
rule() { printf '%s\t*\t%s\t%s\t%s\n' "$@"; }

# the rules that are shipped
grep -v '^#' "$EX/prompts.tsv" | awk -F'\t' '$2 != "*"' >sets
is 'the 62 sets of the guide' 62 sh -c 'cut -f 1,2 sets | sort -u | wc -l'
is 'each once' 62 sh -c 'wc -l <sets'
is 'of 47 names' 47 sh -c 'cut -f 1 sets | sort -u | wc -l'
is 'their 7400 samples' 7400 awk -F'\t' '{ n += $5 } END { print n }' sets
is '100 to 200 of each' '100 150 200' sh -c 'cut -f 5 sets | sort -un | paste -sd" " -'
for d in cnn_dailymail imdb wikitext squad squad_v2 xsum multi_news gigaword billsum newsroom reddit_tifu \
	scientific_papers booksum samsum dialogsum glue super_glue '[*]'; do
	ok "family $d" grep -q "^$d	[*]	" "$EX/prompts.tsv"
done
same 'built in' "prompt-fmt --no-prog $EX/text/*.jsonl" \
	"prompt-fmt --no-prog --rules $EX/prompts.tsv $EX/text/*.jsonl"
ok 'the texts that are shipped are of several domains' test "$(cat "$EX"/text/*.jsonl | wc -l)" -ge 60
is 'all of them become prompts' "$(cat "$EX"/text/*.jsonl | wc -l)" \
	sh -c "prompt-fmt $EX/text/*.jsonl | grep -ac '^@text'"
ok 'below 64 KiB' test "$(cat "$EX"/text/*.jsonl | wc -c)" -le 65536
ok 'a sound stream' sh -c "prompt-fmt $EX/text/*.jsonl | trace-check -"

# fields
cat >x <<'E'
{"q": "Who?", "c": ["A fox", 7, "a hen"], "o": {"t": "deep", "l": [{"t": "x"}, {"t": "y"}]}, "a.b": "dotted", "n": 5, "e": "  "}
E
field() { rule '*' "$1" - 100 >r && prompt-fmt --rules r --min-chars 0 x | texts; }
is 'one' 'Who?' field q
is 'joined' 'Who? A fox a hen' field q+c
is 'one of two' 'Who?' field none+q
is 'an alternative' 'A fox a hen' field e,n,none,c,q
is 'the first of two joins' 'A fox a hen deep' field e+none,c+o.t,q
is 'of each element' 'x y' field o.l.t
is 'a name with a dot' dotted field a.b
field n,e,o >/dev/null 2>&1
fails 2 'no text there' 'prompt-fmt --rules r --min-chars 0 x' 'x: no record has a text in n,e,o$'
{ rule d q ask: 100 && rule '*' q - 100; } >r
is 'prefix' 'ask: Who?' sh -c 'prompt-fmt --rules r --min-chars 0 d=x | trace2jsonl | grep -o "ask:[^\"]*"'

# other formats
read_as() { prompt-fmt --rules r --min-chars 0 --order round-robin "$@" | texts | sort | paste -sd'|' -; }
printf 'n,q\r\n1,"One, ""two""\n\nthree"\r\n\r\n2,plain\r\n3,\r\n4,""\r\n' >x.csv
is 'CSV' 'One, \"two\"\n\nthree|plain' read_as x.csv
printf '\357\273\277q,n\nfirst,2' >bom.csv
is 'CSV with a mark and no last LF' 'first' read_as bom.csv
printf 'n\tq\tz\n\t"so, it is\t\n1\ttwo\n' >x.tsv
is 'TSV has no quotes, and empty cells' '\"so, it is|two' read_as x.tsv
printf 'one line\n\n  another  \n' >x.txt
is 'lines' 'another|one line' read_as x.txt
is 'a line is all fields, once' 'another|one line' sh -c \
	'prompt-fmt --format lines --min-chars 1 squad=x.txt | trace2jsonl | grep -o "answer: [^\"]*" | cut -c 9- | sort | paste -sd"|" -'
is 'empty lines count' 'x/default/train/0 x/default/train/2' sh -c \
	'prompt-fmt --min-chars 1 x.txt | trace2jsonl | grep -o "x/default[^\"]*" | sort | paste -sd" " -'
same 'standard input' 'prompt-fmt --no-prog --rules r --min-chars 0 d=x | trace2jsonl' \
	'prompt-fmt --no-prog --rules r --min-chars 0 d=- <x | trace2jsonl'

# characters
rule '*' text - 100 >r
printf '{"text": "\\u3000 \\u00e4\\u20ac\\ud83d\\ude00bc \\n"}\n' >u.jsonl
chars() { prompt-fmt --rules r "$@" u.jsonl | texts; }
is 'cut at code points' 'ä€😀' chars --min-chars 1 --max-chars 3
is 'white space goes first' 'ä€😀bc' chars --min-chars 5 --max-chars 5
is 'never cut' 'ä€😀bc' chars --min-chars 5 --max-chars 0
fails 2 'too short' 'prompt-fmt --rules r -q --min-chars 6 u.jsonl' 'no prompts: u.jsonl: all texts are too short'
i=0
while [ $i -lt 1000 ]; do
	echo "{\"text\": \"this is text number $i of them all\"}"
	i=$((i + 1))
done >many.jsonl
head -n 30 many.jsonl >few.jsonl
awk 'BEGIN { for (i = 0; i < 700; i++) printf "%s", "\303\244" }' >long.txt
is '600 by default' 600 sh -c 'prompt-fmt --rules r long.txt | trace2jsonl | grep -o ä | wc -l'

# samples
count() { prompt-fmt --rules r -q "$@" | ids | cut -d/ -f 1 | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd' ' -; }
is 'by the rule' 'few=30 many=100' count many.jsonl few.jsonl
is 'by option' 'few=20 many=20' count --samples-per-set 20 many.jsonl few.jsonl
is 'shared, the rest goes to who has' 'few=30 many=170' count --samples 200 few.jsonl many.jsonl
is 'evenly' 'few=20 many=20' count --samples 40 few.jsonl many.jsonl
is 'the first have one more' 'a=14 few=13 many=14' count --samples 41 many.jsonl a=many.jsonl few.jsonl
is 'no more than there are' 'few=30' count --samples 200 few.jsonl
is 'both limits' 'few=10 many=10' count --samples 200 --samples-per-set 10 few.jsonl many.jsonl
prompt-fmt --rules r many.jsonl few.jsonl | ids | grep ^many | sort >a
prompt-fmt --rules r --order round-robin many.jsonl | ids | sort >b
ok 'other files change nothing' cmp a b
prompt-fmt --rules r --samples-per-set 50 many.jsonl | ids | sort >b
is 'a smaller sample is part of it' 50 sh -c 'comm -12 a b | wc -l'
prompt-fmt --rules r -s 2 many.jsonl | ids | sort >b
ok 'another seed, another sample' sh -c 'test "$(comm -12 a b | wc -l)" -lt 40'
is 'no prompt twice' 100 sh -c 'uniq a | wc -l'
s=1
while [ $s -le 20 ]; do
	prompt-fmt --rules r -s $s --samples-per-set 50 many.jsonl | ids
	s=$((s + 1))
done | cut -d/ -f 4 >drawn
# 1000 draws of 0..999: the mean is 499.5, its deviation about 9
ok 'from all of it' awk '{ n++; s += $1 } END { exit !(n == 1000 && s / n > 455 && s / n < 545) }' drawn

# batches
is '--batch: so many prompts each, seq counts on' '0:0 0:1 0:2 1:3 1:4' sh -c 'prompt-fmt --rules r --order round-robin --samples 5 --batch 3 many.jsonl | trace-heads | sed -n "s/^@text batch=\([0-9]*\) seq=\([0-9]*\).*/\1:\2/p" | xargs'
same 'the same prompts' 'prompt-fmt --rules r --samples 5 --batch 3 many.jsonl | texts' 'prompt-fmt --rules r --samples 5 many.jsonl | texts'
# order
robin() { prompt-fmt --rules r --order round-robin --samples-per-set 3 "$@" | ids | cut -d/ -f 1 | paste -sd' ' -; }
is 'round robin' 'few many few many few many' robin few.jsonl many.jsonl
prompt-fmt --rules r --samples 60 few.jsonl many.jsonl | ids >b
ok 'shuffle mixes' sh -c 'head -n 30 b | grep -q few && head -n 30 b | grep -q many'
ok 'and is the same sample' sh -c \
	'prompt-fmt --rules r --order round-robin --samples 60 few.jsonl many.jsonl | trace2jsonl | grep -o "[a-z]*/default[^\"]*" | sort >c; sort b | cmp - c'
is 'told by the header' 'prompts=round-robin prompts_seed=7' sh -c \
	'prompt-fmt --rules r --order round-robin -s 7 few.jsonl | head -n 1 | grep -ao "prompts=.*=7"'
same 'same bytes' 'prompt-fmt --rules r many.jsonl few.jsonl' 'prompt-fmt --rules r many.jsonl few.jsonl'

# names
named() { prompt-fmt --rules r --samples-per-set 1 "$@" | trace2jsonl | sed -n 's/.*"dataset":"\([^"]*\)".*"sample":"\(.*\)\/[0-9]*"}/\1 \2/p'; }
is 'of a set' 'glue/cola glue/cola/train' named glue:cola=few.jsonl
is 'of a split' 'org/set org/set/default/test' named org/set::test=few.jsonl
cp few.jsonl glue--cola--validation.jsonl
is 'of a file' 'glue/cola glue/cola/validation' named ./glue--cola--validation.jsonl
is 'by its rule' 1 sh -c 'printf "{\"sentence\": \"The book was written by John.\"}" | prompt-fmt glue:cola=- | grep -ac "^classify: The"'
ok 'numbers count up' sh -c \
	'prompt-fmt --rules r few.jsonl | trace2jsonl | grep -c "\"batch\":29,\"seq\":29" | grep -qx 2'

# what is refused
bad() { printf "$1" >bad.$2 && shift 2 && prompt-fmt --rules r bad.*; rc=$?; rm -f bad.*; return $rc; }
fails 2 'no JSON' 'bad "{\"text\": \"a\"}\n{\"text\": \n" jsonl' 'bad.jsonl:2:'
fails 2 'no object' 'bad "[1]\n" jsonl' 'bad.jsonl:1: no JSON object'
fails 2 'an open quote' 'bad "text\n1\n\"a\nb\n" csv' 'bad.csv:3: a quote that is not closed'
fails 2 'a quote inside' 'bad "text\na\"b\"\n" csv' 'bad.csv:2: a quote that is out of place'
fails 2 'behind a quote' 'bad "text\n\"b\"c\n" csv' 'bad.csv:2: a quote that is out of place'
fails 2 'too many cells' 'bad "text\na,b\n" csv' 'bad.csv:2: 2 cells, but 1 columns'
fails 2 'no UTF-8' 'bad "text\n\377\376\n" csv' 'bad.csv: row 0: no UTF-8'
fails 2 'a surrogate' 'bad "text\n\355\240\200\n" csv' 'no UTF-8'
fails 2 'a long record' 'prompt-fmt --rules r --max-record 300 long.txt' 'long.txt:1: a record of more than 300 bytes'
fails 2 'not there' 'prompt-fmt none.jsonl' 'none.jsonl: No such file'
fails 2 'twice the same' 'prompt-fmt few.jsonl ./few.jsonl' 'few/default/train twice'
fails 2 'no name' 'prompt-fmt =few.jsonl' 'no name of a set'
fails 2 'too much of a name' 'prompt-fmt a:b:c:d=few.jsonl' 'no name of a set'
fails 2 'Parquet' 'prompt-fmt x.parquet' 'duckdb'
fails 2 'cut below what is wanted' 'prompt-fmt --max-chars 5 few.jsonl' 'below --min-chars'
: >empty.jsonl
fails 0 'a set without records is told' 'prompt-fmt few.jsonl empty.jsonl -o y' 'empty.jsonl: no records'
fails 2 'nothing at all' 'prompt-fmt empty.jsonl e=empty.jsonl' 'no prompts: empty.jsonl: no records'
mkdir d && cp few.jsonl d/a=b.jsonl
is 'a path with =' 'a=b a=b/default/train' named d/a=b.jsonl
rules() { printf "$1" >bad.tsv && prompt-fmt --rules bad.tsv few.jsonl; }
fails 2 'rules: cells' 'rules "# a\na\t*\ttext\t-\n"' 'bad.tsv:2: fewer than 5 cells'
fails 2 'rules: more cells' 'rules "a\t*\ttext\t-\t3\t4\n"' 'bad.tsv:1: more than 5'
fails 2 'rules: empty' 'rules "a\t\ttext\t-\t3\n"' 'bad.tsv:1: an empty cell'
fails 2 'rules: fields' 'rules "a\t*\ttext,\t-\t3\n"' 'fields without a name'
fails 2 'rules: number' 'rules "a\t*\ttext\t-\tx\n"' 'samples is no number'
fails 2 'rules: none' 'rules "# none\n"' 'no rules'
fails 2 'rules: not this set' 'rules "a\t*\ttext\t-\t3\n"' 'bad.tsv: no rule for few'
fails 2 'full' 'prompt-fmt few.jsonl >/dev/full'
fails 2 'plain lines from a pipe' 'echo a line | prompt-fmt' 'no JSON Lines: --format'
done_testing
