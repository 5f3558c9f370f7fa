#!/bin/sh
# Pictures hold their words: no label, title or tick leaves the canvas of an SVG.
. "${0%/*}/lib.sh"
command -v gnuplot >/dev/null || skip 'no gnuplot'
# Texts of an SVG that are not whole inside of it, wanted ones that it lacks, and
# upright ones that lie on a tick at the left.  A letter is 0.6 of its font wide.
cat >look.awk <<'AWK'
function box(x, y, turned, anchor, size, text,   n, a) {
	n = length(text) * 0.6 * size
	a = anchor == "middle" ? n / 2 : anchor == "end" ? n : 0
	if (turned) { l = x - size; r = x + 0.3 * size; t = y + a - n; b = y + a }
	else { l = x - a; r = l + n; t = y - size; b = y + 0.3 * size }
}
/viewBox=/ { split($0, v, /viewBox="/); split(v[2], d, " "); w = d[3]; h = d[4] + 0 }
/translate\(/ {
	g = $0
	sub(/.*translate\(/, "", g); split(g, d, /[,)]/); x = d[1]; y = d[2]
	turned = $0 ~ /rotate\(/
	g = $0; sub(/.*font-size="/, "", g); size = g + 0
	g = $0; sub(/.*text-anchor="/, "", g); sub(/".*/, "", g); anchor = g
}
/<text>/ {
	s = $0
	gsub(/<[^>]*>/, "", s); gsub(/^[ \t]+|[ \t]+$/, "", s)
	if (s == "") next
	box(x, y, turned, anchor, size, s)
	seen[s]++
	if (l < 0 || r > w || t < 0 || b > h) print "outside: " s
	if (turned && x < w / 2 && r > left) left = r
	if (!turned && anchor == "end" && (first == "" || l < first)) first = l
}
END {
	n = split(want, need, "|")
	for (i = 1; i <= n; i++)
		if (!seen[need[i]]) print "no " need[i]
	if (first != "" && left > first) print "a label on ticks"
}
AWK
holds() { # WHAT WANTED COMMAND...: its SVG holds the texts
	what=$1 wanted=$2 && shift 2
	"$@" -o p.svg || echo "$* failed" >>p.svg
	is "$what" '' awk -v want="$wanted" -f look.awk p.svg
	rm -f p.svg
}
hists() { # PANELS VALUE: layer l has bins up to value, or to a tenth of it
	awk -v panels="$1" -v value="$2" 'BEGIN {
		print "{\"kind\":\"trace\",\"v\":1,\"layers\":" panels ",\"experts\":4,\"topk\":1}"
		for (l = 0; l < panels; l++) {
			v = l % 2 ? int(value / 10) + 1 : value
			printf "{\"kind\":\"hist\",\"layer\":%d,\"of\":\"logit\",\"lo\":0,\"hi\":0.25,\"rows\":4,\"cols\":\"n:u64\",\"n\":[%d,%d,%d,%d]}\n", l, v, v / 3, v / 2, 1
		}
		print "{\"kind\":\"end\",\"frames\":" panels "}"
	}' | jsonl2trace -o h
}
last='layer 0'
for panels in 1 6; do
	[ $panels = 1 ] || last='layer 0|layer 3|layer 5'
	for value in 7 123 12345 1234567 12345678; do
		hists $panels $value
		all="Frequency|A title|$last|logit|0.1"
		holds "bars: $panels panels, $value" "$all" plot-bars --ylabel Frequency --title 'A title' h
		holds "bars: $panels panels, $value, --free" "$all" plot-bars --ylabel Frequency --title 'A title' --free h
		holds "bars: $panels panels, $value, --log" "$all" plot-bars --ylabel Frequency --title 'A title' --log h
		holds "bars: $panels panels, $value, small" 'Frequency|A title' plot-bars --ylabel Frequency --title 'A title' --size 900x700 h
		holds "curves: $panels panels, $value" 'A title' plot-curves --title 'A title' h
		holds "curves: $panels panels, $value, --logy" 'A title' plot-curves --title 'A title' --logy h
	done
done
hists 6 12345
long='a label that is a good deal longer than the panel beside which it stands'
holds 'a long label' "$long" plot-bars --ylabel "$long" h
holds 'a long title' "$long and goes on" plot-bars --title "$long and goes on" -l 0 h
trace-gen --layers 6 --batches 2 --rows 20000 --experts 8 -k 2 -s 1 -o a
for l in 0 0-5; do
	holds "heat: layers $l" 'tokens|A title|layer 0|expert' sh -c "coact -l $l a | plot-heat --count --title 'A title' \"\$@\"" -
done
expert-load -o load a
holds 'counts: what each would have' 'A title|mean|picks|expert' plot-bars --count --title 'A title' load
holds 'counts: one layer' 'A title|mean|picks|expert' plot-bars --count --title 'A title' -l 0 load
holds 'grid' 'A title|row|column' plot-grid --title 'A title' --baseline --mesh 2x4 -l 0 --trace a
cat >s.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":4,"topk":1}
{"kind":"table","name":"cost","run":"a-rather-long-name","layer":0,"rows":1,"cols":"a:f64,b:f64","a":[3000000],"b":[2]}
{"kind":"end","frames":1}
E
sed -n '2{s/a-rather-long-name/other/;p;}' s.jsonl >other
sed -i -e '2r other' -e 's/frames":1/frames":2/' s.jsonl
jsonl2trace -o s s.jsonl
holds 'stack' 'a-rather-long-name|A title|a|b' plot-stack --title 'A title' -y a,b s
is 'mean does not stand on the ticks of the next panel' '3 6' \
	sh -c "plot-bars --size 700x600 --script load >g; echo \$(grep -c \"^set label [0-9]* 'mean'\" g) \$(grep -c '^plot ' g)"
done_testing
