#!/bin/sh
# pkl2trace: the published tables to their values, all dialects, nothing else.
. "${0%/*}/lib.sh"
D=$DATA/olmoe-kde
# An array by hand, protocol 3: N elements of TYPE, as numpy 1 or 2 names it.
array() { # MODULE N TYPE ORDER BYTES
	n=$(printf %03o "$2") bytes=$(printf %03o "$(printf "$5" | wc -c)")
	printf "c$1\n_reconstruct\ncnumpy\nndarray\nK\000\205C\001b\207R(K\001K\\$n\205cnumpy\ndtype\nX\002\000\000\000$3"
	printf "\211\210\207R(K\003X\001\000\000\000$4NNNJ\377\377\377\377J\377\377\377\377K\000tb\211C\\$bytes$5tb"
}
table() { # ARRAY-OF-X ARRAY-OF-CDF: their files
	printf '\200\003}(X\001\000\000\000x'
	cat "$1"
	printf 'X\003\000\000\000cdf'
	cat "$2"
	printf 'u.'
}
core=numpy.core.multiarray
array $core 2 i4 '<' '\000\000\000\000\001\000\000\000' >i4
array numpy._core.multiarray 2 i4 '>' '\000\000\000\000\000\000\000\001' >i4b
array $core 2 i8 '<' '\000\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000' >i8
array $core 2 f4 '>' '\000\000\000\000\077\000\000\000' >f4b
array $core 3 i4 '<' '\000\000\000\000\001\000\000\000\002\000\000\000' >i4of3
array $core 1 i4 '<' '\000\000\000\000' >one
array $core 2 i4 '<' '\000\000\000\000\000\000\000\000' >flat
array $core 2 i4 '<' '\001\000\000\000\000\000\000\000' >falls
array $core 2 f4 '>' '\000\000\000\000\177\000\000\000' >large
array $core 2 f4 '>' '\000\000\000\000\177\200\000\000' >inf
array $core 2 f2 '<' '\000\000\000\000' >f2
array $core 2 i4 '=' '\000\000\000\000\001\000\000\000' >native
array $core 3 i4 '<' '\000\000\000\000\001\000\000\000' >short
head='# layer	table	row	x	cdf
0	cumsum	0	0	0
0	cumsum	1	1'
for x in i4 i4b i8; do
	table $x f4b >a.pkl
	is "$x, and f4 of the other byte order" "$head	0.5" pkl2trace -t a.pkl
done
table i4 i4 >a.pkl
is 'from standard input' "$head	1" sh -c 'pkl2trace -t <a.pkl'

# ---- refused ----
no() { # WHAT X CDF REGEX
	table "$2" "$3" >bad.pkl
	fails 2 "refused: $1" 'timeout 1 pkl2trace bad.pkl' "bad.pkl: .*$4"
}
no 'unequal lengths' i4 i4of3 '2 of x, but 3 of cdf'
no 'one point' one one 'at least 2'
no 'x that does not rise' flat i4 'point 1: x does not rise'
no 'cdf that falls' i4 falls 'point 1: cdf falls'
no 'cdf above 1' i4 large 'point 1: cdf is not between'
no 'an infinite x' inf i4 'point 1: x is not finite'
no 'f2' f2 i4 'offset [0-9]*: an array of f2'
no 'byte order =' native i4 'offset [0-9]*: a byte order'
no 'a blob too short' short i4 'offset [0-9]*: an array of 12 bytes has 8'
pickle() { fails 2 "refused: $1" "printf '$2' | timeout 1 pkl2trace" "standard input: $3"; }
pickle 'protocol 0' '(dp0\n.' 'offset 0: not a pickle of protocol 2'
pickle 'protocol 1' '}q\000.' 'offset 0: not a pickle of protocol 2'
pickle 'protocol 6' '\200\006}.' 'offset 0: pickle protocol 6'
pickle 'an empty file' '' 'offset 0: '
pickle 'no array' '\200\002}.' 'no array x'
pickle 'a list' '\200\002].' 'offset 2: instruction 0x5d'
pickle 'a persistent id' '\200\002NQ.' 'offset 3: instruction 0x51'
pickle 'an extension code' '\200\002\202\001.' 'offset 2: instruction 0x82'
pickle 'an instance' '\200\002(cos\nsystem\no.' 'offset 3: it names os.system'
pickle 'a global of torch' '\200\002ctorch\nFloatStorage\n.' 'offset 2: it names torch.FloatStorage'
pickle 'a scalar of numpy' "\200\002c$core\nscalar\n." 'offset 2: it names '
pickle 'a memo place too high' '\200\002Nr\240\206\001\000.' 'offset 3: memo place 100000'
pickle 'a frame beyond the end' '\200\004\225\377\000\000\000\000\000\000\000}.' 'offset 2: the pickle ends'
fails 2 'refused: a deep stack' "{ printf '\200\002'; head -c 10001 /dev/zero | tr '\0' N; printf .; } | pkl2trace" 'offset 10002: the stack is too deep'
table i4 i4 >a.pkl
n=$(wc -c <a.pkl) bad='' i=0
while [ $i -lt "$n" ]; do
	head -c $i a.pkl | timeout 1 pkl2trace >/dev/null 2>&1
	[ $? -eq 2 ] || bad="$bad $i"
	i=$((i + 1))
done
is 'refused: every cut of a good one' '' echo "$bad"

# ---- names ----
names() { pkl2trace --no-prog "$@" | trace-heads - | sed -n 's/ rows=.*//;s/^@kde //p' | tr '\n' ';'; }
S=distribution_model_layer_
for f in ${S}3_trimmed_8 ${S}3_linear ${S}0 ${S}3 ${S}3_gaussian ${S}3_trimmed_2; do cp a.pkl $f.pkl; done
is 'by layer, kernel, trim' 'layer=0 table=cumsum;layer=3 table=cumsum;layer=3 trim=1 table=cumsum;layer=3 trim=4 table=cumsum;layer=3 kernel=gaussian table=cumsum;layer=3 kernel=linear table=cumsum;' names $S*
is 'options beat the name' 'layer=5 kernel=tophat trim=4 table=cumsum;' names -l 5 --kernel tophat --trim 4 ${S}3_linear.pkl
cp a.pkl a_b_${S}12_tophat.pkl
is 'a model before the name' a_b sh -c "pkl2trace a_b_${S}12_tophat.pkl | head -n 1 | grep -ao 'model=[^ ]*' | cut -d= -f2"
cp a.pkl ${S}4_cubic.pkl
is 'another name says nothing' 'layer=0 table=cumsum;' names ${S}4_cubic.pkl
fails 2 'one table twice' "pkl2trace a.pkl ${S}0.pkl" 'are one table'
fails 2 'two models' "pkl2trace a_b_${S}12_tophat.pkl ${S}0.pkl" 'one model a trace'
fails 2 'a file that is not there' 'pkl2trace nope.pkl' 'nope.pkl: No such file'

# ---- published ----
[ -d "$D" ] || skip_one 'no olmoe-kde'
if [ -d "$D" ]; then
	for f in "$D"/*.pkl; do
		name=$(basename "$f" .pkl)
		pkl2trace -t "$f" | grep -v '^#' | awk '{ print $(NF - 2) "\t" $(NF - 1) "\t" $NF }' >rows
		awk -F '\t' -v name="$name" '
		function near(a, b, e) { d = a - b; if (d < 0) d = -d; if (b < 0) b = -b; return d <= e * b }
		function p(x, lo, hi, mid) {
			if (x <= X[0]) return 1 - C[0]
			if (x >= X[m - 1]) return 1 - C[m - 1]
			lo = 0; hi = m - 1
			while (hi - lo > 1) { mid = int((lo + hi) / 2); if (X[mid] <= x) lo = mid; else hi = mid }
			return 1 - (C[lo] + (C[hi] - C[lo]) * (x - X[lo]) / (X[hi] - X[lo]))
		}
		function quantile(u, i) {
			for (i = 0; i < m && C[i] < u; i++);
			if (!i) return X[0]
			return X[i - 1] + (u - C[i - 1]) / (C[i] - C[i - 1]) * (X[i] - X[i - 1])
		}
		FILENAME == "rows" { X[$1] = $2 + 0; C[$1] = $3 + 0; sx += $2; sc += $3; m++; next }
		$1 != name { next }
		{ seen++ }
		$2 == "x" { good = near(X[$3], $4 + 0, 1e-12) }
		$2 == "cdf" { good = near(C[$3], $4 + 0, 1e-12) }
		$2 == "sumx" { good = near(sx, $4 + 0, 1e-9) }
		$2 == "sumcdf" { good = near(sc, $4 + 0, 1e-9) }
		$2 == "p_interp" { good = near(p($3 + 0), $4 + 0, 1e-12) || near(p($3 + 0) + 1, $4 + 1, 1e-15) }
		$2 == "quantile" { good = near(quantile($3 + 0), $4 + 0, 1e-12) }
		!good { print name, $2, $3, $4 }
		END { if (seen < 38) print name, "only", seen, "lines" }' rows "$D/expected.tsv" >>wrong
	done
	is 'every line of expected.tsv' '' head -n 20 wrong
	tail -n +2 "$D/variants/expected.tsv" | while IFS='	' read -r f result a b c d; do
		if [ "$result" = error ]; then
			pkl2trace "$D/variants/$f" >/dev/null 2>err && echo "$f is read"
			[ "$(wc -l <err)" -eq 1 ] || echo "$f: not one line"
			grep -q 'offset' err || echo "$f: no offset"
			continue
		fi
		pkl2trace -t "$D/variants/$f" | awk -F '\t' -v want="$a $b $c $d" -v file="$f" '
		function at(x, i) {
			if (x >= X[m]) return 1 - C[m]
			for (i = 1; i < m && X[i + 1] <= x; i++);
			return 1 - (C[i] + (C[i + 1] - C[i]) * (x - X[i]) / (X[i + 1] - X[i]))
		}
		!/^#/ { X[++m] = $4 + 0; C[m] = $5 + 0 }
		END { split(want, w, " "); split("-1 0 1 9", q, " ")
			for (k = 1; k <= 4; k++) { d = at(q[k] + 0) - w[k]; if (d < 0) d = -d
				if (d > 1e-12 * w[k] && d > 1e-15) print file, q[k], at(q[k] + 0), w[k] } }'
	done >wrong
	is 'every line of variants/expected.tsv' '' cat wrong
	for f in "$D"/variants/bad_*; do
		fails 2 "refused: $(basename "$f")" "timeout 1 pkl2trace '$f'" 'offset [0-9]*: '
	done
fi

# ---- GatingDataPoints ----
trace-gen --tokens --logits -w f32 --layers 2 --map 1,3 --experts 300 -k 3 --rows 5 --batches 4 --domains 2 -o g.trace
trace2pkl --gating g.trace -o g.pkl
facts() { trace2jsonl "$@" | sed -n 's/"sample":"[^"]*",//; s/"logit":.*//; s/"w":.*//; s/"cols":"[^"]*",//; /"kind":"\(seq\|tok\|route\)"/p' |
	sed 's/"dataset":\("[^"]*"\),\(.*\)}$/\2,"dataset":\1}/; s/"tokens":5,"synthetic":1/"synthetic":1,"tokens":5/'; }
same 'sequences, tokens and picks come back' 'facts g.trace' 'pkl2trace --gating g.pkl | facts'
is 'a whole trace' 0 sh -c 'pkl2trace --gating g.pkl | trace-check -q; echo $?'
is 'its line' 'layers=2 experts=300 topk=3 map=1,3 score=softmax order=batch,layer model=m' sh -c "pkl2trace --gating -m m g.pkl | trace-heads | sed -n '1s/.*\(layers=.*\) crc.*/\1/p'"
for py in /usr/bin/python3 python3; do ! $py -c 'import numpy' 2>/dev/null || break; done
if $py -c 'import numpy' 2>/dev/null; then
	cat >points.py <<'PY'
"""points.py FILE PROTOCOL N [PYTHON]: N records of 3 layers as the guide has them; PYTHON changes d, the i-th."""
import pickle, sys
import numpy as np
r = np.random.default_rng(3)
out = []
for i in range(int(sys.argv[3])):
    if i % 3 == 0:
        T = int(r.integers(2, 6))
        tok = r.integers(0, 999, T)
    p = r.random((T, 4)).astype("f4")
    p /= p.sum(1, keepdims=True)
    d = {"layer_id": 1 + 2 * (i % 3), "hidden_states": r.standard_normal((T, 3)).astype("f4"), "input_embeddings": tok,
         "target_routing": p, "target_top_k": p.argmax(1)[:, None], "prev_layer_gates": [], "sequence_length": T,
         "token_ids": tok.copy(), "dataset_name": "glue", "sample_id": "glue_%d" % (i // 3)}
    exec(sys.argv[4] if len(sys.argv) > 4 else "")
    out.append(d)
pickle.dump(out, open(sys.argv[1], "wb"), protocol=int(sys.argv[2]))
PY
	cat >equal.py <<'PY'
import pickle, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
a, b = (pickle.load(open(f, "rb")) for f in sys.argv[1:3])
bad = len(a) != len(b)
for x, y in zip(a, b):
    for k in x:
        if isinstance(x[k], np.ndarray):
            bad |= x[k].dtype != y[k].dtype or x[k].shape != y[k].shape
            bad |= bool(abs(x[k] - y[k]).max() > {"hidden_states": 4e-3, "target_routing": 2e-7}.get(k, 0))
        else:
            bad |= x[k] != y[k]
print(len(a), not bad)
PY
	for p in 2 3 4 5; do
		$py points.py a.pkl $p 12
		pkl2trace --gating a.pkl >a.trace
		is "protocol $p: hidden states, batches of three layers" '4 12 12' sh -c "trace-heads a.trace |
			awk '/^@seq/ { s++ } /^@route/ { r++ } /^@route.*hidden:f16:3/ { h++ } END { print s, r, h }'"
		trace2pkl --gating a.trace -o b.pkl
		is 'and back' '12 True' $py equal.py a.pkl b.pkl
	done
	$py points.py a.pkl 4 30000
	is 'more records than a pickle of other things may have values' '30000 10000' sh -c "pkl2trace --gating a.pkl | trace-heads | awk '/^@seq/ { s++ } /^@route/ { r++ } END { print r, s }'"
	$py points.py a.pkl 4 3 'd["target_routing"] = np.asfortranarray(d["target_routing"].astype("f8")); d["layer_id"] = np.int64(d["layer_id"]); d["target_top_k"] = d["target_top_k"].astype("i4")'
	is 'other types, another order of the elements' '1 3 5' sh -c "pkl2trace --gating a.pkl | trace-heads | sed -n 's/^@route.* layer=\([0-9]\).*/\1/p' | xargs"
	$py points.py a.pkl 4 3 'd["target_routing"] *= d["target_routing"] == d["target_routing"].max(1, keepdims=True)'
	is 'probabilities of 0 have no logits' 0 sh -c "pkl2trace --gating a.pkl | trace-heads | grep -c logit"
	pkl2trace --gating a.pkl | trace2pkl --gating -o b.pkl
	is 'and come back' '3 True' $py equal.py a.pkl b.pkl
	no_points() { # WHAT PYTHON REGEX
		$py points.py bad.pkl 4 6 "$2"
		fails 2 "refused: $1" 'timeout 9 pkl2trace --gating bad.pkl' "bad.pkl: .*$3"
	}
	no_points 'one expert' 'd["target_routing"] = d["target_routing"][:, :1]; d["target_top_k"] *= 0' 'one expert'
	no_points 'nothing but expert 0' 'd["target_top_k"] *= 0' 'each first pick is expert 0'
	no_points 'a pick above the experts' 'd["target_top_k"] += 4 * (i == 5)' 'record 5: pick [4-7] of 4'
	no_points 'no routing' 'if i == 4: del d["target_routing"]' 'record 4 has no target_routing'
	no_points 'no layer' 'if i == 2: del d["layer_id"]' 'record 2: layer_id'
	no_points 'a layer below 0' 'd["layer_id"] -= 9' 'record 0: layer_id'
	no_points 'another number of rows' 'd["target_top_k"] = d["target_top_k"][1:]' 'record 0: target_routing and'
	no_points 'other experts' 'if i == 3: d["target_routing"] = np.ones((T, 5), "f4")' 'record 3: 5 experts, 1 picks, but 4 and 1'
	no_points 'tokens that are none' 'd["token_ids"] = -1 - d["token_ids"]' 'a token that is no id'
	$py -c 'import pickle; pickle.dump([], open("bad.pkl", "wb"))'
	fails 2 'refused: an empty list' 'pkl2trace --gating bad.pkl' 'no list of GatingDataPoints'
	$py -c 'import pickle, numpy; pickle.dump({"x": numpy.ones(3)}, open("bad.pkl", "wb"))'
	fails 2 'refused: a table' 'pkl2trace --gating bad.pkl' 'in no list of dicts'
	$py -c 'import pickle, numpy; pickle.dump({70000: {"layer_id": 1, "target_routing": numpy.ones((2, 2))}}, open("bad.pkl", "wb"))'
	fails 2 'refused: a dict of numbers' 'pkl2trace --gating bad.pkl' 'before 70000'
else
	skip_one 'no numpy'
fi
fails 2 'refused: two lists' 'pkl2trace --gating g.pkl g.pkl' 'one file'
n=$(wc -c <g.pkl) bad='' i=0
while [ $i -lt "$n" ]; do
	head -c $i g.pkl | timeout 1 pkl2trace --gating >/dev/null 2>&1
	[ $? -eq 2 ] || bad="$bad $i"
	i=$((i + 997))
done
is 'refused: cuts of a good list' '' echo "$bad"
done_testing
