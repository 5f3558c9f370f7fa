#!/bin/sh
# trace-gen --logits: the picks are the top-k of the logits as they are stored, the
# weights their softmax; the logits are normal numbers about the popularity.
. "${0%/*}/lib.sh"
small='--no-prog --batches 4 --layers 2 --rows 40 --experts 24 -k 3 --logits'
s=1
while [ $s -le 20 ]; do
	same "seed $s: --batch cuts what the whole holds" "trace-gen $small -s $s -b 1-2" \
		"trace-gen $small -s $s | trace-filter --no-prog -b 1-2"
	s=$((s + 1))
done
same 'a layer is the same alone' "trace-gen -t $small --layers 1 --map 1" "trace-gen $small | trace-filter -l 1 -t"
is 'the bytes: f32' '3297928741 35520' sh -c "trace-gen $small | cksum"
is 'the bytes: f16' '2593948151 20160' sh -c "trace-gen $small --logit-type f16 | cksum"
is 'the bytes: bf16' '3452464528 20160' sh -c "trace-gen $small --logit-type bf16 | cksum"
same 'the picks are those without logits' "trace-gen $small -t | cut -f4" \
	'trace-gen --batches 4 --layers 2 --rows 40 --experts 24 -k 3 -t | cut -f4'
is 'what weighs is on the first line' 'score=softmax renorm=1' sh -c "trace-gen $small | grep -ao 'score=.*renorm=1' | head -n 1"

# ids and weights of trace-route, which makes both from the logits alone
while read -r options; do
	trace-gen --logits --rows 200 $options -t | awk -F'\t' 'NR > 1 { print $4, $5 }' >a
	trace-gen --logits --rows 200 $options | trace-route --rule topk --renorm -t | awk -F'\t' '!/^#/ { print $(NF - 2), $(NF - 1) }' >b
	is "top-k: $options" '200 rows, 0 bad' sh -c "paste -d' ' a b | awk '{
		n = split(\$2, w, \",\"); split(\$4, v, \",\"); bad += \$1 != \$3
		for (i = 1; i <= n; i++) bad += w[i] - v[i] > 0.001 || v[i] - w[i] > 0.001
		} END { print NR \" rows, \" bad + 0 \" bad\" }'"
done <<!
--experts 64 -k 8
--experts 256 -k 8 --logit-type f16 -w f32
--experts 1000 -k 64 --logit-type bf16 --zipf 0
--experts 400 -k 1 --logit-type bf16 --zipf 3 -w bf16
--experts 6 -k 6 --logit-type f16
--experts 5 -k 4 --zipf 100
--experts 1 -k 1
--experts 32 -k 4 --groups 8 --domains 3 --burst 0.5 --burst-rows 7 --prefill 20 --request-rows 50
!
same 'in bf16, equal numbers are among the picks nowhere' \
	"trace-gen --logits --logit-type bf16 --experts 3000 -k 64 --rows 50 -t | awk -F'\t' 'NR > 1 {
		n = split(\$4, e, \",\"); split(\$6, x, \",\")
		for (i = 2; i <= n; i++) if (x[e[i] + 1] + 0 >= x[e[i - 1] + 1] + 0) print NR, i }'" true

# Of 512000 numbers: mean, deviation, third and fourth moment, those below 1 and above 2 and 3.
trace-gen --logits --rows 8000 --experts 64 --zipf 0 -w none -t | awk -F'\t' 'NR > 1 { n = split($5, x, ",")
	for (i = 1; i <= n; i++) { z = x[i]; s++; a += z; b += z * z; c += z * z * z; d += z * z * z * z
		in1 += z * z < 1; out2 += z * z > 4; out3 += z * z > 9 } }
	END { print s, a / s, b / s, c / s, d / s, in1 / s, out2 / s, out3 / s }' >moments
is 'normal: 4 moments, the middle and the tails' 512000 awk 'function off(x, y, e) { return x - y > e || y - x > e }
	!(off($2, 0, .007) || off($3, 1, .01) || off($4, 0, .02) || off($5, 3, .07) ||
	off($6, .68269, .003) || off($7, .0455, .0015) || off($8, .0027, .0004)) { print $1 }' moments
# From rank 1 to 16 of exponent 1, log 16 times sqrt(6) / pi is 2.16; picks that were drawn so take some of it.
is 'popularity shows in the means' 1 sh -c "trace-gen --logits --rows 8000 --experts 16 -k 2 --zipf 1 -w none -t |
	awk -F'\t' 'NR > 1 { n = split(\$5, x, \",\"); for (i = 1; i <= n; i++) s[i] += x[i] }
	END { lo = hi = s[1]; for (i in s) { lo = s[i] < lo ? s[i] : lo; hi = s[i] > hi ? s[i] : hi }
		d = (hi - lo) / 8000; print (d > 1.5 && d < 2.2) }'"
is 'decode rows have their own' 1 sh -c "trace-gen --logits --rows 8000 --prefill 4000 --experts 16 --zipf 0 --decode-zipf 2 -w none -t |
	awk -F'\t' 'NR > 1 { split(\$5, x, \",\"); for (i = 1; i <= 16; i++) s[NR > 4001, i] += x[i] / 4000 }
	END { for (i = 1; i <= 16; i++) { a += s[0, i] * s[0, i]; b += s[1, i] * s[1, i] } print (a < 0.1 && b > 16) }'"
is 'a frame has at most 2^24 of them' 'rows=2048 rows=2048 rows=904' sh -c "trace-gen --logits --experts 8192 --rows 5000 --logit-type f16 | trace-heads | grep -o 'rows=[0-9]*' | paste -sd' ' -"
fails 2 'a type of no logits' 'trace-gen --logit-type f16' 'logit-type without --logits'
fails 2 'the reference has none' 'trace-gen --model reference --logits' 'reference has no --logits'
is 'trace-check is content' '' sh -c "trace-gen $small | trace-check 2>&1; trace-gen --logits --experts 40000 --rows 2 | trace-check 2>&1"
done_testing
