#!/bin/sh
# trace-route: the tool about the rules; the rules' own numbers are in t/rules.t.
. "${0%/*}/lib.sh"

trace() { # TRACE-KEYS FRAME...: a trace of JSON frames
	echo "{\"kind\":\"trace\",\"v\":1,$1}"
	shift
	for f; do echo "$f"; done
	echo "{\"kind\":\"end\",\"frames\":$#}"
}
two='"layers":1,"map":"3","experts":4,"topk":2'
rows='"rows":2,"cols":"logit:f32:4","logit":[[3,2,1,0],[0,1,5,2]]'
trace "$two" "{\"kind\":\"route\",\"layer\":3,$rows}" | jsonl2trace -o r
trace "$two" '{"kind":"route","layer":3,"rows":2,"cols":"logit:f32:4,p:f64:4","logit":[[3,2,1,0],[0,1,5,2]],"p":[[0.01,0.02,0.5,0.9],[0.8,0.7,0.001,0.6]]}' |
	jsonl2trace -o p
kde='"rows":3,"cols":"x:f64,cdf:f64,sf:f64","x":[0,2,6],"cdf":[0,0.5,1],"sf":[1,0.01,0.0001]'
trace "$two" "{\"kind\":\"kde\",\"layer\":3,\"kernel\":\"gaussian\",\"trim\":2,\"rows\":2,\"cols\":\"x:f64,sf:f64\",\"x\":[0,6],\"sf\":[1,1]}" \
	"{\"kind\":\"kde\",\"layer\":3,\"kernel\":\"gaussian\",\"trim\":0,$kde}" | jsonl2trace -o k
trace '"layers":1,"experts":4,"topk":2' "{\"kind\":\"kde\",\"layer\":0,$kde}" | jsonl2trace -o k-of-0
trace "$two" '{"kind":"kde","layer":3,"rows":2,"cols":"x:f64,cdf:f64","x":[0,6],"cdf":[0,1]}' | jsonl2trace -o k-cdf
trace "$two" '{"kind":"kde","layer":3,"rows":2,"cols":"x:f64,sf:f64","x":[6,0],"sf":[0,1]}' | jsonl2trace -o k-bad

cols() { # NAMES ARGS...: those columns of the text, a row a line
	names=$1 && shift
	trace-route -t "$@" | awk -v names="$names" '
		/^#/ { for (i = 2; i <= NF; i++) at[$i] = i - 1; next }
		{ n = split(names, a, ","); s = ""
		  for (i = 1; i <= n; i++) s = s (i > 1 ? ":" : "") $at[a[i]]
		  printf "%s ", s } END { print "" }'
}
is 'top-k as the input has it' '0,1:2 2,3:2 ' cols ids,count r
is '-k' '0:1 2:1 ' cols ids,count -k 1 r
is 'logits are kept' '3,2,1,0 0,1,5,2 ' cols logit -k 1 r
is 'softmax after' '0.7310586,0.26894143 0.95257413,0.047425874 ' cols w --softmax after r
is 'logits as weights, divided by their sum' '0.6,0.4 0.71428573,0.2857143 ' cols w --softmax none --renorm r
is 'temperature' '0.62245935,0.37754068 0.8175745,0.18242553 ' cols w --softmax after --temperature 2 r
echo '0 0 0 9' >bias
is 'a bias chooses' '3,0 3,2 ' cols ids --sigmoid --bias bias r
is 'groups' '0,1 2,3 ' cols ids --rule group --groups 2 --topk-groups 1 r
is 'the trace line says how many' 'topk=1 score=sigmoid' sh -c 'trace-route -k 1 --sigmoid r | head -n 1 | grep -o "topk=.*sigmoid"'
is 'renorm=1 where weights sum to one' 1 sh -c 'trace-route --softmax after r | head -n 1 | grep -c "renorm=1"'
is 'bh on column p' '0,1,-,-:2 2,-,-,-:1 ' cols ids,count --rule bh p
is 'at most' '0:1 2:1 ' cols ids,count --rule bh --max-k 1 p
is 'at least' '0,1,2,-:3 2,3,1,-:3 ' cols ids,count --rule bh --min-k 3 p
is 'empty slots weigh nothing' '0.7310586,0.26894143,0,0 1,0,0,0 ' cols w --rule bh p
is 'hc' '0,1,-,-:2 2,-,-,-:1 ' cols ids,count --rule hc p
is 'hc does not divide' '0.6439143,0.23688282,0,0 0.93037045,0,0,0 ' cols w --rule hc p
# by ln sf p of 3 is 10^-2.5, of 2 0.01, of 1 0.1, of 5 10^-3.5
is 'the table of the layer, of trim 0' '2 2 ' cols count --rule bh --alpha 0.1 -m k r
is 'a rank that fails by itself' '3 3 ' cols count --rule bh --alpha 0.15 -m k r
is 'another trim' '1 1 ' cols count --rule bh --trim 2 -m k r
is '--compat interp' '1 1 ' cols count --rule bh --alpha 0.1 --compat interp -m k r
ok 'what comes out is a trace' sh -c 'trace-route --rule hc p | trace-check'
is 'and is counted' '0 1;1 1;2 1;3 0;' sh -c 'trace-route --rule hc p | expert-load -t | sed 1d | cut -f3,4 | tr "\t\n" " ;"'
same 'twice is once' 'trace-route --rule hc p | trace-route --rule hc --no-prog -t' 'trace-route --rule hc -t p'

# a batch's layer in one frame or in three, in any order
wide() { # SEED: 12 rows of 8 logits, cut by frames of $2 rows
	awk -v s="$1" -v cut="$2" 'BEGIN {
		srand(s)
		for (r = 0; r < 12; r++) {
			line = ""
			for (e = 0; e < 8; e++) line = line (e ? "," : "") sprintf("%.3f", 3 * rand() - 0.3 * e)
			row[r] = "[" line "]"
		}
		print "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":8,\"topk\":2}"
		for (r = n = 0; r < 12; r += cut) {
			x = row[r]
			for (i = 1; i < cut; i++) x = x "," row[r + i]
			print "{\"kind\":\"route\",\"layer\":0,\"row0\":" r ",\"rows\":" cut ",\"cols\":\"logit:f32:8\",\"logit\":[" x "]}"
			n++
		}
		print "{\"kind\":\"end\",\"frames\":" n "}" }' | jsonl2trace
}
for s in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	wide $s 12 >whole && wide $s 4 >parts
	for rule in topk capacity reroute sinkhorn; do
		trace-route --rule $rule -t whole | grep -v '^#' | sort -n >a
		trace-route --rule $rule -t parts | grep -v '^#' | sort -n >b
		cmp -s a b || echo "$rule, seed $s: parts differ"
		[ -s a ] || echo "$rule: nothing"
	done
	for rule in capacity reroute; do
		most=$(trace-route --rule $rule whole | expert-load --kept -t | sed 1d | cut -f4 | sort -n | tail -n 1)
		[ "$most" -le 3 ] || echo "$rule, seed $s: $most rows at one expert"
	done
	[ "$(trace-route --rule reroute whole | expert-load -t | awk '!/^#/ { n += $4 } END { print n }')" = 24 ] ||
		echo "reroute, seed $s: not all are placed"
done >bad 2>&1
is 'frames of a batch go together; capacity holds; 20 seeds' '' cat bad
fails 2 'a batch that comes again' "trace '\"layers\":2,\"experts\":4,\"topk\":2' '{\"kind\":\"route\",\"layer\":0,$rows}' '{\"kind\":\"route\",\"layer\":1,$rows}' '{\"kind\":\"route\",\"layer\":0,$rows}' | jsonl2trace | trace-route --rule capacity" 'trace-sort first'

fails 2 'bias and sinkhorn' 'trace-route --rule sinkhorn --bias bias r' 'not with --rule sinkhorn'
for rule in topk capacity hc; do
	ok "cuts and flips, $rule" "$BUILD/t/flip" 7 p trace-route --rule $rule
done
fails 2 'no logits' 'trace-gen | trace-route' 'has no column logit: log2trace, pt2trace --logits and trace-gen --logits write it'
fails 2 'no table for the layer' 'trace-route --rule bh -m k-of-0 r' 'no table for layer 3'
fails 2 'no tables at all' 'trace-route --rule hc r' 'give -m'
fails 2 'no sf' 'trace-route --rule hc -m k-cdf r' 'no column sf .--compat interp reads cdf.$'
fails 2 'a table that falls' 'trace-route --rule hc -m k-bad r' 'x does not ascend'
fails 2 'no such kernel' 'trace-route --rule hc -m k --kernel none r' 'no kde frame'
fails 2 'k > experts' 'trace-route -k 5 r' 'more than the 4 experts'
fails 2 'max-k > experts' 'trace-route --rule bh --max-k 5 p' 'more than the 4 experts'
fails 2 'groups that do not divide' 'trace-route --rule group --groups 3 --topk-groups 1 r' 'do not divide'
fails 2 'too few in the groups' 'trace-route --rule group -k 2 --groups 4 --topk-groups 1 r' 'have experts'
fails 2 'a short bias' 'echo 1 2 >b2; trace-route --bias b2 r' 'not a number an expert'
fails 2 'no number in it' 'echo 1 x 2 >b3; trace-route --bias b3 r' 'not a number: x'
fails 2 'beta' 'trace-route --rule hc --beta 2 p' 'not auto'
fails 2 'clamp' 'trace-route --rule hc --clamp 0.6 p' 'not f32'
fails 2 'bias and bh' 'trace-route --rule bh --bias bias p' 'not with --rule bh'
fails 2 'a full disk' 'trace-route r >/dev/full' 'No space'

# the worked example: decisions, what was found, p counted in the batch
cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":3}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
logit-kde -o kw w
why() { # KEYS ARGS...: of each decision, its first row
	names=$1 && shift
	trace-route --decisions 1 -t "$@" | awk -F'\t' -v names="$names" '
		/^#/ { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["rank"] == 1 { n = split(names, a, ",")
			for (i = 1; i <= n; i++) printf "%s%s", (i > 1 ? ":" : ""), $at[a[i]]
			printf " " } END { print "" }'
}
hc="--rule hc --max-k 8 -m kw w"
is 'beta auto: ranks and HC' '8:0.9223207272640125 1:1.7153763085100306 7:0.8405804075550164 2:1.0749276649831947 ' why best_rank,hc_max --beta auto $hc
is 'beta 0.5' '4:0.43915171618903226 1:1.7153763085100306 4:0.6406610735998891 2:1.0749276649831947 ' why best_rank,hc_max --beta 0.5 $hc
is 'columns of --best say the same' '8:0.9223207272640125 1:1.7153763085100306 7:0.8405804075550164 2:1.0749276649831947 ' cols best_rank,hc_max --best --beta auto $hc
is 'the ranks looked at' '1:8:8:8 1:8:8:8 3:8:6:6 1:8:8:8 ' why from,to,looked_at,positive --beta auto $hc
is 'the first ranks, and those from --min-k on' '2:4:3 2:4:3 2:4:3 2:4:3 ' why from,to,looked_at --beta 0.5 --min-k 2 $hc
is 'reasons' 'max_k_ceiling hc_threshold max_k_ceiling hc_threshold ' why reason --rule hc --beta auto --max-k 3 -m kw w
is 'none to look at' 'no_signal:0:0:3 no_signal:0:0:3 no_signal:0:0:3 no_signal:0:0:3 ' why reason,best_rank,from,count --rule hc --beta 0.25 --min-k 3 --max-k 4 -m kw w
is 'bh: its floor and ceiling' 'max_k_ceiling:7:5 max_k_ceiling:8:5 max_k_ceiling:7:5 min_k_floor:3:4 ' why reason,best_rank,count --rule bh --alpha 0.9 --min-k 4 --max-k 5 -m kw w
is 'bh without a rank' 'no_signal:1 no_signal:1 no_signal:1 no_signal:1 ' why reason,count --rule bh --alpha 0.05 -m kw --max-k 8 w
is 'the logits of a row' '-2:2:0.03125:1.22793 -3:1.25:-0.25:1.3076 ' sh -c "trace-route --decisions 2 -t $hc | awk -F'\t' '\$4 ~ /^[0-9]/ && !s[\$4]++ { printf \"%s:%s:%s:%.6g \", \$5, \$6, \$7, \$8 } END { print \"\" }'"
is 'the order of row 1' '7 1 3 6 2 0 5 4 ' sh -c "trace-route --decisions 1 -t --rule bh --alpha 0.9 --max-k 8 -m kw w | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) at[\$i] = i; next } \$4 == 1 { printf \"%s \", \$at[\"expert\"] } END { print \"\" }'"
is 'its weights' '.6790660928 .1515201260 .0715730396 .0383102874 .0263302498 .0159701038 .0096863576 .0075437429 ' sh -c "trace-route --decisions 1 -t --rule bh --alpha 0.9 --max-k 8 -m kw w | awk -F'\t' '\$4 == 1 { x = sprintf(\"%.10f\", \$NF); sub(/^0/, \"\", x); printf \"%s \", x } END { print \"\" }'"
is 'p, and as it was clamped' "0.09734101719949187:0.3 $(logit-pval --at 3 -t kw | awk 'END { printf "%.5f", $NF }'):0.3" sh -c "trace-route --decisions 1 -t --rule hc --clamp 0.3 --max-k 8 -m kw w | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) at[\$i] = i; next } \$4 < 1 && \$at[\"rank\"] == 1 { printf \"%s:%s \", \$at[\"p\"], \$at[\"clamped\"] } \$4 == 1 && \$at[\"rank\"] == 1 { printf \"%.5f:%s\", \$at[\"p\"], \$at[\"clamped\"] }'"
ok 'decisions beside the routes' sh -c "trace-route --no-prog --decisions 2 --decisions-to d -o r1 $hc && trace-route --no-prog -o r2 $hc && cmp r1 r2 && trace-check d && trace-route --no-prog --decisions 2 $hc | trace-filter --no-prog -o d2 && trace-filter --no-prog d | trace-cmp - d2"
for s in 1 2 3 4 5 6 7 8 9 10; do
	wide $s 12 >whole && wide $s 4 >parts
	for o in "--decisions 5" --best; do
		for f in whole parts; do
			# shellcheck disable=SC2086
			trace-route --no-prog --rule hc --empirical $o -t $f | grep -v '^#' >$f.e
		done
		cmp whole.e parts.e || echo "$s: parts differ, $o"
		[ -s whole.e ] || echo nothing
	done
	trace2jsonl whole | /usr/bin/python3 -c '
import json, sys
for line in sys.stdin:
    f = json.loads(line)
    if f["kind"] == "route":
        x = f["logit"]
for t, r in enumerate(x):
    p = sorted((sum(o[e] >= r[e] for o in x) + 1) / (len(x) + 1) for e in range(len(r)))
    print("\n".join(map(repr, p)))' >want
	trace-route --rule hc --empirical --decisions 1 -t whole |
		awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) if ($i == "p") at = i; next } { print $at }' >got
	paste want got | awk '($1 - $2) ^ 2 > 1e-30 { print } END { if (NR != 96) print NR }'
done >bad 2>&1
is 'counted p are those of the batch, whatever its frames: 10 seeds' '' cat bad
is 'of a single row, its experts' '0.2222222222222222 0.3333333333333333 0.4444444444444444 0.5555555555555556 0.6666666666666666 0.7777777777777778 0.8888888888888888 1 ' sh -c "sed 's/rows\":4/rows\":1/; s/\],\[.*/]]}/' w.jsonl | jsonl2trace | trace-route --rule bh --empirical --decisions 1 --max-k 8 -t | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) if (\$i == \"p\") at = i; next } { printf \"%s \", \$at } END { print \"\" }'"
same 'a table, where there is one, is used' "trace-route --no-prog -t --empirical $hc" "trace-route --no-prog -t $hc"
is 'and where not, p are counted' 4 sh -c "trace-route --rule hc --empirical -m k --max-k 8 --decisions 1 -t w | grep -c ':\|hc_threshold' | awk '{ print \$1 / 8 }'"
fails 2 'decisions of top-k' 'trace-route --decisions 1 w' 'only with --rule bh or hc'
fails 2 'decisions to, but none' "trace-route --decisions-to x $hc" 'only with --decisions'
fails 2 'best of top-k' 'trace-route --best w' '--best: only with --rule bh or hc'
fails 2 'counted top-k' 'trace-route --empirical w' '--empirical: only with'
fails 2 'a full disk, decisions' "trace-route --decisions 1 --decisions-to /dev/full -o r1 $hc" 'No space'

# the published tables and the semi-real log, through Python
O=$DATA/olmoe-kde
if /usr/bin/python3 -c 'import numpy, pickle' 2>/dev/null && [ -f "$O/semi-real/log.json" ]; then
	cat >frames.py <<'!'
import json, pickle, sys
def out(head, frames):
    for f in [dict(kind="trace", v=1, experts=64, topk=8, layers=1, **head), *frames,
              dict(kind="end", frames=len(frames))]:
        print(json.dumps(f))
if sys.argv[1].endswith(".pkl"):
    d = pickle.load(open(sys.argv[1], "rb"))
    out({"map": "3"}, [dict(kind="kde", layer=3, kernel="gaussian", rows=10000, cols="x:f64,cdf:f64",
                            x=d["x"].tolist(), cdf=d["cdf"].tolist())])
else:
    key = "router_logits_sample"
    frames = []
    for i, s in enumerate(json.load(open(sys.argv[1]))["samples"]):
        x = s["layers"][0][key]
        frames.append(dict(kind="route", batch=i, layer=3, rows=len(x), cols="logit:f32:64", logit=x))
    out({"map": "3"}, frames)
!
	for l in 0 7; do
		/usr/bin/python3 frames.py "$O/distribution_model_layer_$l.pkl" | jsonl2trace -o "k$l"
	done
	/usr/bin/python3 frames.py "$O/semi-real/log.json" | jsonl2trace -o log
	ok 'the numbers of the real table' "$BUILD/t/rules" k0
	while read -r what x want; do
		case $what in
		bh_counts*) set -- --rule bh --alpha "$x" ;;
		hc_counts*) set -- --rule hc --beta "$x" ;;
		*) continue ;;
		esac
		is "$what $x" "$want" sh -c "trace-route $* --max-k 64 --clamp f32 -m k7 --compat interp -t log |
			awk -F'\t' '/^#/ { next } { printf \"%s%s\", n++ ? \",\" : \"\", \$NF }'"
	done <"$O/semi-real/expected.tsv"
else
	skip_one 'no numpy, or no data'
fi
done_testing
