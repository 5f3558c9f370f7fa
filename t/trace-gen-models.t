#!/bin/sh
# trace-gen: structure.  Each model is the same on any shard, shows in what it
# is for, and is nothing at probability 0.
. "${0%/*}/lib.sh"
small='--no-prog --batches 8 --layers 3 --rows 50 --experts 32 -k 4'
all='--groups 8 --affinity 0.7 --domains 3 --domain-share 0.6 --drift 6 --request-rows 24 --prefill 8'
all="$all --burst 0.5 --burst-rows 8 --chain 0.4 --origin-rows 5 --tokens"
model() { # NAME CKSUM OPTIONS
	is "$1: the bytes" "$2" sh -c "trace-gen $small $3 | cksum"
	for s in 1 2 3; do
		same "$1, seed $s: --batch cuts what the whole holds" "trace-gen $small -s $s $3 -b 3-5" \
			"trace-gen $small -s $s $3 | trace-filter --no-prog -b 3-5"
	done
	same "$1: a layer is the same alone" "trace-gen -t $small $3 --layers 1 --map 2" \
		"trace-gen $small $3 | trace-filter -l 2 -t"
	is "$1: trace-check is content, and rows have k different experts" '' \
		sh -c "trace-gen $small $3 | trace-check 2>&1"
}
model groups '249565619 20160' '--groups 8 --affinity 0.7'
model domains '3042906021 30400' '--domains 3 --drift 6 --request-rows 24 --tokens'
model phases '1493830742 26304' '--prefill 20 --tokens'
model bursts '4141723386 20160' '--burst 0.5 --burst-rows 7'
model chain '3670775732 20160' '--chain 0.4'
model origin '23791511 23232' '--origin-rows 5'
model all '3756061975 33984' "$all"
same 'probability 0 is nothing' "trace-gen $small --groups 4 --affinity 0 --domains 3 --domain-share 0 --burst 0 --chain 0" \
	"trace-gen $small"
same 'so is the exponent that there was' "trace-gen $small --prefill 9 --decode-zipf 0.6" "trace-gen $small"
ok 'a run goes on in the next frame' sh -c "trace-gen --rows 9000 -k 1 --burst 1 --burst-rows 9000 -w none -t |
	awk 'NR == 2 { e = \$4 } NR > 8193 { n++; same += \$4 == e } END { exit !(same > 0.8 * n && same < n) }'"
is 'all of a group, and more' 6 sh -c "trace-gen --experts 8 -k 6 --groups 4 --affinity 1 --rows 500 -t |
	awk 'NR > 1 { print split(\$4, e, \",\") }' | sort -u"
is 'however narrow, a row ends' '' sh -c 'trace-gen --experts 64 -k 64 --prefill 1 --decode-zipf 100 --rows 50 | trace-check -q 2>&1'

same 'and a narrow one is the same with models that are off' \
	'trace-gen --no-prog --experts 64 -k 64 --zipf 100 --rows 50' 'trace-gen --no-prog --experts 64 -k 64 --zipf 100 --rows 50 --groups 4 --affinity 0'
# The 3 of 32 experts most seen with each: 3/31 were they any; its group has 4.
near() {
	trace-gen --rows 20000 --experts 32 --zipf 0 "$@" | coact -t | awk 'NR > 1 {
		n = split($4, c, ","); c[$3 + 1] = 0
		for (j = 0; j < 3; j++) { m = 1; for (i = 1; i <= n; i++) if (c[i] > c[m]) m = i; in3 += c[m]; c[m] = 0 }
		for (i = 1; i <= n; i++) rest += c[i] } END { print int(100 * in3 / (in3 + rest)) }'
}
ok 'picks are from one group: 9/10 squared, and some by chance' sh -c "[ $(near --groups 8 --affinity 0.9) -gt 70 ]"
ok 'and from all over without' sh -c "[ $(near) -lt 20 ]"

share() { # BATCHES: of the requests, those of domain 0
	trace-gen --batches 40 --rows 400 --domains 2 --drift 40 --request-rows 4 --tokens -b "$1" -t |
		awk '$3 ~ /^domain/ { n++; if ($3 == "domain-0") a++ } END { print int(100 * a / n) }'
}
ok 'domain 0 is first' [ "$(share 0-2)" -gt 90 ]
ok 'and last half a period later' [ "$(share 19-21)" -lt 10 ]
apart() { # A B: per cent of picks that are on other experts
	for b in "$1" "$2"; do
		trace-gen --batches 40 --rows 4000 --domains 2 --request-rows 4 $3 -b "$b" | expert-load -t |
			awk -v b="$b" 'NR > 1 { print b, $3, $4 }'
	done | awk '{ if (NR == 1) first = $1; n[$2] += $1 == first ? $3 : -$3; sum += $3 }
		END { for (e in n) d += n[e] < 0 ? -n[e] : n[e]; print int(100 * d / sum) }'
}
ok 'early batches pick others than late ones' [ "$(apart 0-2 19-21 '--drift 40')" -gt 10 ]
ok 'but those of one time, or without drift, do not' \
	[ "$(apart 0 1 '--drift 40')$(apart 0-2 19-21 '')" -lt 44 ]

top() { # the busiest expert, in per cent
	trace-filter --phase "$1" "$2" | expert-load -t | awk 'NR > 1 { s += $4; if ($4 > m) m = $4 } END { print int(100 * m / s) }'
}
trace-gen --rows 20000 --request-rows 100 --prefill 50 -k 1 --tokens -o phases
ok 'decode is narrower' [ "$(top decode phases)" -gt $(($(top prefill phases) * 2)) ]

same_as_before() { # per cent of picks that the row before has in the same place
	trace-gen --rows 20000 --zipf 0 -k 4 -w none "$@" -t | awk 'NR > 1 { split($4, e, ","); for (i in e) n += e[i] == p[i]
		split($4, p, ",") } END { print int(n / NR * 25) }'
}
n=$(same_as_before --burst 0.5 --burst-rows 100)
ok 'half of the rows are in runs, 49/64 of pairs kept' [ "$((n / 6))" -eq 6 ]
ok 'none are otherwise' [ "$(same_as_before)" -lt 4 ]

# How often the most usual follower of an expert follows.
n=$(trace-gen --rows 40000 --layers 2 --experts 16 -k 2 --zipf 0 --chain 0.6 -w none -t | awk 'NR > 1 { split($4, e, ",")
	for (i = 1; i <= 2; i++) if ($2 == 0) p[$3, i] = e[i]; else c[p[$3, i], e[i]]++ }
	END { for (x in c) { split(x, k, SUBSEP); s += c[x]; if (c[x] > m[k[1]]) m[k[1]] = c[x] }
		for (x in m) t += m[x]; print int(100 * t / s) }')
ok 'chain: 0.6, and 0.4/16 by chance' [ "$((n / 5))" -eq 12 ]
is 'a token lives in one place' 0 sh -c "trace-gen --layers 3 --origin-rows 7 -w none -t | awk 'NR > 1 {
	if (\$2 && o[\$3] != \$5) bad++; o[\$3] = \$5; seen[\$5] = 1 } END { for (i = 0; i < 7; i++) bad += !seen[i]; print bad + 0 }'"

while read -r options; do
	fails 2 "misuse: $options" "trace-gen $options" 'without|has no|not (a number )?from|of --|above'
done <<!
--affinity 0.5
--domain-share 0.5
--drift 4
--request-rows 4
--decode-zipf 1
--burst-rows 9
--groups 65
--groups 2 --affinity 1.5
--burst -0.1
--zipf -1
--domains 0
--rows 8 --tokens --request-rows 9
--rows 8 --prefill 9
--chain 0.5 --map 4096
--model reference --chain 0.5
--model reference --origin-rows 5
!
done_testing
