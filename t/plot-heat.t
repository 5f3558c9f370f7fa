#!/bin/sh
# plot-heat: the program it writes, and that gnuplot draws it.
. "${0%/*}/lib.sh"
trace-gen --layers 3 --batches 6 --rows 200 --experts 8 -k 2 -s 1 -o a
coact -o co a
expert-load -o load a
gold plot-heat.gp 'coact -l 2 a | plot-heat --script --title "it'\''s \`id\`"'
is 'cells are the counts' "$(coact -l 1 a | trace-show | grep -v @ | tr , ' ')" \
	sh -c "coact -l 1 a | plot-heat --diagonal --script | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD"
plot-heat -l 1 --script co >p
is 'the diagonal is left out unasked' 8 sh -c 'grep "^[0-9?]" p | grep -o "?" | wc -l'
plot-heat --script load >p
{ coact --norm pmi a; coact --norm jaccard a; } >several
same '--top: the largest, in both directions' "plot-heat -l 1 --top 2 --diagonal -t co | sed 1d | cut -f 2-" "coact -l 1 a | plot-heat --diagonal -t | sed 1d | awk -F'\t' '
	{ v[\$2, \$3] = \$4; s[\$2] += \$4 } END { for (e in s) { if (s[e] > m) { j = i; n = m; i = e; m = s[e] } else if (s[e] > n) { j = e; n = s[e] } }
	split(i \" \" j, o, \" \"); for (a = 1; a <= 2; a++) for (b = 1; b <= 2; b++) printf \"%s\t%s\t%s\n\", o[a], o[b], v[o[a], o[b]] }'"
is '--top: their names at both sides' '2' sh -c "plot-heat -l 1 --top 3 --script co | grep -c \"^set [xy]tics ('[0-9]' 0, '[0-9]' 1, '[0-9]' 2)\""
same '--top: of all, as they are' 'plot-heat --top 8 --script co' 'plot-heat --script co'
is '--top: each that has room is named' 4 sh -c "expert-flow a | plot-heat --top 7 --script | grep -c \"^set [xy]tics (.*, '[0-9]' 6)\""
fails 2 '--top: of lines of numbers' 'plot-heat --top 2 --script load' 'no square matrix'
same '--frame: one table of several' 'plot-heat --frame coact-pmi --script several' 'coact --norm pmi a | plot-heat --script'
printf '@trace v=1 layers=1 experts=4 topk=2\n@table name=t rows=2 cols=s:s8,v:u8 bytes=66\nab%062d\0\1\n@end frames=1\n' 0 >text
fails 2 'a column of text' 'plot-heat --col s --script text' '@table: column s is no numbers'
fails 2 'a column that is not there' 'plot-heat --col no --script text' '@table has no column no, it has s, v'
fails 2 '--frame: none of it' 'plot-heat --frame coact-pmi --script load' 'no frames of coact-pmi'
is 'a line a layer' 3 sh -c "sed -n '/<< EOD/,/^EOD/p' p | grep -vc EOD"
awk -F'\t' '$1 == 2 && $3 == 5 { print 100 * $4 / $2 }' <<-EOF >want
	$(expert-load -t a)
EOF
is 'shares are of the tokens' "$(cat want)" sh -c "sed -n '/<< EOD/,/^EOD/p' p | sed -n 4p | cut -d' ' -f6 | awk '{ print \$1 + 0 }'"
is '--count' "$(expert-load -l 0 -t a | cut -f 4 | sed 1d | paste -sd' ')" \
	sh -c "plot-heat -l 0 --count --script load | sed -n '/<< EOD/,/^EOD/p' | sed -n 2p"
same 'topk: a panel a k' 'topk-stats -k 1,2 a | plot-heat --script | grep "set title"' \
	"printf \"set title 'k 1' noenhanced offset 0,-0.7\nset title 'k 2' noenhanced offset 0,-0.7\n\""
trace-split -n 3 -o s- a
for kind in coact expert-load; do
	for tool in plot-heat plot-bars; do
		[ "$kind$tool" = coactplot-bars ] && continue # it draws no matrix
		for s in s-0 s-1 s-2; do $kind $s.trace; done >parts
		same "$tool of $kind: shards are added" "$tool --script parts" "$kind a | $tool --script"
	done
done
is 'below 0 diverges' 1 sh -c "coact -l 1 --norm pmi a | plot-heat --script | grep -c d1e5f0"
trace-gen --layers 2 --rows 9 --experts 16 -k 1 -s 3 | expert-load -o thin
same '--ideal: over the mean of the layer' "plot-heat --ideal -t thin | sed 1d | awk -F'\t' '{ printf \"%d %d %.9f\n\", \$2, \$3, \$4 }'" \
	"trace-gen --layers 2 --rows 9 --experts 16 -k 1 -s 3 | expert-load -t | awk -F'\t' '!/^#/ { printf \"%d %d %.9f\n\", \$1, \$3, \$4 * 16 / 9 }'"
is 'dead experts are crossed out' "$(plot-heat --count -t thin | awk -F'\t' '$4 == "0"' | wc -l)" \
	sh -c "plot-heat --script thin | sed -n '/dead0 << EOD/,/^EOD/p' | grep -vc EOD"
is 'those that are, and no others' 0 sh -c 'plot-heat --script load | grep -c dead0'
same '-t: cells are the counts' "coact -l 1 a | plot-heat --diagonal -t | sed 1d | cut -f 4" "coact -l 1 a | trace-show | grep -v @ | tr , '\n'"
fails 2 'a suffix that is none' 'plot-heat -o a.gif co' '\.svg, \.png or \.pdf'
fails 2 'a trace' 'plot-heat --script a' 'nothing to draw'
fails 2 'a terminal' 'TRACE_FAKE_TTY=1 plot-bars load' 'terminal'
fails 2 'a full disk' 'plot-heat --script co >/dev/full' 'No space'
fails 2 'a size' 'plot-bars --size 10x10 --script load' 'wants two numbers'
PATH=$BUILD/bin plot-heat -o none.svg co 2>err
is 'no gnuplot: exit 3, no file' '3 plot-heat: gnuplot is not installed (--script writes its program)' \
	sh -c "echo $? \$(cat err); ls none.svg 2>/dev/null"
command -v gnuplot >/dev/null || {
	skip_one 'no gnuplot'
	done_testing
	exit
}
for f in svg png pdf; do
	plot-heat -o "h.$f" co && plot-bars -o "b.$f" load
	report $? "$f is drawn"
	plot-heat -o "h2.$f" co
	is "$f: the same bytes again" '' cmp "h.$f" "h2.$f"
done
is 'a PDF says nothing of when it was made' 'D:19700101000000' sh -c "grep -ao 'D:[0-9][0-9]*' h.pdf"
is 'what they are' '%PDF %PDF' sh -c 'echo $(head -c 4 h.pdf) $(head -c 4 b.pdf)'
plot-heat --script co | gnuplot -d - >s.svg 2>/dev/null
is '--script is the program' '' cmp s.svg h.svg
evil="'\`touch ran\`\"\$HOME'"
is 'names run nothing' 0 sh -c 'plot-heat -l 1 -o q.svg --title "$1" co; ls ran 2>/dev/null; grep -Fq "\`touch ran\`" q.svg; echo $?' sh "$evil"
done_testing
