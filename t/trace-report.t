#!/bin/sh
# trace-report: what is on the page, what is left out, and all of it in a browser.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
trace-gen --layers 3 --batches 6 --rows 200 --experts 8 -k 2 -s 1 --name '<b>"m" & ]]>' -o a
expert-load -o load a
coact -o co a
cat >results.py <<'E'
import struct, sys
o = sys.stdout.buffer
o.write(b'@trace v=1 layers=3 experts=8 topk=2 model=<b>"m"%20&%20]]> dataset=%3Cscript%3Ealert(1)%3C/script%3E%FF%01\n')
frames = 0
def put(keys, rows, cols):  # columns: name, type, width, numbers
    global frames
    frames += 1
    b, names = b'', []
    for name, kind, width, v in cols:
        b += b'\0' * (-len(b) % 64) + struct.pack('<%d%s' % (len(v), 'Q' if kind == 'u64' else 'd'), *v)
        names.append('%s:%s%s' % (name, kind, ':%d' % width if width > 1 else ''))
    o.write(('@%s rows=%d cols=%s%s\n' % (keys, rows, ','.join(names), ' bytes=%d' % len(b) if b else '')).encode() + (b + b'\n' if b else b''))
for l in range(3):
    put('hist layer=%d of=logit lo=-1 hi=1 n_below=%d n_above=0 n_nan=0' % (l, l), 10, [('n', 'u64', 1, [l + i * i for i in range(10)])])
    put('hist layer=%d of=softmax lo=0 hi=1 n_below=0 n_above=0 n_nan=0' % l, 8, [('n', 'u64', 5, [i % 7 for i in range(40)])])
    x = [i / 100 - 5 for i in range(1000)]
    put('kde layer=%d kernel=gaussian bandwidth=0.%d rule=scott trim=0 values=9' % (l, l + 1), 1000,
        [('x', 'f64', 1, x), ('cdf', 'f64', 1, [max(0, min(1, v / 4 + .5 + l / 9)) for v in x])])
    put('table name=search layer=%d' % l, 8, [('chain', 'f64', 1, [0, 0, 0, 0, 1, 1, 1, 1]), ('seconds', 'f64', 1, [0, 1, 2, 3] * 2),
        ('cost', 'f64', 1, [9, 12345678, 7, 8] * 2), ('best', 'f64', 1, [9, 9, 7, 1 / 3] * 2)])
put('table name=odd', 2, [('v', 'f64', 1, [float('nan'), float('inf')])])
put('kde layer=0 kernel=k', 3, [('x', 'f64', 1, [1, 2, float('nan')]), ('cdf', 'f64', 1, [-1e308, 1, 1])])
put('load layer=0', 2, [('n', 'f64', 1, [1.5, float('inf')])])
put('flow layer=0 to=1', 0, [('n', 'u64', 2, [])])
put('table name=m', 1, [('v', 'f64', 3, [1e308, -1e308, 5])])
put('table name=deep', 1, [('v', 'f64', 1, [1e-300])])
o.write(b'@end frames=%d\n' % frames)
E
$py results.py >r
# KEY: what the page has, read as XML, so that it is well-formed
cat >look.py <<'E'
import sys, re, xml.etree.ElementTree as E
page = open(sys.argv[1], encoding='utf-8').read()
t = E.fromstring(page.replace('<!DOCTYPE html>\n', ''))
text = lambda e: ''.join(e.itertext())
for what in sys.argv[2:]:
    if what == 'cells':
        print('\n'.join(x.text for x in t.findall('.//g/path/title')))
    elif what == 'left':
        print('\n'.join(text(x) for x in t.findall(".//p[@class='n']")))
    elif what == 'rows':
        print('\n'.join('\t'.join(c.get('title', c.text) for c in r) for r in t.findall('.//tbody/tr')))
    elif what == 'heads':
        print('\n'.join(' '.join(text(c) for c in r) for r in t.findall('.//thead/tr')))
    elif what == 'captions':
        print('\n'.join(text(x) for x in t.findall('.//figcaption')))
    elif what == 'dd':
        print('\n'.join(text(x) for x in t.findall('.//dd')))
    elif what == 'code':
        print('\n'.join(text(x) for x in t.findall('.//code')))
    elif what == 'away':
        print(len(re.findall(r'(?:src|href)="(?!#|data:,")|https?:|url\(|@import', page)))
    else:
        print(len(t.findall('.//' + what)), end=' ')
E
look() { $py look.py "$@"; }
trace-report -o all.html a load co r 2>err
is 'one page of all' '' cat err
is 'figures: heat, maps, bars, curves' '15' sh -c "$py look.py all.html figure | xargs"
is 'tables' '11' sh -c "$py look.py all.html table | xargs"
is 'it fetches nothing' 0 look all.html away
is 'names are text' "<b>\"m\" & ]]>
<script>alert(1)</script>$(printf '\357\277\275\357\277\275')" sh -c "$py look.py all.html dd | sed -n 1,2p"
is 'the only script is its own' 1 sh -c 'grep -c "<script" all.html'
is 'commands, a pipe a line' 'trace-gen --layers 3 --batches 6 --rows 200 --experts 8 -k 2 -s 1 --name <b>"m" & ]]> | coact a' \
	sh -c "$py look.py all.html code | sed -n 2p"
trace-report load >load.html
expert-load -t a | awk -F'\t' '!/#/ { printf "layer %d, expert %d: %.4g %% of tokens (%d)\n", $1, $3, 100 * $4 / $2, $4 }' >want
is 'cells tell shares and counts' "$(cat want)" look load.html cells
is 'rows are those of -t' "$(expert-load -t a | cut -f 1-4 | sed 1d)" look load.html rows
is 'a long number for eyes, all of it behind' 1 sh -c "grep -o '<td title=\"12345678\">12...345...678</td>' all.html | head -n 1 | wc -l"
is 'digits behind the readable' 1 sh -c "grep -o '<td title=\"0.333333333333333[0-9]*\">0.333333</td>' all.html | head -n 1 | wc -l"
is 'a bin tells its edges' 1 sh -c "grep -c 'from 0.8 to 1: 83<' all.html"
is 'what is in no bin' 'In no bin: 2 below' sh -c "$py look.py all.html left | grep below | tail -n 1"
is 'a curve tells its points' 1 sh -c "grep -c 'layer 2, chain 1: seconds 3, best 0.3333333333333333<' all.html"
is 'points left out' 'Left out: all but 12 of 3000 points, for which no line would move by a pixel.' \
	sh -c "$py look.py all.html left | tr -d '\342\200\257' | grep 3000.points"
is 'points that are none, and no rows' 'No rows. Left out: 2 points that are no finite numbers.' \
	sh -c "$py look.py all.html left | grep '^No\|finite' | xargs"
is 'no coordinate is no number' 0 sh -c 'grep -c " \(d\|x\|y\|cx\|cy\|width\|transform\)=\"[^\"]*\(nan\|inf\)" all.html'
is 'wide columns left out' 'Left out: column n, of 20 values a row.' \
	sh -c "trace-gen --experts 20 | coact | trace-report >w.html; $py look.py w.html left"
is '--max-rows' '12 Left out: of 24 rows, more than --max-rows 13, one in 2 is here.' \
	sh -c "trace-report --max-rows 13 load >m.html; $py look.py m.html tbody/tr left | xargs"
is '--max-cells: told' 'Left out: the values of cells under the pointer, as there are 24, more than --max-cells 23.' \
	sh -c "trace-report --max-cells 23 load >m.html; $py look.py m.html left"
is 'the same cells are drawn' "$(look load.html g/path | xargs)" \
	sh -c "grep -o 'class=\"b[0-9]*\" d=\"[^\"]*' m.html | grep -o 'h[0-9]*' | tr -d h | awk '{ n += \$1 } END { print n }'"
is '--max-cells: pictures left out' '1 Left out: the last 2 of 3 pictures; -l takes fewer layers.' \
	sh -c "trace-report --max-cells 5 co >m.html; $py look.py m.html figure left | sed 's/ Left out: the values[^.]*\.//; s/Left out: the values[^.]*\. //' | xargs"
is '--title' '<h1>a &lt;&quot;&amp;</h1>' sh -c 'trace-report --title "a <\"&" load | grep "<h1>"'
same '-l' 'trace-report -l 1 load | grep -c "<title>layer"' 'echo 8'
trace-split -n 3 -o s- a
same 'shards are added, in any order' 'for s in s-2 s-0 s-1; do expert-load --no-prog $s.trace; done | trace-report' \
	'for s in s-0 s-1 s-2; do expert-load --no-prog $s.trace; done | trace-report'
same 'and are the whole' 'for s in s-2 s-0 s-1; do expert-load $s.trace; done | trace-report | grep "<title>layer"' 'trace-report load | grep "<title>layer"'
same 'files in any order' 'trace-report co load r' 'trace-report r load co'
# KEYS N: a section of that data set, model, part
sect() {
	printf '{"kind":"trace","v":1,"layers":1,"experts":2,"topk":1%s}\n{"kind":"count","layer":0,"n_tokens":9,"rows":2,"cols":"n:u64","n":[%s,0]}\n{"kind":"table","name":"pval","layer":0,"rows":1,"cols":"ks:f64","ks":[0.%s]}\n{"kind":"kde","layer":0,"rows":2,"cols":"x:f64,cdf:f64","x":[0,%s],"cdf":[0,1]}\n{"kind":"end","frames":3}\n' "$1" "$2" "$2" "$2" | jsonl2trace --no-prog
}
sect ',"dataset":"hella swag"' 2 >s1
sect ',"dataset":"wikitext"' 3 >s2
sect ',"dataset":"wikitext"' 4 >s3
sect '' 5 >s0
trace-report -o s.html s2 s1 s3
is 'data sets: a column' 'layer n_tokens dataset expert n|layer dataset row x cdf|layer dataset ks' sh -c "$py look.py s.html heads | paste -sd '|'"
is 'rows that can be told apart' '0	hella swag	0.2|0	wikitext	0.3|0	wikitext	0.4' sh -c "$py look.py s.html rows | tail -n 3 | paste -sd '|'"
is 'counters of one are added, of two not' '0	9	hella swag	0	2|0	18	wikitext	0	7' sh -c "$py look.py s.html rows | grep '	0	[27]\$' | paste -sd '|'"
is 'pictures are named' 'dataset hella swag|dataset wikitext|cdf: dataset hella swag|cdf: dataset wikitext' sh -c "$py look.py s.html captions | paste -sd '|'"
same 'in any order' 'trace-report s3 s2 s1' 'trace-report s1 s2 s3'
is 'one data set: no column' 'layer n_tokens expert n|layer row x cdf|layer ks' sh -c "trace-report -o s.html s2 s3; $py look.py s.html heads | paste -sd '|'"
is 'it is not known: -' '-|hella swag' sh -c "cat s1 s0 | trace-report -o s.html; $py look.py s.html rows | tail -n 2 | cut -f 2 | paste -sd '|'"
sect ',"part":"a","model":"m"' 2 >s1
sect ',"part":"b","model":"n"' 3 >s2
is 'part and model too' 'layer model part ks' sh -c "trace-report -f -o s.html s1 s2; $py look.py s.html heads | tail -n 1"
own() { printf '{"kind":"trace","v":1,"layers":1,"experts":2,"topk":1,"part":"%s"}\n{"kind":"table","name":"x","part":"mine","rows":1,"cols":"v:f64","v":[1]}\n{"kind":"end","frames":1}\n' "$1" | jsonl2trace; }
own a >o1
own b >o2
is 'what a frame says itself stays' 'mine	1|mine	1' sh -c "cat o1 o2 | trace-report -o s.html; $py look.py s.html rows | paste -sd '|'"
fails 2 'a trace' 'trace-report a' 'nothing to report: no result frames: expert-load'
fails 2 'no such layer' 'trace-report -l 9 load' 'of these layers'
fails 2 'another model' 'trace-gen --name x | expert-load | cat - load | trace-report' 'sections disagree'
is '-f' '<b>"m" & ]]>, x' sh -c "trace-gen --name x --layers 3 --experts 8 | expert-load | cat - load | trace-report -f >f.html; $py look.py f.html dd | sed -n 1p"
fails 2 'a terminal' 'TRACE_FAKE_TTY=1 trace-report load' 'terminal: -o FILE'
fails 2 'a full disk' 'trace-report load >/dev/full' 'No space'
command -v chromium >/dev/null || {
	skip_one 'no chromium'
	done_testing
	exit
}
trace-gen --layers 26 --rows 200 --experts 64 -k 6 -s 2 -o big
{ expert-load big; coact big; } | trace-report -o big.html
timeout 120 "$py" "$TOP/t/browser.py" "$PWD" all.html big.html >seen 2>browser.err
is 'the browser ran' '' cat browser.err
sees() { is "browser: $1" "$3" sed -n "s/^$2 //p" seen; }
sees 'nothing on its console' console '0 0'
sees 'no request but for the page' requests '1 1'
sees 'figures with something in them' figures '15 27'
sees 'numbers sort as numbers' sorted 'true true'
sees 'and fall at the second click' falls 'true true'
sees 'a filter by column, and its count' filter '3 of 24 rows|3'
sees 'the pointer tells a value' pointer "$(head -n 1 want)"
sees 'arrow keys tell the next' keys "$(sed -n 2p want)"
sees 'no script: pictures, tables, no dead field' plain '15 11 0 true'
sees 'dark, and light on paper' dark 'rgb(22, 24, 27) rgb(255, 255, 255)'
sees 'it prints' pdf '%PDF'
done_testing
