#!/bin/sh
# Every number of router-analysis(7) and of its fixtures that a tool can tell, to the digits given.
. "${0%/*}/lib.sh"
D=$DATA/olmoe-kde
tab=$(printf '\t')
col() { # NAME: that column of a tool's text, of the tables that have it
	awk -F'\t' -v name="$1" '
		/^#/ { at = 0; n = split(substr($0, 3), h, "\t"); for (i = 1; i <= n; i++) if (h[i] == name) at = i; next }
		at { print $at }'
}
near() { # files got, want: what differs by more than half of the last digit given, or 1e-13 of it
	paste got want | awk -F'\t' '
		function abs(x) { return x < 0 ? -x : x }
		NF != 2 || $1 == "" || $2 == "" { print "lines differ: " $0; next }
		{ m = $2; sub(/e.*/, "", m); e = $2 ~ /e/ ? substr($2, index($2, "e") + 1) : 0
		  u = m ~ /\./ ? 0.5000001 * 10 ^ (e - length(m) + index(m, ".")) : 0
		  r = 1e-13 * abs($2)
		  if (!(abs($1 - $2) <= (u > r ? u : r))) print NR ": " $0 }'
}
num() { # DESCRIPTION SHELL NUMBER...
	say=$1 shell=$2 && shift 2
	printf '%s\n' "$@" >want
	eval "$shell" >got 2>&1
	is "$say" '' near
}

# ---- section 7: 4 tokens of 8 experts ----
cat >w.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":8,"topk":3}
{"kind":"route","layer":0,"rows":4,"cols":"logit:f32:8","logit":[[2,-1,0.5,0,-0.5,1,-2,0.25],[-0.75,1.5,-0.25,0.75,-1.5,-1.25,0.125,3],[0.5,0.5,-0.5,1.25,-3,-0.125,-1,0.375],[-1.75,0.625,2.5,-0.375,0,-0.875,1.75,-2.25]]}
{"kind":"end","frames":1}
E
jsonl2trace -o w w.jsonl
logit-kde -o k w
trace-filter --frame kde -t k >grid
num 'bandwidths, values' 'logit-kde --at 0 -t w | col bandwidth; logit-kde --rule 1.06 --at 0 -t w | col bandwidth; logit-kde --at 0 -t w | col values' \
	0.6840547840492347 0.7136784901513339 32
num 'the grid: points, ends, step' 'col x <grid | awk "{ v[NR] = \$1 } END { printf \"%d\n%.16g\n%.16g\n%.14e\n%.14e\n\", NR, v[1], v[NR], v[2] - v[1], (v[NR] - v[1]) / (NR - 1) }"' \
	10000 -3.6 3.6 7.2007200720e-4 7.2007200720072e-4
num 'F at its ends' 'col cdf <grid | sed -n "1p;\$p"' 0.007158886253292112 0.9919162043765682
at=-3.6,-3,-1,0,0.5,2,3.6,4
cdf='1.2364095068539725e-05 0.017086884713143034 0.2511884115367154 0.50819231671035 0.6459297281480424 0.9093917278054139 1 1'
logit-kde --compat cumsum -o c w
# shellcheck disable=SC2086
num 'the original cdf' "logit-pval --compat interp --at=$at -t c | col p | awk 'NR > 1 { printf \"%.17g\n\", 1 - \$1 }'" ${cdf#* }
num 'its first entry' 'logit-kde --compat cumsum -t w | col cdf | head -n 1' 1.2364095068539725e-05
num 'the original p' "logit-pval --compat interp --at=$at -t c | col p" 0.9999876359049314 0.982913115286857 0.7488115884632847 \
	0.49180768328964997 0.3540702718519576 0.09060827219458611 0 0
num 'the exact F' "logit-kde --at=$at -t w | col cdf" 0.007158886253292112 0.023964672539432845 0.2544399136351773 \
	0.5075052596952744 0.6431528927324872 0.9026589828005083 0.9919162043765682 0.9972360596483179
p='0.9928411137467079 0.9760353274605671 0.7455600863648226 0.4924947403047256 0.35684710726751284 0.09734101719949173 0.008083795623431762 0.002763940351682093'
# shellcheck disable=SC2086
num 'the exact p' "logit-kde --at=$at -t w | col sf" $p
# shellcheck disable=SC2086
num 'and through the table' "logit-pval --at=$at -t k | col p | head -n 7" ${p% *}
while read -r kernel which want; do
	# shellcheck disable=SC2086
	num "$kernel: $which" "logit-kde --rule 1.06 --kernel $kernel --at=-1,0,0.5,2 -t w | col $which" $want
done <<'E'
gaussian pdf .2099887484 .2748144114 .253560926 .1005420008
gaussian cdf .2565926511 .507534797 .6413926263 .9012137099
tophat pdf .1970425086 .3065105689 .2627233447 .0875744482
tophat cdf .2382579849 .5066196864 .6578404181 .911723403
epanechnikov pdf .2129528653 .3257750073 .3013996198 .0950934734
epanechnikov cdf .232550123 .5022381982 .6651935774 .9141242879
linear pdf .2253607694 .3292576303 .3260453059 .0984560566
linear cdf .2310228403 .5016419131 .6667143237 .915279485
E
trimmed() { # T: n, h, ends of the values from those of the grid, F(0.5)
	logit-kde --trim "$1" --at 0.5 -t w >t
	for c in values bandwidth cdf; do col $c <t; done
	logit-kde --trim "$1" -t w | col x | sed -n '1p;$p' | awk '{ printf "%.15g\n", $1 / ($1 < 0 == NR % 2 ? 1.2 : 0.8) }'
}
num 'trim 1' 'trimmed 1' 24 .4539245190190567 .70765820891271 -1.75 1.75
num 'trim 2' 'trimmed 2' 16 .2858252879939726 .8002935509869098 -.875 .75
num 'p of token 0' 'logit-pval -m k -t w | col p | head -n 1 | tr , "\n"' \
	.0973410172 .7455600864 .3568471073 .4924947403 .6279871031 .2418841847 .9038858082 .4232873519
num 'the mean of the k-th best p' 'logit-pval -m k w | pval-stats -q --by kth -t | col mean' \
	.0938368547 .2200507563 .3337485645 .440763157 .5441442883 .666035418 .7899114408 .9115095204
num 'their distance from uniform' 'logit-pval -m k w | pval-stats -q -t | col ks' .07704024877647575
trace-route -k 8 -t w >soft
num 'softmax of token 0, as f32 has it' "col ids <soft | head -n 1 | tr , '\n' >i; col w <soft | head -n 1 | tr , '\n' | paste i - | sort -n | cut -f 2 | awk '{ printf \"%.6f\n\", \$1 }'" \
	.487732 .024283 .108828 .066007 .040035 .179427 .008933 .084755
num 'softmax of token 1, in its order' "col w <soft | sed -n 2p | tr , '\n' | awk '{ printf \"%.6f\n\", \$1 }'" \
	.679066 .151520 .071573 .038310 .026330 .015970 .009686 .007544
is 'top-3 sets' '0,5,2 7,1,3 3,0,1 2,6,1' sh -c 'trace-route -k 3 -t w | grep -v "^#" | cut -f 4 | xargs'
num 'their weight sums' 'trace-route -k 3 -t w | col w | awk -F, "{ printf \"%.6f\n\", \$1 + \$2 + \$3 }"' .775986 .902159 .668782 .892588
is 'weight sums, counted' '2 1 1' sh -c "trace-route -k 3 w | logit-hist --of wsum --bins 4 --range 0.66,0.94 -t | awk '{ print \$NF }' | sed 1d | grep -v '^0' | sort -r | xargs"
num 'choice counts' 'trace-route -k 3 w | expert-load -t | col n' 2 3 2 2 0 1 1 1
popular() { paste rank e | sort -n | cut -f 2 | xargs; }
trace-route -k 3 w | expert-load -t >load
col rank <load >rank
col expert <load >e
is 'popularity' '1 0 2 3 5 6 7 4' popular
for a in '.05 1 1 1 1' '.3 1 1 1 1' '.6 1 1 1 2' '.9 7 8 7 3'; do
	# shellcheck disable=SC2086
	num "BH at ${a%% *}" "trace-route --rule bh --alpha ${a%% *} --max-k 8 -m k -t w | col count" ${a#* }
done
for b in 'auto 8 1 7 2' '.5 4 1 4 2' '1 8 1 7 2'; do
	# shellcheck disable=SC2086
	num "HC of ${b%% *}" "trace-route --rule hc --beta ${b%% *} --max-k 8 -m k -t w | col count" ${b#* }
done
is 'BH: order of token 1 at .9' 7,1,3,6,2,0,5,4 sh -c 'trace-route --rule bh --alpha .9 --max-k 8 -m k -t w | sed -n 3p | cut -f 4'
num 'its weights, as f32 has them' 'trace-route --rule bh --alpha .9 --max-k 8 -m k -t w | col w | sed -n 2p | tr , "\n" | awk "{ printf \"%.6f\n\", \$1 }"' \
	.679066 .151520 .071573 .038310 .026330 .015970 .009686 .007544

# ---- sections 2, 3, 6: what is said in passing ----
count() { trace-route --rule "$@" | col count | xargs; }
is 'defaults of BH' "$(count bh --alpha 0.05 --min-k 1 --max-k 8 -m k -t w)" count bh --max-k 8 -m k -t w
is 'defaults of HC' "$(count hc --beta 0.5 --min-k 1 --max-k 8 -m k -t w)" count hc --max-k 8 -m k -t w
for rule in bh hc; do
	picks() { trace-route --rule $rule --alpha .9 --max-k 8 -m k --temperature "$1" -t w | cut -f 4,6; }
	same "$rule: temperature selects nothing else" 'picks 1' 'picks 7'
done
# p-values of 0 in front: bf16 holds none below 2^-7, and 2^-7 <= 0.05 k / 64 from k = 10 on
python() { for y in python3 /usr/bin/python3; do command -v $y >/dev/null && $y "$@" && return; done; }
if python -c ''; then
	python - >clamp.jsonl <<'E'
import json
rows = [[0.0] * n + [0.99] * (64 - n) for n in (9, 10, 11)]
print(json.dumps({"kind": "trace", "v": 1, "layers": 1, "experts": 64, "topk": 8}))
print(json.dumps({"kind": "route", "layer": 0, "rows": 3, "cols": "logit:f32:64,p:f64:64", "logit": [[-e for e in range(64)]] * 3, "p": rows}))
print(json.dumps({"kind": "end", "frames": 1}))
E
	jsonl2trace -o clamp clamp.jsonl
	is 'BH in bf16 accepts ten or none' '1 10 11' count bh --max-k 64 --clamp bf16 -t clamp
	is 'in f16 and f32 it does not' '9 10 11 9 10 11' sh -c 'for c in f16 f32; do trace-route --rule bh --max-k 64 --clamp $c -t clamp | grep -v "^#" | awk "{ print \$NF }"; done | xargs'
	is 'the original takes 16 at most' '9 10 11' count bh -t clamp
else
	skip_one 'no python3'
fi
echo '{"samples": [{"layers": [{"layer": 0, "router_logits_sample": [[2, 2]]}]}]}' | log2trace -q -o one
is 'no spread: the bandwidth is 1, and is told' '1 logit-kde: layer 0, trim 0: values without spread, the bandwidth is 1' \
	sh -c 'logit-kde --at 2 -t one 2>err | awk "!/^#/ { print \$3 }" | tr "\n" " "; cat err'
is 'eight tables a layer, under the names of the original' \
	'epanechnikov.pkl gaussian.pkl linear.pkl pkl tophat.pkl trimmed_2.pkl trimmed_4.pkl trimmed_6.pkl' \
	sh -c "sed 's/\"layers\":1/&,\"model\":\"m\"/' w.jsonl | jsonl2trace | logit-kde --kernel gaussian,tophat,epanechnikov,linear --rule 1.06 -o a -
	sed 's/\"layers\":1/&,\"model\":\"m\"/' w.jsonl | jsonl2trace | logit-kde --trim 0,1,2,3 -o b -
	trace2pkl --dir d a && trace2pkl --dir d b && ls d | sed 's/.*layer_0[_.]//' | sort | xargs"

[ -d "$D" ] || { skip_one 'no olmoe-kde' && done_testing && exit; }
# ---- the published tables ----
for f in "$D"/*.pkl; do
	name=$(basename "$f" .pkl)
	awk -F'\t' -v n="$name" '$1 == n && $2 == "p_interp" { print $3 >"at"; print $4 >"want" }' "$D/expected.tsv"
	pkl2trace "$f" | logit-pval --compat interp --at="$(paste -sd, at)" -t | col p >got
	near | sed "s/^/$name: /"
	[ "$(wc -l <want)" -ge 11 ] || echo "$name: $(wc -l <want) lines"
	rm -f at want
done >wrong 2>&1
is 'p of sixteen published tables by logit-pval' '' head -n 20 wrong
while IFS=$tab read -r f result a b c d; do
	[ "$result" = ok ] || continue
	num "p of $f" "pkl2trace '$D/variants/$f' | logit-pval --compat interp --at=-1,0,1,9 -t | col p" "$a" "$b" "$c" "$d"
done <"$D/variants/expected.tsv"
fails 2 'a pickle that would run code' "pkl2trace -o x '$D/variants/bad_foreign_global.pkl'" 'bad_foreign_global.pkl: offset 36: it names builtins.eval, which is not allowed$'
fails 2 'a pickle cut short' "pkl2trace -o x '$D/variants/bad_truncated.pkl'" 'bad_truncated.pkl: offset 2: the pickle ends inside an instruction$'
ok 'nothing is left of them' test ! -e x
pkl2trace -t "$D/distribution_model_layer_0.pkl" >pub
num 'cdf below the table, and where 1 - cdf has no digits left' 'col cdf <pub | head -n 1; col cdf <pub | grep -c "^1\$"' 1.403782968656521e-134 199
pkl2trace -o pub "$D/distribution_model_layer_0.pkl"
num 'p of section 7' 'logit-pval --compat interp --at=-3,-0.66,0,1,2,3,3.390625,4,5 -t pub | col p' 0.9919047093336391 0.5096399462572061 \
	0.1447244126564331 0.04050699705683092 0.0034889682804496447 1.2616015312549855e-05 1.5496125480574108e-06 0 0
comb() { # ADD...: the token -2 + (37 j mod 64) / 16 with that much more at J=X
	awk -v add="$*" 'BEGIN { n = split(add, a, " "); for (i = 1; i <= n; i++) { split(a[i], b, "="); more[b[1]] = b[2] }
		for (j = 0; j < 64; j++) s = s (j ? "," : "") (-2 + 37 * j % 64 / 16 + more[j])
		print "{\"kind\":\"trace\",\"v\":1,\"layers\":1,\"experts\":64,\"topk\":8}"
		print "{\"kind\":\"route\",\"layer\":0,\"rows\":1,\"cols\":\"logit:f32:64\",\"logit\":[[" s "]]}"
		print "{\"kind\":\"end\",\"frames\":1}" }' | jsonl2trace
}
comb >plain
comb 5=2.5 17=1.5 40=1 >raised
least() { logit-pval --compat interp -m pub -t "$1" | col p | tr , '\n' | sort -g | head -n 3; }
num 'the least p of its token' 'least plain' .004162578143680817 .004980089820246336 .0059466169313090456
num 'and of the one with three raised' 'least raised' 0 9.350052045342672e-05 .004162578143680817
interp='--max-k 64 -m pub --compat interp -t'
for a in '.05 1' '.3 32' '.6 39' '.9 45'; do
	# shellcheck disable=SC2086
	is "BH of it at ${a% *}" "${a#* }" count bh --alpha "${a% *}" $interp plain
done
for b in 'auto 24' '.3 19' '.5 24'; do
	# shellcheck disable=SC2086
	is "HC of it, ${b% *}" "${b#* }" count hc --beta "${b% *}" $interp plain
done
is 'BH of the other' '2 32' sh -c "for a in .05 .3; do trace-route --rule bh --alpha \$a $interp raised | awk '!/^#/ { print \$NF }'; done | xargs"
order() { trace-route --rule bh --alpha .3 "$@" | col ids | cut -d , -f 1-6; }
# shellcheck disable=SC2086
is 'its order' 5,17,19,38,57,12 order $interp raised
for c in 'f32 1' 'bf16 8' 'none 1'; do
	# shellcheck disable=SC2086
	is "HC of it, clamped to ${c% *}" "${c#* }" count hc --beta auto --clamp "${c% *}" $interp raised
done

# ---- the semi-real log, line by line ----
log2trace "$D/semi-real/log.json" -o log
is 'samples with gaps between their numbers' '7 1 12 20' sh -c "trace-heads log | sed -n 's/^@seq.* tokens=\([0-9]*\).*/\1/p' | xargs"
log2trace -t "$D/semi-real/log.json" | col logit | tr , '\n' | sort -g >v
mean() { # text has f32 to as many digits as it needs: back to the bf16 that they are, 8 bits
	awk '{ a = $1 < 0 ? -$1 : $1; u = a ? 2 ^ (int(log(a) / log(2) + 1000) - 1007) : 1; s += int($1 / u + ($1 < 0 ? -0.5 : 0.5)) * u }
		END { printf "%.17g\n", s / NR }' v
}
popularity() { expert-load -t log >load && col rank <load >rank && col expert <load >e && popular | tr ' ' ,; }
trimends() { logit-kde --trim "$1" -t log | col x | sed -n '1p;$p' | awk '{ printf "%.15g\n", $1 / ($1 < 0 == NR % 2 ? 1.2 : 0.8) }' | sed -n "$2p"; }
while IFS=$tab read -r what x y; do
	case $what in
	n) num n 'wc -l <v' "$x" ;;
	distinct) num distinct 'uniq v | wc -l' "$x" ;;
	min) num min 'head -n 1 v' "$x" ;;
	max) num max 'tail -n 1 v' "$x" ;;
	mean) num mean mean "$x" ;;
	h_scott) num h_scott 'logit-kde --at 0 -t log | col bandwidth' "$x" ;;
	h_106) num h_106 'logit-kde --rule 1.06 --at 0 -t log | col bandwidth' "$x" ;;
	trim_h) num "trim_h $x" "logit-kde --trim $x --at 0 -t log | col bandwidth" "$y" ;;
	trim_min) num "trim_min $x" "trimends $x 1" "$y" ;;
	trim_max) num "trim_max $x" "trimends $x 2" "$y" ;;
	F_base) num "$what $x" "logit-kde --at=$x -t log | col cdf" "$y" ;;
	S_base) [ "$x" != 12.0 ] && num "$what $x" "logit-kde --at=$x -t log | col sf" "$y" ;;
	F_*) num "$what $x" "logit-kde --rule 1.06 --kernel ${what#F_} --at=$x -t log | col cdf" "$y" ;;
	trim_F*) num "$what $x" "logit-kde --trim $x --at=-0.66 -t log | col cdf" "$y" ;;
	choice_counts) is "$what" "$x" sh -c 'expert-load -t log | grep -v "^#" | cut -f 4 | paste -sd,' ;;
	popularity) is "$what" "$x" popularity ;;
	weight_sum_mean) num "$what" "log2trace -t '$D/semi-real/log.json' | col w | awk -F, '{ for (i = 1; i <= NF; i++) s += \$i } END { printf \"%.7f\n\", s / NR }'" "$(printf %.7f "$x")" ;;
	p_table) pkl2trace --layer 3 "$D/$x" | logit-pval --compat interp -m /dev/stdin log -o p ;;
	p_mean) num "$what" 'pval-stats -q -t p | col mean' "$x" ;;
	p_min) num "$what" 'pval-stats -q -t p | col min' "$x" ;;
	ks_uniform_all) num "$what" 'pval-stats -q -t p | col ks' "$x" ;;
	kth_best_p_mean) num "$what $x" "pval-stats -q --by kth -t p | col mean | sed -n ${x}p" "$y" ;;
	ks_beta) num "$what $x" "pval-stats -q --by kth -t p | col ks | sed -n ${x}p" "$y" ;;
	bh_counts*) is "$what $x" "$(echo "$y" | tr , ' ')" count bh --alpha "$x" --max-k 64 --clamp f32 -t p ;;
	hc_counts*) is "$what $x" "$(echo "$y" | tr , ' ')" count hc --beta "$x" --max-k 64 --clamp f32 -t p ;;
	*) is "a line that is known" '' echo "$what" ;;
	esac
done <"$D/semi-real/expected.tsv"
is 'S at 12 is 0, or less than a double has' 1 sh -c "logit-kde --at=12 -t log | awk '!/^#/ { print (\$(NF - 1) < 2.3e-308) }'"

# ---- as users write it ----
is 'a log to tables of trims 0 and 2' '0 2' sh -c "log2trace '$D/semi-real/log.json' | logit-kde --kernel gaussian --trim 0,2 >k.trace; trace-heads k.trace | sed -n 's/^@kde.* trim=\([0-9]*\).*/\1/p' | xargs"
num 'a pickle to p' "pkl2trace '$D/distribution_model_layer_0.pkl' | logit-pval --compat interp --at 0,1,2,3 -t | col p" \
	0.1447244126564331 0.04050699705683092 0.0034889682804496447 1.2616015312549855e-05
num 'a log to the k-th best: a line for each of 64' "log2trace '$D/semi-real/log.json' | logit-pval -m k.trace | pval-stats --by kth -t 2>/dev/null | col k" $(seq 64)
is 'a log to BH to counts: most take one' '40 40' sh -c "log2trace '$D/semi-real/log.json' | trace-route --rule bh --alpha 0.05 --max-k 8 -m k.trace | topk-stats -t |
	awk -F'\t' '!/^#/ && \$2 == 1 { s += \$5; n = \$3 } END { print n, s }'"
done_testing
