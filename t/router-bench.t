#!/bin/sh
# router-bench: every strategy's results, sizes that are odd, what its frames say, what it refuses.
. "${0%/*}/lib.sh"
field() { # FRAME COLUMN FILE: by name
	trace-filter --frame "$1" -t "$3" | awk -F'\t' -v c="$2" '
		/^#/ { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next } { print $at[c] }'
}
all='naive_topk masked_matmul fused_select sinkhorn fused_router'
small='--cpu --warm --samples 1 --warmup 0 --copy-gbs 10'
run() { router-bench $small "$@"; }
for dtype in f32 f16 bf16; do
	for size in '1 1' '3 2' '8 2' '60 4' '64 2' '256 8' '257 8' '512 16' '1024 64'; do
		for tokens in 1 31 129; do
			[ $dtype = f16 ] || [ $tokens = 31 ] || continue
			run --dtype $dtype --tokens $tokens --d-model 40 --experts "${size% *}" -k "${size#* }" --all-strategies >o ||
				echo "$dtype $size $tokens"
			[ "$(field router check o | sort -u)" = ok ] || echo "$dtype $size $tokens: $(field router check o | xargs)"
		done
	done
done >bad 2>&1
is 'all strategies are right at 45 sizes' '' cat bad
run --tokens 300 --d-model 64 --experts 16 -k 2 --all-strategies -o o
is 'all strategies, the reference'\''s first' "$all" sh -c 'trace-filter --frame router -t o | tail -n +2 | cut -f 2 | xargs'
is 'stages of each' 'naive_topk:logit select index gather pack route
masked_matmul:logit select route
fused_select:logit select+index gather select+pack route
sinkhorn:logit select index gather pack route
fused_router:logit+select index gather pack route' sh -c 'trace-filter --frame stage -t o | tail -n +2 | awk -F"\t" "
	\$2 != s { printf \"%s%s:\", s ? \"\n\" : \"\", \$2; s = \$2; b = \"\" } { printf \"%s%s\", b, \$3; b = \" \" } END { print \"\" }"'
# 300 rows of 64 in, 600 out, 2 bytes each; 600 places and 600 weights of 4
is 'bytes of a gather' $((900 * 64 * 2 + 600 * 8)) sh -c 'trace-filter --frame stage -t o | awk -F"\t" '"'"'$3 == "gather" { for (i = 1; i <= NF; i++) if (h[i] == "moved_bytes") print $i; exit } /^#/ { n = split($0, h, "\t") }'"'"
is 'operations of a product' $((2 * 300 * 64 * 16)) sh -c 'trace-filter --frame stage -t o | awk -F"\t" '"'"'$3 == "logit" { for (i = 1; i <= NF; i++) if (h[i] == "flops") print $i; exit } /^#/ { n = split($0, h, "\t") }'"'"
trace2jsonl o >j
python3 - >said <<'E' 2>&1
import json
f = [x for x in map(json.loads, open('j')) if x['kind'] == 'bench']
roof = float(next(x for x in f if x['name'] == 'device')['product_tflops'])
T, d, E, k, bad = 300, 64, 16, 2, 0
picks, place = T * k * 6, T * k * 8 + (2 * E + 1) * 4
moved = {'logit': (T * d + E * d + T * E) * 2, 'select': T * E * 2 + picks, 'index': T * k * 2 + place,
         'logit+select': (T * d + E * d) * 2 + picks, 'select+index': T * E * 2 + picks + T * k * 2 + place,
         'gather': (T + T * k) * d * 2 + T * k * 8}
def want(x, key, y):
    global bad
    if abs(float(x[key]) - y) > 1e-3 * y:
        bad += 1
        print(x['strategy'], x['stage'], key, x[key], y)
for s in {x['strategy'] for x in f if x['name'] == 'stage'}:
    stage = {x['stage']: x for x in f if x['name'] == 'stage' and x['strategy'] == s}
    parts = [b for b in moved if b in stage]
    size = dict(moved)
    if s == 'masked_matmul':
        size['select'] += picks + T * E * 4
    size['pack'] = size['index'] + size['gather']
    size['select+pack'] = size['select+index'] + size['gather']
    size['route'] = sum(size[b] for b in parts)
    want(stage['route'], 'parts_us', sum(float(stage[b]['median_us']) for b in parts))
    for b, x in stage.items():
        want(x, 'moved_bytes', size[b])
        want(x, 'gbs', size[b] / float(x['median_us']) / 1e3)
        want(x, 'pct_copy', 100 * float(x['gbs']) / 10)
        if 'logit' in b or b == 'route':
            want(x, 'tflops', 2 * T * d * E / float(x['median_us']) / 1e6)
            want(x, 'pct_product', 100 * float(x['tflops']) / roof)
print(bad)
E
is 'bytes, rates and percents of all stages' 0 cat said
is 'a sample a turn' '7 7' sh -c "router-bench --cpu --tokens 64 --d-model 16 --samples 7 --copy-gbs 1 -o seven; trace2jsonl seven | python3 -c '
import json, sys
f = [json.loads(l) for l in sys.stdin]
s = [x for x in f if x[\"kind\"] == \"bench\" and x[\"name\"] == \"stage\"]
print(min(len(x[\"us\"]) for x in s), max(x[\"n\"] for x in s))'"
is 'medians are of the samples' '' sh -c "trace2jsonl seven | python3 -c '
import json, sys, statistics
for l in sys.stdin:
    x = json.loads(l)
    if x[\"kind\"] == \"bench\" and x[\"name\"] == \"stage\":
        m = statistics.median(v if isinstance(v, float) or isinstance(v, int) else v[0] for v in x[\"us\"])
        if abs(float(x[\"median_us\"]) - m) > 1e-3 * m: print(x[\"stage\"], x[\"median_us\"], m)'"
# Other scores and choices
awk 'BEGIN { for (i = 0; i < 32; i++) print i % 5 / 10 }' >bias
for o in '--softmax before' '--softmax before --renorm' '--softmax none' '--sigmoid --renorm' '--sigmoid --bias bias --renorm' \
	'--sigmoid --bias bias --groups 8 --topk-groups 3' '--groups 4 --topk-groups 2'; do
	run --tokens 100 --d-model 32 --experts 32 -k 4 --dtype f32 --all-strategies $o >o
	case $o in *groups*) n=4 ;; *) n=5 ;; esac
	[ "$(field router check o | grep -cx ok)" = $n ] || echo "$o: $(field router check o | xargs)"
done >bad 2>&1
is 'other scores, a bias, groups' '' cat bad
run --tokens 2000 --d-model 32 --experts 32 -k 4 --dtype f32 --sigmoid --bias bias -o o
is 'a bias makes experts busy' 1 sh -c "trace-filter --frame router -t o | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) if (\$i == \"cv\") c = i; next } { print (\$c > 0.2) }'"
fails 2 'a bias of others' 'router-bench --cpu --experts 8 --bias bias' 'bias: 32 numbers, and 8 experts'
fails 2 'half of groups' 'router-bench --cpu --groups 8' 'both'
fails 2 'groups that do not divide' 'router-bench --cpu --experts 30 --groups 4 --topk-groups 2' 'groups'
for b in router ffn ep; do
	fails 2 "half of a skew: $b" "$b-bench --cpu --skew-bias 3" 'both'
done
fails 2 'two scores' 'router-bench --cpu --sigmoid --softmax none' 'one of them'
# Skew: a hot expert of unit logits has several times its share; of the reference's inputs hardly more.
skew() { run --tokens 2048 --d-model 256 --experts 64 -k 2 --skew-experts 8 --skew-bias 2 "$@" | cat >s; field router max_mean s; }
is 'a bias of 2 is much' 1 sh -c "awk -v x=$(skew) 'BEGIN { print (x > 4) }'"
is 'and little of the reference'\''s inputs' 1 sh -c "awk -v x=$(skew --reference-inputs) 'BEGIN { print (x < 2.5) }'"
is 'popularity by rank' 1 sh -c "run() { router-bench $small \"\$@\"; }; run --tokens 2048 --d-model 256 --zipf 1 -o z; trace-filter --frame router -t z | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) if (\$i == \"max_mean\") c = i; next } { print (\$c > 6) }'"
is 'sinkhorn evens the load' 1 sh -c "router-bench $small --tokens 2048 --d-model 256 --zipf 1 --strategies naive_topk,sinkhorn -o z
	trace-filter --frame router -t z | awk -F'\t' '/^#/ { for (i = 1; i <= NF; i++) if (\$i == \"max_mean\") c = i; next } { m[\$2] = \$c } END { print (m[\"sinkhorn\"] < m[\"naive_topk\"] / 3) }'"
is 'its sweeps and errors' 1 sh -c "trace-filter --frame sinkhorn -t z | awk -F'\t' 'NR == 2 { print (\$2 == 10 && \$3 < 0.1 && \$4 < 0.1) }'"
for isa in plain avx2 avx512 neon; do
	router-bench $small --isa $isa --tokens 100 --d-model 32 --experts 100 -k 5 --no-check 2>err | trace-filter --frame device -t - 2>/dev/null | grep -q "$isa" || grep -q 'not on this processor' err || echo $isa
done >bad
is 'code for each processor, or a word that it is not' '' cat bad

# A trace's logits
trace-gen --logits --layers 2 --rows 600 --experts 24 -k 3 -s 5 -o t
run --from-trace -l 1 --strategies naive_topk,sinkhorn <t >o
is 'rows, experts and picks of a trace' '600 24 3' sh -c "trace-filter --frame stage -t o | awk -F'\t' 'NR == 2 { print \$4, \$6, \$7 }'"
is 'no product and no rows' 'select index route select index route' sh -c "trace-filter --frame stage -t o | tail -n +2 | cut -f 3 | xargs"
run -k 2 --tokens 100 --d-model 8 --dtype bf16 t >o
is 'or some of it, with rows' '100 8 24 2 bf16' sh -c "trace-filter --frame stage -t o | awk -F'\t' 'NR == 2 { print \$4, \$5, \$6, \$7, \$8 }'"
is 'which picks as the trace says' 'ok' field router check o

run --tokens 64 --d-model 16 --all-strategies --timeline line.json -o o
is 'a timeline of all stages' '16 5 0' "$(command -v python3)" -c "
import json
e = json.load(open('line.json'))['traceEvents']
x = [b for b in e if b['ph'] == 'X']
ends = sorted((b['ts'], b['ts'] + b['dur']) for b in x)
print(len(x), len({b['tid'] for b in x}), sum(a[1] > b[0] + 1e-2 for a, b in zip(ends, ends[1:])))"
run --sweep --batch-sizes 1,3 --seq-len 32 --d-model 48 --experts 8 -k 3 --dtype f32 -o o
is 'the sweep' 'atomic 32 ok index 32 ok atomic 96 ok index 96 ok' sh -c "trace-filter --frame sweep -t o | awk -F'\t' '/^# name.packing/ { for (i = 1; i <= NF; i++) if (\$i == \"check\") c = i; next } c && \$1 == \"sweep\" && \$2 ~ /atomic|index/ { print \$2, \$5, \$c }' | xargs"
is 'its theory' "$(awk 'BEGIN { printf "%.4g", 2 * 32 * 3 * 48 * 4 / 10e9 * 1e6 }')" sh -c "trace-filter --frame sweep -t o | awk -F'\t' '/^# name.packing/ { for (i = 1; i <= NF; i++) if (\$i == \"theory_us\") c = i; next } c { print \$c; exit }'"
run --copy-gbs 0.00001 --sweep --batch-sizes 1 --seq-len 32 --d-model 48 --experts 8 -k 3 --dtype f32 -o o2
is 'a long one to the unit' $((2 * 32 * 3 * 48 * 4 * 100)) sh -c "trace-filter --frame sweep -t o2 | awk -F'\t' '/^# name.packing/ { for (i = 1; i <= NF; i++) if (\$i == \"theory_us\") c = i; next } c { print \$c; exit }'"
# 32 rows of 48 in, 96 out, of 4 bytes; of 96 routes id, weight, place and order twice; of 8 experts counts and offsets
is 'its bytes: each row is read once' $((128 * 48 * 4 + 96 * 18 + 17 * 4)) sh -c "trace-filter --frame sweep -t o | awk -F'\t' '/^# name.packing/ { for (i = 1; i <= NF; i++) if (\$i == \"moved_bytes\") c = i; next } c { print \$c; exit }'"
ok 'drawn' plot-curves --frame sweep -x tokens -y naive_us,index_us,theory_us --logx --logy -o s.svg o
ok 'another naive way' run --sweep --naive scan --batch-sizes 2 --seq-len 16 --d-model 8 -o /dev/null
same 'the same sizes with more threads' "router-bench $small -j 3 --tokens 300 --d-model 64 --all-strategies | trace-filter --frame router -t - | cut -f 2,3,13-" \
	"router-bench $small --tokens 300 --d-model 64 --all-strategies | trace-filter --frame router -t - | cut -f 2,3,13-"

cat >odd.jsonl <<'E'
{"kind":"trace","v":1,"layers":1,"experts":4,"topk":2}
{"kind":"route","layer":0,"rows":5,"cols":"ids:u8:2,logit:f32:4","ids":[[3,0],[2,3],[0,2],[0,1],[0,3]],"logit":[[1,"-inf",0,2],["nan","-inf",1,0.25],["inf","-inf",3,1],["nan","-inf","nan","nan"],[3,"-inf",-200,0.5]]}
{"kind":"end","frames":1}
E
jsonl2trace odd.jsonl -o odd && run --all-strategies odd >o
is 'logits that are masked, infinite or NaN' 'ok ok ok ok' echo "$(field router check o | xargs)"

fails 2 'k above experts' 'router-bench --cpu --experts 4 -k 5' '5'
fails 2 'too many experts' 'router-bench --cpu --experts 1025' 'experts'
fails 2 'too many of a trace' "trace-gen --logits --rows 2 --experts 1025 -k 2 | router-bench --cpu --from-trace" '1025'
fails 2 'no such strategy' 'router-bench --cpu --strategies naive_topk,best' "no strategy 'best': --help lists them"
fails 2 'no such strategy alone' 'router-bench --cpu --strategy best' 'strategy'
fails 2 'a timeline of a sweep' 'router-bench --cpu --sweep --timeline x' 'not with --sweep'
for x in 1e-320 1e300; do
	fails 2 "temperature $x, which f32 has not" "router-bench $small --tokens 8 --d-model 8 --strategy sinkhorn --temperature $x" 'temperature'
done
fails 2 'a trace without logits' 'trace-gen --rows 4 | router-bench --cpu --from-trace' 'logit'
fails 2 'no trace' ': | router-bench --cpu --from-trace' ''
if [ -z "${ASAN_OPTIONS:-}" ]; then
	fails 2 'too little memory' '(ulimit -v 4000000; router-bench --cpu --tokens 1000000 --d-model 100000)' 'memory'
	for kib in 150000 180000; do # OpenBLAS by itself would ask for its 128 MiB for ever
		fails 2 "no memory for products, $kib" "(ulimit -v $kib; OPENBLAS_NUM_THREADS=1 timeout 60 router-bench --cpu --tokens 8 --d-model 8 --samples 1)" 'memory'
	done
fi
fails 2 'a timeline to nowhere' "router-bench $small --tokens 8 --d-model 8 --timeline no/line.json" '^router-bench: no/line.json: No such file'
fails 2 'a trace without logits, and a timeline' 'trace-gen --rows 4 | router-bench --cpu --from-trace --timeline left.json' logit
is 'leave nothing of it' '' sh -c 'ls left* 2>/dev/null'
fails 2 'a full disk' "router-bench $small --tokens 8 --d-model 8 >/dev/full" 'space'
if router-bench --tokens 8 --d-model 8 >/dev/null 2>err; then
	skip_one 'there is a GPU'
else
	fails 3 'no GPU' 'router-bench' 'no GPU: .*--cpu'
fi
done_testing
