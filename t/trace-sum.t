#!/bin/sh
# trace-sum: counters added, identity kept apart, one order.
. "${0%/*}/lib.sh"

sect() { printf '@trace v=1 layers=%d experts=2 topk=1\n' "${2:-4}" && cat && printf '@end frames=%d\n' "$1"; }
count() { printf '@count layer=%d %srows=2 cols=n:u8 bytes=2\n%b\n' "$1" "$2" "$3"; }
{ count 1 '' '\1\2' && count 0 'n_tokens=5 min_x=2.5 max_x=9 ' '\3\4'; } | sect 2 >a
{ count 1 '' '\12\14' && count 0 'n_tokens=7 min_x=-1 max_x=10 ' '\5\6' && count 1 'k=10 ' '\1\1' && count 1 'k=9 ' '\1\1'; } | sect 4 >b
is 'columns and keys' '@count layer=0 n_tokens=12 min_x=-1 max_x=10 rows=2' sh -c "trace-sum a b | grep -ao '^@count layer=0.*rows=2'"
is 'numbers' '8,10' sh -c "trace-sum a b | grep -a -A1 '^@count layer=0' | tail -1 | head -c 2 | od -An -tu1 | awk '{ print \$1 \",\" \$2 }'"
is 'layers in order, integers as numbers' 'layer=0,layer=1,layer=1 k=9,layer=1 k=10,' sh -c "trace-sum a b | grep -ao '^@count layer=. *\(k=[0-9]*\)*' | sed 's/@count //; s/ *$//' | tr '\n' ,"
same 'order of the inputs' 'trace-sum --no-prog a b' 'trace-sum --no-prog b a'
same 'files or sections' 'cat a b | trace-sum --no-prog' 'trace-sum --no-prog a b'
same 'a sum alone is itself' 'trace-sum --no-prog a | trace-sum --no-prog' 'trace-sum --no-prog a'
same 'a sum of sums' 'trace-sum --no-prog b | cat - a | trace-sum --no-prog' 'trace-sum --no-prog a b'
mm() { printf '@hist layer=0 of=w rows=2 cols=x:u8,n:u16,min_q:i8 bytes=130\n%b' "$1" && head -c 62 /dev/zero && printf '%b' "$2" && head -c 60 /dev/zero && printf '%b\n' "$3"; }
mm '\1\2' '\377\0\1\0' '\377\5' | sect 1 >h1
mm '\1\2' '\1\0\2\0' '\1\4' | sect 1 >h2
is 'carry in a column, signed least, identity column' '1 256 -1;2 3 4;' sh -c "trace-sum h1 h2 | trace-filter -t | awk '!/^#/ { printf \"%s %s %s;\", \$(NF-2), \$(NF-1), \$NF }'"
mm '\1\3' '\1\0\2\0' '\1\4' | sect 1 >h3
is 'another column is another frame' 2 sh -c 'trace-sum h1 h3 | grep -ac ^@hist'
{ printf '@note a=1\n' && count 0 '' '\1\1'; } | sect 2 >noted
ok 'notes are no trouble' trace-sum -o x noted

count 0 '' '\377\0' | sect 1 >full
fails 2 'a column overflows' 'trace-sum full a full' 'n overflows'
count 0 'n_t=9223372036854775807 ' '\0\0' | sect 1 >big
fails 2 'a key overflows' 'trace-sum big big' 'n_t overflows'
printf '@route layer=0 rows=1 cols=ids:u8 bytes=1\n\1\n' | sect 1 >r
fails 2 'rows are no sum' 'trace-sum r' '@route is no sum: it has no counters to add .expert-load'
printf '@table name=x rows=1 cols=n:u8 bytes=1\n\1\n' | sect 1 >t
fails 2 'tables are none' 'trace-sum t' '@table is no sum'
printf '@hist layer=0 of=w rows=1 cols=n:f32 bytes=4\n\0\0\0\0\n' | sect 1 >f
fails 2 'reals are not added' 'trace-sum f' 'n has no type'
printf '@trace v=1 layers=1 experts=3 topk=1\n@end frames=0\n' >e
fails 2 'other experts' 'trace-sum a e' 'experts'
head -c 60 a >cut.trace
fails 2 'a cut shard' 'trace-sum b cut.trace' '^trace-sum: cut.trace: '

if command -v topk-stats >/dev/null; then
	for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		trace-gen --tokens --layers 2 --batches 5 --rows 40 --experts 8 -k 2 -s $s -o g
		trace-split -n 3 -o g- g
		for i in 0 1 2; do topk-stats -k 1,2 -o "g-$i.n" "g-$i.trace"; done
		topk-stats -k 1,2 g >whole
		trace-sum g-?.n | trace-cmp - whole || echo "seed $s"
	done >bad 2>&1
	is 'sum of shards = the whole, 20 seeds' '' cat bad
else
	skip_one 'no topk-stats'
fi
done_testing
