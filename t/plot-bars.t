#!/bin/sh
# plot-bars: the program it writes; plot-heat.t sees to what both share.
. "${0%/*}/lib.sh"
trace-gen --layers 3 --batches 6 --rows 200 --experts 8 -k 2 -s 1 -o a
expert-load -o load a
bars() { plot-bars --script "$@" | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD; }
gold plot-bars.gp 'plot-bars -l 0,2 --sort --script load'
is '--top' 2 sh -c "plot-bars -l 1 --top 2 --script load | sed -n '/<< EOD/,/^EOD/p' | grep -vc EOD"
is 'the mean is named where no panel is beside it' '2 3' sh -c "plot-bars --script load | awk \"/^set label .* 'mean' / { m++ } /^plot / { p++ } END { print m, p }\""
is 'but not above the picture' 0 sh -c "plot-bars --max 1 --script load | grep -c \"^set label .* 'mean' \""
is 'a title stands over bars with a mean' 1 sh -c "plot-bars --title T --script load | sed '/^plot /q' | grep -c \"^set label 1 'T'\""
is 'ticks have no needless zeros, and no exponent below 1e9' 1 sh -c "plot-bars --script load | grep -c \"^set format '%.9g'\$\""
same '--stats: what expert-stats says of the counts' "plot-bars --stats -l 1 --script load | sed -n \"s/^set label [56] '\([^']*\)'.*/\1/p\"" \
	"expert-stats -l 1 -t a | awk -F'\t' '!/#/ { printf \"mean %.4g   std %.4g   CV %.4g\nentropy %.4g   active %d   skewness %.4g\n\", \$3, \$4, \$5, \$6, \$16, \$10 }'"
is 'over the bars: they get less of the height' '1.34' \
	sh -c "for o in '' --stats; do plot-bars \$o --script load | sed -n 's/^set yrange .*:\(.*\)]/\1/p'; done | awk 'NR == 1 { x = \$1 / 1.04 } END { print \$1 / x }'"
fails 2 '--stats: of no counts' 'trace-gen --tokens --domains 2 --request-rows 64 --experts 8 | expert-stats --table specialisation | plot-bars --stats --col lift --script' 'lift is no count'
same 'one row a layer: a panel a column, a bar a layer' "expert-stats -l 0,2 a | plot-bars --col gini,std -t | sed 1d | cut -f 1,4,5" \
	"expert-stats -l 0,2 --table stats a | trace2jsonl | jq -r 'select(.kind==\"table\") | \"gini\t\(.layer)\t\(.gini[0])\"'; expert-stats -l 0,2 a | trace2jsonl | jq -r 'select(.kind==\"table\") | \"std\t\(.layer)\t\(.std[0])\"'"
is 'each of its own height' 2 sh -c 'expert-stats a | plot-bars --col gini,std --script | grep -c "^set yrange"'
is 'a single bar is seen' 1 sh -c 'expert-stats -l 1 a | plot-bars --col gini --script | grep -c "boxwidth 0.86 absolute"'
fails 2 'nothing: where it may come from' 'plot-bars a' 'expert-load, logit-hist and topk-stats'
for f in x.gp x; do
	same "--script: a program is called as one likes: $f" "plot-bars --script -o $f load; cat $f" 'plot-bars --script load'
done
is '--script: a suffix names the terminal' 'pngcairo' sh -c 'plot-bars --script -o x.png load; sed -n "s/^set terminal \([a-z]*\) .*/\1/p" x.png'
rm x.gp x x.png
fails 2 'a picture has a suffix' 'plot-bars -o x.gp load' 'x.gp: no picture that is known'
fails 2 'so have those that a program writes' 'plot-bars --script -o "x{layer}.gp" load' 'no picture that is known'
step() { # between two names of experts, in bars
	trace-gen --layers 1 --rows 2000 --experts "$1" -k 2 | expert-load | plot-bars --size 400x300 --top 40 --script |
		sed -n "s/^set xtics ('[0-9]*' 0, '[0-9]*' \([0-9]*\).*/\1/p"
}
is 'longer names stand farther apart' '4 8' sh -c "echo $(step 90) $(step 2000)"
is '--cdf ends at all' '7 100' sh -c "plot-bars -l 1 --cdf --script load | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD | tail -n 1"
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen --layers 1 --rows 100 --experts $((s * 5)) -k 3 -s $s | expert-load -o l
	bars --count l | cut -d' ' -f2 | sort -rn >want
	bars --count --sort l | cut -d' ' -f2 | cmp -s - want || bad="$bad $s"
	[ "$(bars --count l | awk '{ n += $2 } END { print n }')" = 300 ] || bad="$bad sum $s"
	s=$((s + 1))
done
is 'sorted, all are there, 20 seeds' '' echo "$bad"
printf '%s\n' '@trace v=1 layers=1 experts=4 topk=2' '@hist layer=0 of=logit lo=-1 hi=1 rows=4 cols=n:u8 bytes=4' >h
printf '\1\2\3\4\n@end frames=1\n' >>h
is 'bins stand on their edges' '-1 1 -0.5 2 0 3 0.5 4 1 0' sh -c "plot-bars --script h | sed -n '/<< EOD/,/^EOD/p' | grep -v EOD | paste -sd' '"
is 'and say of what' "set xlabel 'logit' noenhanced offset 0,0.5" sh -c 'plot-bars --script h | grep xlabel'
{ topk-stats -k 1 a; cat load; } >several
same '--frame: one kind of several' 'plot-bars --frame count --script several' 'plot-bars --script load'
printf '@trace v=1 layers=1 experts=4 topk=2\n@table name=t rows=2 cols=s:s8,v:u8 bytes=66\nab%062d\0\1\n@end frames=1\n' 0 >text
fails 2 'a column of text' 'plot-bars --col s --script text' '@table: column s is no numbers'
fails 2 'a column that is not there' 'plot-bars --col no --script text' '@table has no column no, it has s, v'
fails 2 '--frame: none of it' 'plot-bars --frame topk --script load' 'no frames of topk'
fails 2 'nothing' 'plot-bars --script a' 'nothing to draw'
fails 2 'a matrix' 'coact a | plot-bars --script' 'plot-heat draws it'
is '-t: the table behind it' '4: bar -0.75 1,bar -0.25 2,bar 0.25 3,bar 0.75 4' \
	sh -c 'plot-bars -t h | sed 1d | cut -f 3- | tr "\t" " " | paste -sd, | sed "s/^/4: /"'
same '-t: of counts, too' 'plot-bars --count -l 1 -t load | sed 1d | cut -f 5' 'expert-load -l 1 -t a | sed 1d | cut -f 4'
# rows of bins: experts, curves, laws, data sets
cat >make.py <<'PY'
import json, random, sys
random.seed(int(sys.argv[1]))
print(json.dumps({"kind": "trace", "v": 1, "layers": 2, "experts": 4, "topk": 1, "map": "1-2", "model": "m", "dataset": sys.argv[2]}))
for l in (1, 2):
    x = [[round(random.gauss(l, 1) * 64) / 64 for _ in range(4)] for _ in range(50)]
    p = [[random.random() for _ in range(4)] for _ in range(50)]
    print(json.dumps({"kind": "route", "layer": l, "rows": 50, "cols": "logit:f32:4,p:f64:4", "logit": x, "p": p}))
print(json.dumps({"kind": "end", "frames": 2}))
PY
py=$(command -v python3 || command -v /usr/bin/python3) || {
	skip_one 'no python3'
	done_testing
	exit
}
$py make.py 1 wikitext | jsonl2trace -o w
$py make.py 2 hella/swag | jsonl2trace -o s
logit-hist --by expert --span row --curve --bins 9 -o e w
is 'a panel a row of bins' 'layer 1 expert 0,layer 1 expert 1,layer 1 expert 2,layer 1 expert 3' \
	sh -c "plot-bars -l 1 --script e | sed -n \"s/^set title '\\([^']*\\)'.*/\\1/p\" | paste -sd,"
is 'with its curve' 4 sh -c "plot-bars -l 1 --script e | grep -c '\$curve[0-3]a using 1:2 with lines'"
same 'the table has frame and curve' 'plot-bars -t e | sed 1d | cut -f 3 | sort | uniq -c' "printf '%7d bar\n%7d curve\n' 72 1600"
logit-hist --of p --by kth --law --bins 5 -o k w
is 'the law is an outline' 'plot $panel0a using 1:2 with fillsteps fillstyle solid 0.55 noborder linecolor '"'#2c728e' title 'wikitext'"', $panel0a using 1:3 with steps linecolor '"'#d55e00' linewidth 1.5 title 'uniform'" \
	sh -c "logit-hist --of p --by kth --law --bins 5 --common w | plot-bars -l 1 --script | sed -n '/^plot .panel0a/{N;s/ .\n/ /;p}'"
is '--panel-title' '1st of 1|2nd of 1|3rd of 1|4th of 1' \
	sh -c "plot-bars -l 1 --panel-title '{ordinal} of {layer}' --script k | sed -n \"s/^set title '\\([^']*\\)'.*/\\1/p\" | paste -sd'|'"
is 'a frame of all layers' "set title 'all layers' noenhanced offset 0,-0.7" sh -c 'logit-hist --all-layers w | plot-bars --script | grep "^set title"'
logit-hist --common --bins 6 -o two w s
is '--overlay: data sets in one panel' 'hella/swag wikitext' \
	sh -c "plot-bars --overlay --script two | sed -n \"s/.*transparent.* title '\\(.*\\)', .*/\\1/p; s/.*transparent.* title '\\([^']*\\)'\$/\\1/p\" | paste -sd' '"
sets() { plot-bars --overlay --script "$@" | sed -n "s/.*panel\(.\).*fillsteps.*linecolor '\(#[0-9a-f]*\)' \(.*\)/\1 \2 \3/p" | sed "s/title '\([^']*\)'.*/\1/; s/notitle.*//; s/ *$//" | paste -sd, ; }
logit-hist --common --range=-4,6 --bins 6 -l 1 -o first w
logit-hist --common --range=-4,6 --bins 6 -o later s
is '--overlay: the first to come is blue and drawn first; a set keeps its colour' \
	'0 #2c728e wikitext,0 #f0a830 hella/swag,1 #f0a830' sets first later
is 'whatever its name' '0 #2c728e hella/swag,0 #f0a830 wikitext,1 #2c728e' sets later first
logit-hist --common --range=-4,6 --bins 6 -l 2 -o late w
is 'and whatever layers come first' 'layer 1,layer 2' sh -c "plot-bars --overlay --script late later | sed -n \"s/^set title '\\([^']*\\)'.*/\\1/p\" | paste -sd,"
logit-hist --common --bins 7 -l 1 -o seven s
{ logit-hist --common --bins 6 -l 1 w; cat seven; } >unlike
fails 2 'but not of unlike bins' 'plot-bars --overlay --script unlike' 'logit-hist --common makes them alike'
names() { plot-bars --script "$@" | sed -n "s/^set output '\(..*\)'\$/\1/p" | grep -v /dev/null | paste -sd' '; }
is 'a file a layer' 'm_1.svg m_2.svg' names -o '{model}_{layer}.svg' e
is 'a file a panel' 'x_1_0.svg x_1_1.svg x_1_2.svg x_1_3.svg' names -l 1 -o 'x_{layer}_{expert}.svg' e
is '--each names them itself' 'x_layer_1_expert_0.svg x_layer_1_expert_1.svg x_layer_1_expert_2.svg x_layer_1_expert_3.svg' names -l 1 --each -o x.svg e
is '--panels: some a file' '1_1_to_3.svg 1_4_to_4.svg 2_1_to_3.svg 2_4_to_4.svg' names --panels 3 -o '{layer}_{a}_to_{b}.svg' k
is 'a data set is no folder' 'hella_swag.svg wikitext.svg' names -l 1 -o '{dataset}.svg' two
fails 2 'a key that is none' 'plot-bars -o "{layers}.svg" e' '\{layers\}.svg is no key'
fails 2 'a brace that is open' 'plot-bars -o "x{layer.svg" e' 'is no key'
fails 2 'a key that panels lack' 'plot-bars -o "{rank}.svg" e' 'a panel has no rank'
fails 2 'a title, too' 'plot-bars --script --panel-title "{no}" e' 'is no key'
fails 2 'names that are one' 'plot-bars --panels 2 -o "{layer}.svg" e' 'several files would be 1.svg'
fails 2 'no name' 'plot-bars --each e' 'need a name'
fails 2 'a folder that is not there' 'plot-bars -o "no/{layer}.svg" e' 'no/: No such file'
fails 2 'a table of many files' 'plot-bars -t -o "{layer}.svg" e' 'one file'
is 'nothing is left behind' '' sh -c 'ls -A | grep -e svg -e pictures'
command -v gnuplot >/dev/null || {
	skip_one 'no gnuplot'
	done_testing
	exit
}
for f in svg png pdf; do
	mkdir 1 2
	plot-bars -j 1 -o "1/{layer}_{expert}.$f" e && plot-bars -j 3 -o "2/{layer}_{expert}.$f" e
	is "$f: a file each, the same bytes on any -j" '8 8' sh -c 'diff -r 1 2; echo $(ls -A 1 | wc -l) $(ls -A 2 | wc -l)'
	rm -r 1 2
done
is 'drawn whole' '2 2' sh -c "plot-bars -o 'w{layer}.svg' e; echo \$(ls w*.svg | wc -l) \$(grep -l '</svg>' w*.svg | wc -l)"
mkdir w1.png
fails 2 'a folder of that name: none is written' 'plot-bars -o "w{layer}.png" e' 'w1.png: is a folder'
is 'none' 'w1.png' sh -c 'ls -d *.png'
PATH=$BUILD/bin
plot-bars -o 'n{layer}.svg' e 2>err
rc=$?
PATH=$BUILD/bin:/usr/bin:/bin
is 'no gnuplot: exit 3, no file' '3 0' sh -c "echo $rc \$(ls -A | grep -c -e '^n[0-9]' -e pictures)"
done_testing
