#!/bin/sh
# model-onnx: graphs that are whole and say what lib/model/moerun and numpy compute.
. "${0%/*}/lib.sh"
S='--vocab 50 --d-model 16 --heads 2 --layers 2 --hidden 24 --max-len 9'
mkdir d
# what each is made of
cat >models <<'E'
router --kind router --d-model 16 --experts 8 -k 2
balanced --kind router --d-model 9 --experts 70 -k 6 --rule sinkhorn
moe S --experts 8 -k 2
sinkhorn S --experts 5 -k 3 --rule sinkhorn --iterations 4 --temperature 0.5 --learned-positions
all S --kind decoder-moe --experts 3 -k 3
dense S --kind decoder --max-len 3000
learned S --kind decoder --learned-positions
E
sed -i "s/ S/ $S/" models
while read -r name args; do
	# shellcheck disable=SC2086
	ok "make $name" model-onnx $args -o "d/$name"
done <models
is 'two files' '__model__ __params__' sh -c 'ls d/moe | xargs'

# the ranges, from the listing alone
for name in moe learned router; do
	size=$(wc -c <d/$name/__params__)
	model-onnx --list d/$name | awk -F '\t' -v size="$size" '
		/^#/ { at = $1; next }
		at == "# initialiser" {
			n++
			count = split($3, dim, "x"); bytes = 4
			for (i = 1; i <= count; i++) bytes *= dim[i]
			if ($4 % 4096 || $4 < end || $5 != bytes || $2 != "f32" || seen[$1]++) print "range", $0
			end = $4 + $5
		}
		END { if (end != size) print "ends at", end, "of", size; print n }' >ranges.$name
done
is 'ranges: aligned, in order, apart, to the end' '62 17 1' sh -c 'cat ranges.moe ranges.learned ranges.router | xargs'
tensors() { model-onnx --list "d/$1" | awk -F '\t' '/^#/ { on = /initialiser/; next } on { print $1, $3 }'; }
tensors moe >names
is 'the embedding is there once' 'embed.weight 50x16' grep 50x names
gold model-onnx.names 'tensors all; tensors learned; tensors router'
is 'nodes of an expert, each' '16 16 16 48' sh -c 'for op in NonZero ScatterND Sigmoid Gemm.*experts; do
	model-onnx --list d/moe | grep -c "^$op"; done | xargs'
gold model-onnx.router 'model-onnx --list d/router'
is 'the version is told' '8 17 moetrace' sh -c 'model-onnx --list d/moe | sed -n 2p | xargs'
model-onnx $S --experts 8 -k 2 -o again && model-onnx $S --experts 8 -k 2 -s 2 -o other
ok 'the same bytes twice' sh -c 'cmp d/moe/__model__ again/__model__ && cmp d/moe/__params__ again/__params__'
ok 'a seed changes the weights, not the graph' sh -c 'cmp d/moe/__model__ other/__model__ && ! cmp -s d/moe/__params__ other/__params__'
is '-o takes a listing' '' sh -c 'model-onnx --list d/moe -o listing && model-onnx --list d/moe | cmp - listing'

# what the forward pass does with bad input
is 'an id outside the vocabulary' 'refused: -2' "$BUILD/t/moedec" d/moe 1 2 <<E
49 50
E
is 'a sequence above --max-len' 'refused: -3' "$BUILD/t/moedec" d/moe 1 10 <<E
0 0 0 0 0 0 0 0 0 0
E

py='' onnx=
for p in "$TOP/build/venv/bin/python3" python3 /usr/bin/python3; do
	[ -n "$py" ] || ! "$p" -c 'import numpy' 2>/dev/null || py=$p
	[ -n "$onnx" ] || ! "$p" -c 'import onnx, onnxruntime' 2>/dev/null || onnx=$p
done
for how in numpy onnx; do
	[ $how = onnx ] && run=$onnx || run=$py
	if [ -n "$run" ]; then
		is "logits, picks and weights are those of $how" '' "$run" "$TOP/t/unit/decoder.py" $how "$BUILD/t/moedec" d/*
	else
		skip_one "no python3 with $how"
	fi
done
if [ -z "$py" ]; then
	skip_one 'no numpy'
	done_testing
	exit
fi

is 'weights are drawn, each its own' '' "$py" "$TOP/t/unit/decoder.py" drawn d/moe
save() { "$py" "$TOP/t/unit/decoder.py" save "$@"; }
for name in moe learned router; do
	case $name in moe) more='--heads 2 --max-len 9' ;; learned) more='--kind decoder --heads 2' ;; *) more='--kind router' ;; esac
	save d/$name $name.safetensors
	# shellcheck disable=SC2086
	model-onnx -m $name.safetensors $more -o back.$name
	ok "$name: a checkpoint of it makes it again" sh -c "cmp d/$name/__model__ back.$name/__model__ && cmp d/$name/__params__ back.$name/__params__"
done
M='--heads 2 --max-len 9 -o c'
save d/moe halves f16 layers.0.norm1.weight~ layers.1.norm2.weight~ norm.weight~
is 'an f16 checkpoint' '' model-onnx -m halves $M
is 'its norms count' '' "$py" "$TOP/t/unit/decoder.py" numpy "$BUILD/t/moedec" c
# all logits equal: experts 0 and 1 have every token, and what the others hold is never seen
set -- layers.0.router.weight=0 layers.1.router.weight=0
for e in 2 3 4 5 6 7; do
	for w in w1 w2 w3; do set -- "$@" "layers.0.experts.$e.$w.weight=nan"; done
done
save d/moe tie "$@"
is 'a checkpoint with NaN in experts that nothing is routed to' '' model-onnx -m tie $M
is 'of equal logits the lower experts' '' "$py" "$TOP/t/unit/decoder.py" numpy "$BUILD/t/moedec" c
if [ -n "$onnx" ]; then
	is 'and so the run-time: no dense mixture' '' "$onnx" "$TOP/t/unit/decoder.py" onnx "$BUILD/t/moedec" c
else
	skip_one 'no python3 with onnx'
fi

# checkpoints that do not fit
rm -r c
while read -r change text; do
	save d/moe bad "$change"
	fails 2 "checkpoint: $change" "model-onnx -m bad $M" "bad: $text"
done <<'E'
-layers.1.attn.qkv.weight no tensor layers.1.attn.qkv.weight of 48x16
layers.0.experts.7.w2.weight^ layers.0.experts.7.w2.weight: its shape is 24x16, not 16x24
+lm_head.weight lm_head.weight: this model has no such tensor
E
fails 2 'another size than the checkpoint' "model-onnx -m moe.safetensors --hidden 23 $M" 'w1.weight: its shape is 24x16, not 23x16'
fails 2 'more layers than it has' "model-onnx -m moe.safetensors --layers 3 $M" 'no tensor layers.2.norm1.weight of 16'
head -c 999 moe.safetensors >part
seq 99 >text
fails 2 'a file of another kind' "model-onnx -m text $M" 'no safetensors file'
fails 2 'a cut checkpoint' "model-onnx -m part $M" '^model-onnx: part: '
fails 2 'no checkpoint' "model-onnx -m nope $M" 'nope: No such file'
ok 'no folder is left of any' test ! -e c

# models that lie
lie() { # DESCRIPTION SED REGEX
	rm -rf lie && cp -r d/moe lie && LC_ALL=C sed -i "$2" lie/__model__
	cmp -s lie/__model__ d/moe/__model__ && echo 'no lie' >&2
	fails 2 "$1" 'model-onnx --list lie' "^model-onnx: lie/__model__: $3\$"
}
lie 'inside another' 's/4096/3196/' 'initialiser rotary.cos: begins at byte 3196, before 3200'
lie 'longer than its shape' 's/3200/3201/' 'initialiser embed.weight: 3201 bytes, but its shape has 3200'
lie 'in another file' 's/__params__/__mapped__/' 'initialiser embed.weight: lies in __mapped__, not in __params__'
lie 'an offset that is none' 's/4096/40x6/' 'initialiser rotary.cos: sizes, offset or length are none'
cp -r d/moe odd && LC_ALL=C sed -i "s/embed.weight/embed$(printf '\1')weight/" odd/__model__
is 'a control byte in a name' 'embed?weight' sh -c 'model-onnx --list odd | grep -a 50x16 | cut -f 1'
cp -r d/moe short && truncate -s -1 short/__params__
fails 2 'a file cut short' 'model-onnx --list short' 'initialiser norm.weight: ends at byte [0-9]* of __params__, which has [0-9]*$'
rm short/__params__
fails 2 'no weights' 'model-onnx --list short' 'short/__params__: No such file'
fails 2 'no model' 'model-onnx --list d' 'd/__model__: No such file'
size=$(LC_ALL=C grep -obaF 'kind' d/moe/__model__ | tail -n 1 | cut -d: -f1) n=0 bad=
while [ $n -lt $((size - 20)) ]; do
	head -c $n d/moe/__model__ >lie/__model__
	model-onnx --list lie >listing 2>err
	[ $? -eq 2 ] && [ "$(wc -l <err)" -eq 1 ] && [ ! -s listing ] || bad="$bad $n"
	n=$((n + 997))
done
is "a model cut anywhere, $size bytes" '' echo "$bad"

# wrong use
while read -r text args; do
	text=$(echo "$text" | tr _ ' ')
	fails 2 "$args" "model-onnx $args -o c" "^model-onnx: $text"
done <<'E'
topk_9:_not_from_1_to_8 -k 9
topk_65:_not_from_1_to_64 --experts 100 -k 65
experts_1025:_not_from_1_to_1024 --experts 1025
d.model_65537:_not_from_1_to_65536 --d-model 65537
a_width_of_512_is_not_cut_evenly_into_7_heads --heads 7
heads_of_width_3:_a_rotation_wants_an_even_one --d-model 6 --heads 2
a_temperature_that_is_not_above_0 --rule sinkhorn --temperature 0
a_temperature_that_is_not_above_0 --rule sinkhorn --temperature 1e-320
a_temperature_that_is_not_above_0 --rule sinkhorn --temperature 1e300
--experts:_this_model_has_none --kind decoder --experts 8
--rule:_this_model_has_none --kind decoder --rule topk
--heads:_this_model_has_none --kind router --heads 8
--learned-positions:_this_model --kind router --learned-positions
--iterations:_this_model_has_none --iterations 3
x:_no_operand_is_read x
E
fails 2 'no -o' 'model-onnx' 'give -o DIR'
fails 2 'no folder to be in' "model-onnx $S -o no/c" '^model-onnx: no/c: No such file'
: >file
fails 2 'a file' "model-onnx $S -o file" 'file/__params__: Not a directory'
fails 2 'no room' "(trap '' XFSZ; ulimit -f 2; exec model-onnx $S -o c)" '^model-onnx: c[^ ]*: File too large'
fails 2 'no room for the weights alone' "(trap '' XFSZ; ulimit -f 8; exec model-onnx --kind router -o c)" '^model-onnx: c[^ ]*: File too large'
ok 'nothing is left of any' test ! -e c
cp -r d/dense held
fails 2 'no room, over an older model' "(trap '' XFSZ; ulimit -f 2; exec model-onnx $S -o held)" 'too large'
ok 'which is as it was' diff -r d/dense held
fails 2 'a listing to a full disk' 'model-onnx --list d/moe >/dev/full' 'No space'
(model-onnx --list d/moe 2>err) | head -n 1 >/dev/null
is 'a reader that goes is no news' '' cat err
done_testing
