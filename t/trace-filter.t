#!/bin/sh
# trace-filter: rows and frames selected, all others as they were.
. "${0%/*}/lib.sh"

zeros() { head -c "$1" /dev/zero; }
small() { # two sequences of two tokens, two layers
	printf '@trace v=1 layers=2 experts=4 topk=2 order=batch,layer\n'
	printf '@seq batch=0 seq=0 dataset=x\n@seq batch=0 seq=1 dataset=y\n'
	printf '@tok batch=0 rows=4 cols=seq:u8,pos:u8,phase:u8 bytes=132\n'
	printf '\0\0\1\1' && zeros 60 && printf '\0\1\0\1' && zeros 60 && printf '\0\1\0\1\n'
	printf '@route batch=0 layer=0 rows=4 cols=ids:u8:2,acme.q:u24 bytes=76\n'
	printf '\0\1\1\2\2\3\3\0' && zeros 56 && printf 'aaabbbcccddd\n'
	printf '@route batch=0 layer=1 rows=4 cols=ids:u8:2 bytes=8\n\0\2\2\377\1\3\0\0\n'
	printf '@odd a=1 batch=0\n@end frames=6\n'
}
small >small.trace
trace-gen --tokens --layers 3 --batches 4 --rows 100 --experts 8 -k 2 -s 5 -o a.trace
# the rows that each layer of a trace on stdin has, from its text
numbers() {
	trace-filter --drop acme.q,w -t | awk '
		/^#/ { for (i in at) delete at[i]; for (i = 2; i <= NF; i++) at[$i] = i - 1; next }
		"ids" in at { s[$at["layer"]] = s[$at["layer"]] " " $at["row"] }
		END { for (l = 0; l < 3; l++) if (l in s) print l ":" s[l] }'
}
rows() {
	trace-filter "$@" small.trace | numbers | tr '\n' ' '
}

same 'nothing asked: the bytes as they came' 'trace-filter --no-prog a.trace' 'cat a.trace'
is 'a layer' '1:layers=1 map=1 ' sh -c "trace-filter --no-prog -l 1 small.trace | sed -n '1s/.*\(layers=1\).*\(map=1\).*/1:\1 \2 /p'"
is 'no other layer is left' 1 sh -c 'trace-filter -l 1 small.trace | grep -ac "^@route"'
is 'unknown frames stay' 1 sh -c 'trace-filter -l 1 small.trace | grep -ac "^@odd"'
is 'rows of unknown columns too' 'bbbddd' sh -c 'trace-filter --row 1,3 -l 0 small.trace | grep -ao "bbbddd"'
is 'row' '0: 1 3 1: 1 3 ' rows --row 1,3
is 'head' '0: 0 1 2 1: 0 1 2 ' rows --head 3
is 'every' '0: 0 2 1: 0 2 ' rows --every 2
is 'pos' '0: 1 3 1: 1 3 ' rows --pos 1
is 'seq' '0: 2 3 1: 2 3 ' rows --seq 1
is 'dataset' '0: 0 1 1: 0 1 ' rows --dataset x
is 'phase' '0: 0 2 1: 0 2 ' rows --phase prefill
is 'both' '0: 3 1: 3 ' rows --phase decode --dataset y
is 'expert' '0: 0 3 1: 0 3 ' rows --expert 0
is 'expert, any of two' '0: 0 1 2 3 1: 0 1 3 ' rows --expert 0,2
is 'expert, all of two' '0: 2 ' rows --expert-all 2,3
is 'an id that repeats is one expert' '0: 0 ' rows --expert-all 0,1
is 'sequences left out lose their @seq' 1 sh -c 'trace-filter --dataset y small.trace | grep -ac "^@seq"'
is 'numbers stand in column row' 2 sh -c 'trace-filter --row 1,3 small.trace | grep -ac "^@route.*row:u32"'
is 'a column dropped' 0 sh -c 'trace-filter --no-prog --drop acme.q small.trace | grep -ac acme'
is 'a batch' 3 sh -c 'trace-filter -b 2 a.trace | grep -ac "^@route batch=2 "'
is 'and no other' 3 sh -c 'trace-filter -b 2 a.trace | grep -ac "^@route "'

for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --tokens --layers 2 --batches 2 --rows 60 --experts 8 -k 2 -s $s -o g
	set -- "--sample 0.5 -s $s" "--expert $((s % 8)),1" '--every 3' "--row 3-$((s + 20))" '-l 1'
	for a; do
		for b; do
			# shellcheck disable=SC2086
			trace-filter --no-prog $a g | trace-filter --no-prog $b >ab
			# shellcheck disable=SC2086
			trace-filter --no-prog $b g | trace-filter --no-prog $a >ba
			cmp ab ba || echo "$a | $b, seed $s"
		done
	done
done >bad 2>&1
is 'A | B = B | A, 20 seeds' '' cat bad
trace-filter --sample 0.3 a.trace | numbers >drawn
is 'the same rows are drawn in all layers' 1 sh -c 'cut -d: -f2 drawn | sort -u | wc -l'
is 'sample 0' 0 sh -c 'trace-filter --sample 0 a.trace | grep -ac ^@route'
same 'sample 1' 'trace-filter --no-prog --sample 1 a.trace' 'cat a.trace'
same 'compressed input' 'trace-filter -z a.trace | trace-filter --row 5-9 -t' 'trace-filter --row 5-9 -t a.trace'

is '--frame: a kind, its rows still by what @tok says' '1@end 2@prog 4@route 1@trace' \
	sh -c "trace-filter --frame route -l 1 --pos 1 a.trace | grep -ao '^@[a-z]*' | sort | uniq -c | awk '{ print \$1 \$2 }' | paste -sd' ' -"
{ topk-stats -k 1 a.trace; coact --norm pmi a.trace; coact --norm jaccard a.trace; } >several
is '--frame: a table by its name' coact-pmi sh -c 'trace-filter --frame coact-pmi -t several | grep -v "^#" | cut -f 1 | sort -u'
fails 2 '--frame: none of it' 'trace-filter --frame flow several' 'no frames of flow'
fails 2 'no such layer' 'trace-filter -l 9 small.trace' 'none of these layers'
fails 2 'no pos' "printf '@trace v=1 layers=1 experts=4 topk=1\n@tok batch=0 rows=1 cols=tok:u8 bytes=1\n\1\n@end frames=1\n' | trace-filter --pos 1" 'pos is missing'
fails 2 'no tok' "printf '@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\1\n@end frames=1\n' | trace-filter --pos 1" 'no @tok'
fails 2 'a list of nothing' 'trace-filter --drop ids,,w small.trace' 'no list of column names'
fails 2 'the numbers of rows' 'trace-filter --drop row small.trace' 'mean nothing without it'
fails 2 'no column left' 'trace-filter --drop ids small.trace' 'no column'
fails 2 'id out of range' "printf '@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\5\n@end frames=1\n' | trace-filter --expert 1" 'out of range'
fails 2 'not a probability' 'trace-filter --sample 1.5 small.trace'
head -c 300 a.trace >cut.trace
fails 2 'a cut stream' 'trace-filter cut.trace -o x' 'cut off'
ok 'leaves nothing behind' test ! -e x
kept() {
	trace-filter --keep-going -o kept cut.trace 2>/dev/null
	echo "$? $(grep -ac "^@end" kept)"
}
is 'but --keep-going keeps what was found' '2 1' kept
fails 2 'a full disk' 'trace-filter a.trace >/dev/full'
done_testing
