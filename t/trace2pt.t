#!/bin/sh
# trace2pt: the dict comes back as it went in.
. "${0%/*}/lib.sh"
mkdir c
bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	trace-gen --layers 1 --batches 3 --rows $((seed * 40)) --experts 64 -k 6 -s $seed >a.trace
	trace2pt -o b.pt a.trace
	pt2trace --no-prog b.pt | trace2pt -o c/b.pt
	cmp -s b.pt c/b.pt || bad="$bad $seed"
done
is 'pt | trace | pt is the identity over 20 seeds' '' echo "$bad"
if [ -d "$DATA/flame-moe-290m" ] && command -v python3 >/dev/null; then
	cat >eq.py <<'E'
import sys, zipfile
def members(f):
    z = zipfile.ZipFile(f)
    return {n.split("/", 1)[1]: z.read(n) for n in z.namelist() if "serialization_id" not in n}
sys.exit(members(sys.argv[1]) != members(sys.argv[2]))
E
	find "$DATA/flame-moe-290m" -name '*.pt' | sort >list
	while read -r f; do
		pt2trace "$f" | trace2pt -o x.pt
		python3 eq.py "$f" x.pt || echo "$f"
	done <list >differ
	is 'the shipped files come back, member by member' '' cat differ
else
	skip_one 'no data or no python3: the shipped files'
fi
trace-gen --layers 2 --batches 1 --rows 32 --experts 8 -k 2 -s 1 >two.trace
fails 2 'several layers without -l' 'trace2pt two.trace' 'one layer a file'
ok 'one of several layers' trace2pt -l 1 -o l1.pt two.trace
is 'its layer is kept' 1 sh -c 'pt2trace --experts 8 l1.pt | head -1 | grep -ac map=1'
fails 2 'a layer that is not there' 'trace2pt -l 7 two.trace' 'no route frames of that layer'
fails 2 'a second section' 'cat two.trace two.trace | trace2pt -l 0' 'second section'
fails 2 'an empty slot' "printf '@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\377\n@end frames=1\n' | trace2pt" 'empty slot'
fails 2 'a cut stream' 'head -c 500 two.trace | trace2pt -l 0 -o cut.pt'
ok 'and no file is left' test ! -e cut.pt
fails 2 'a full disk' 'trace2pt -l 0 two.trace >/dev/full'
fails 2 'a section a layer' 'for l in 0 1; do trace-gen --layers 2 --rows 9 | trace-filter -l $l; done | trace2pt -l 1' 'trace-merge of files of a layer each'
done_testing
