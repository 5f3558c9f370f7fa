#!/bin/sh
# plot-stack: the table behind the picture, the order, the picture.
. "${0%/*}/lib.sh"
cat >a.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":4,"topk":1}
{"kind":"table","name":"cost","run":"slow","layer":0,"rows":1,"cols":"a:f64,b:f64","a":[3],"b":[2.5]}
{"kind":"table","name":"other","run":"slow","layer":0,"rows":1,"cols":"c:f64","c":[9]}
{"kind":"table","name":"cost","run":"fast","layer":0,"rows":1,"cols":"a:f64,b:f64","a":[1],"b":[0.5]}
{"kind":"end","frames":3}
E
jsonl2trace -o a a.jsonl
is 'bars as they come' "slow 3 2.5 5.5 fast 1 0.5 1.5" sh -c 'plot-stack -y a,b -t a | grep -v "^#" | xargs'
is 'the shortest first' 'fast slow' sh -c 'plot-stack --sort -y b,a -t a | grep -v "^#" | cut -f 1 | xargs'
is 'names of columns' '# bar a b sum' sh -c 'plot-stack -y a,b -t a | head -n 1 | xargs'
is 'one table alone' 9 sh -c 'plot-stack --frame other -y c -t a | tail -n 1 | cut -f 3'
fails 2 'the parts of a cost, where it has none' 'plot-stack a' 'no column dispatch'
fails 2 'a column that is not there' 'plot-stack -y a,x a' 'no column x'
fails 2 'nothing' 'trace-gen --rows 2 | plot-stack -y a' 'plot-stack: '
if command -v gnuplot >/dev/null; then
	ok 'a picture' plot-stack -y a,b -o p.svg a
	is 'of both bars and both parts' '1 1 1 1' sh -c 'for w in slow fast ">a<" ">b<"; do grep -c "$w" p.svg; done | xargs'
	is 'names of many parts under each other, not on the bar' 1 sh -c 'plot-stack --frame cost -l 0 -y a,b,a,b,a,b a |
		sed -n "N;/<text>[ab]</{s/.*translate(\([0-9.]*\),.*/\1/p;d;};D" | sort -u | wc -l'
	same 'the same bytes again' 'cat p.svg' 'plot-stack -y a,b a'
else
	skip_one 'no gnuplot'
fi
done_testing
