#!/bin/sh
# place-eval beyond the reference: models measured and simple, rerouting, traffic, bounds, before and after.
. "${0%/*}/lib.sh"
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
cat >t.jsonl <<'E'
{"layer": 0, "batch_id": 0, "origin_rows": [0, 0, 1, 1, 2, 3], "topk_experts": [[0, 1], [0, 2], [0, 3], [1, 0], [4, 5], [0, 5]]}
{"layer": 0, "batch_id": 1, "origin_rows": [3, 2, 1, 0], "topk_experts": [[0, 1], [2, 3], [1, 4], [0, 5]]}
{"layer": 1, "batch_id": 0, "origin_rows": [0, 1], "topk_experts": [[5, 4], [3, 2]]}
E
jsonl2trace --experts 6 -o t t.jsonl
system='"rows": 4, "cols": 2, "experts": 6, "num_shared_experts": 0, "slots": 8'
printf '{%s, "capacity_factor": 1.0}' "$system" >s.jsonc
expert-load t | place-replicate -c s.jsonc --policy one-each | place-init -c s.jsonc --trace t -o p
field() { # TABLE COLUMN ARGS: by name
	table=$1 column=$2
	shift 2
	place-eval -t "$@" | awk -F'\t' -v t="$table" -v c="$column" '
		/^#/ { for (i in at) delete at[i]; sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
		$1 == t { print $at[c] }'
}

# By hand: instances 0 .. 7 on devices 0 5 2 7 6 1 4 3, of each expert the least loaded.
cat >by_hand.py <<'E'
import json
dev = {0: [0, 5], 1: [2, 7], 2: [6], 3: [1], 4: [4], 5: [3]}
most = cross = queue = 0
for line in list(open('t.jsonl'))[:2]:
    r, load, over = json.loads(line), [0] * 8, [0] * 4
    used = {}
    for o, picks in zip(r['origin_rows'], r['topk_experts']):
        for e in picks:
            d = min(dev[e], key=lambda d: (used.get((e, d), 0), d))
            used[e, d] = used.get((e, d), 0) + 1
            load[d] += 1
            for row in {o, d // 2} if o != d // 2 else ():
                over[row] += 1
    mean = sum(load) / 8
    most += max(load) / 2
    cross += max(over) / 2
    queue += sum(max(x - mean, 0) for x in load) / 8 / 2
print('%.9f %.9f %.9f' % (3 * most, 2 * cross, 0.5 * queue))
E
(mkdir drawn && cd drawn && "$py" "$TOP/t/unit/cost.py" 60) >said 2>&1
is 'sixty systems drawn, placement.md 6 said again: the same costs' 60 cat said
printf '{%s, "layer": 0, "cost": "simple", "alpha": 3, "beta": 2, "gamma": 0.5}' "$system" >simple.jsonc
is 'the simple model: fullest device, busiest row, queues' "$($py by_hand.py)" sh -c \
	"place-eval -c simple.jsonc -p p t -t | awk '\$1 == \"cost\" { printf \"%.9f %.9f %.9f\n\", \$8, \$7, \$9 }'"
is 'an option beats the file' 299.008 sh -c \
	"place-eval -c simple.jsonc --cost linear --factor 1 -p p t -t | awk '\$1 == \"cost\" { printf \"%.3f\", \$4 }'"

# A measured table: the points of the reference's own fit give its coefficients.
awk 'BEGIN { n = split("26.868 96.183 33.005 36.073 39.141 42.209 45.277 48.345 55.258 66.713 78.169 89.624 101.079 112.535 123.990 135.445 88.238 96.183 104.129 112.074 120.020 127.965 135.911 143.856", t, " ")
	print "hops columns us"
	for (i = 0; i < n; i++) print (i < 8 ? 0 : i < 16 ? 1.5 : 2), i % 8 + 1, t[i + 1] }' >points
is 'coefficients fitted to a table' "$(field cost mean -c s.jsonc -p p t)" field cost mean -c s.jsonc --latency points -p p t
# Unevenly measured: 10 us, 3 a column, 4 a hop.  The worst token of batch 0 picks two copies of a column, on two
# devices, 2 and 1 hops away: 10 + 3 * 2 + 2 * 1.5 + 2 * 2.
printf '0 1 13\n1 2 20\n2 4 30\n3 3 31\n' >plane
is 'coefficients where hops and columns go together' '23.000000 23.000000' sh -c \
	"place-eval -l 0 --max-records 1 -c s.jsonc --latency plane -p p t -t | awk '\$1 == \"cost\" { printf \"%.6f %.6f\", \$7, \$9 }'"
fails 2 'a table that does not tell' "printf '0 1 5\n0 1 6\n' >q; place-eval -c s.jsonc --latency q -p p t" 'q: these points do not tell'
fails 2 'a table with a word' "printf '0 1 5\n0,x,6\n' >q; place-eval -c s.jsonc --latency q -p p t" 'q:2:3: "x" is no number'
fails 2 'a table with a line too short' "printf '0 1 5\n0 1\n' >q; place-eval -c s.jsonc --latency q -p p t" 'q:2:1: 2 numbers'

# Ranks: the ring as a matrix of what its hops take, by rows and by devices.
ring() { # RANKS COLUMNS
	awk -v n="$1" -v per="$2" 'BEGIN { for (a = 0; a < n; a++) { for (b = 0; b < n; b++) {
		d = int(a / per) - int(b / per); d = d < 0 ? -d : d; d = d < 4 - d ? d : 4 - d
		printf "%s%.12f", b ? "," : "", 2 * 17.297110576923 * d } print "" } }'
}
ring 4 1 >rows
ring 8 2 >ranks
printf '{%s, "capacity_factor": 1.0, "dispatch": [0, 6.175222222222, 17.297110576923, 17.297110576923]}' "$system" >hops.jsonc
want=$(field cost mean -c hops.jsonc -p p t | cut -c 1-12)
for m in rows ranks; do
	is "a matrix of $m" "$want" sh -c "place-eval -c s.jsonc --rank-cost $m -p p t -t | awk -F'\t' '\$1 == \"cost\" { print \$4 }' | cut -c 1-12"
done
toy() { # LINES MESH EXPERTS PLACEMENT: the trace q, the placement q2, without shared experts
	echo "$1" | jsonl2trace --dialect moe-balance --experts "$3" -o q
	echo "$4" | place-conv -q --mesh "$2" --experts "$3" --shared 0 --from placement.json -l 0 -o q2
}
say() { # TABLE COLUMN,... ARGS: of the toy
	table=$1 columns=$2
	shift 2
	for column in $(echo "$columns" | tr , ' '); do
		field "$table" "$column" --shared 0 -p q2 "$@" q
	done | awk '{ printf "%s%.9g", (NR > 1 ? " " : ""), $1 } END { print "" }'
}
# To rows 0 and 1: 0 and 10 us from row 0, 30 and 0 from row 1.  B is 6.175222222222.
printf '0 10\n30 0\n' >m
toy '{"layer": 0, "batch_id": 0, "origin_rows": [0], "topk_experts": [[0, 1]]}' 2x2 2 '{"0": [0], "1": [2]}'
is 'a matrix: two copies in a column, half of the mean, half of the largest' 19.8504444 say cost dispatch --rank-cost m
toy '{"layer": 0, "batch_id": 0, "origin_rows": [1], "topk_experts": [[0]]}' 2x2 2 '{"0": [0], "1": [2]}'
is 'a matrix: a line for each row that sends' 36.1752222 say cost dispatch --rank-cost m
printf '{"dispatch": [1, 0, 0, 2], "experts": 2, "num_shared_experts": 0}' >q.jsonc
is 'a matrix: coefficients that are given' 61 say cost dispatch -c q.jsonc --rank-cost m
# One row: to device 0 the mean of 1 and 5, to device 1 of 3 and 7.
printf '1 3\n5 7\n' >m
toy '{"layer": 0, "batch_id": 0, "origin_rows": [0], "topk_experts": [[0, 1]]}' 1x2 2 '{"0": [0], "1": [1]}'
is 'a matrix of devices: a token is at each of its row' 10.6752222 say cost dispatch --rank-cost m
ok 'a search by a matrix' place-anneal -c s.jsonc --rank-cost rows -p p --trace t --iters 50 -o best
fails 2 'a matrix of something else' 'head -n 3 rows >q; place-eval -c s.jsonc --rank-cost q -p p t' 'q: 3 x 4 numbers'

# Rerouting (placement.md 6.4, the next rank behind the chosen expert): [0,2] [0,2] [1,3] [3,1].
$py - >r <<'E'
import struct, sys
s = [[.9, .8, .1], [.7, .6, .5], [.9, .2, .1], [.3, .2, .9]]
b = bytes([0, 1, 0, 1, 0, 1, 2, 0]).ljust(64, b'\0') + b''.join(struct.pack('<3f', *x) for x in s)
sys.stdout.buffer.write(b'@trace v=1 layers=1 experts=3 topk=2\n'
    b'@route batch=0 layer=0 rows=4 cols=ids:u8:2,logit:f32:3 bytes=%d\n' % len(b) + b + b'\n@end frames=1\n')
E
printf '{"0": [0, 1], "1": [2], "2": [3]}' | place-conv --mesh 4x1 --experts 3 --shared 0 --slots 4 --from placement.json -o q4
loads() { # RULE: picks of each device, then rerouted and dropped
	place-eval --mesh 4x1 --experts 3 --shared 0 --slots 4 --factor 1 --origin round-robin --devices --routing "$1" -p q4 r -t | awk -F'\t' '
		/^cost/ { r = $10 " " $11 } /^#/ { l = $NF == "over_mean" } !/^#/ && l { printf "%s ", $(NF - 1) } END { print r }'
}
is 'rerouted: two on each device, one to another expert' '2 2 2 2 1 0' loads reroute
# Room for one pick each: the second token's first goes to expert 1, its own second; both second ones nowhere.
$py - >q <<'E'
import struct, sys
b = bytes([0, 1, 0, 1]).ljust(64, b'\0') + struct.pack('<4f', 2, 1, 2, 1)
sys.stdout.buffer.write(b'@trace v=1 layers=1 experts=2 topk=2\n'
    b'@route batch=0 layer=0 rows=2 cols=ids:u8:2,logit:f32:2 bytes=%d\n' % len(b) + b + b'\n@end frames=1\n')
E
printf '{"dispatch": [0, 0, 10, 0], "experts": 2, "num_shared_experts": 0, "capacity_factor": 0.5, "routing_strategy": "reroute"}' >drop.jsonc
echo '{"0": [1], "1": [0]}' | place-conv -q --mesh 2x1 --experts 2 --shared 0 --from placement.json -l 0 -o q2
is 'a pick that is dropped costs nothing' '0 2 10' say cost rerouted,dropped,dispatch -c drop.jsonc --origin round-robin
# Plain top-k (6.4): [0,2] [0,2] [0,2] [3,0]; token i lives in row i.
trace-route -k 1 r | trace-route -k 2 -o top
is 'first: the devices of each token' '1,0,1,0 1,0,1,0 1,0,1,0 1,0,0,1' sh -c \
	"place-eval --mesh 4x1 --experts 3 --shared 0 --slots 4 --factor 1 --origin round-robin --traffic --routing first -p q4 top -t |
	awk -F'\t' '/^# / { t = /tokens/ } !/^#/ && t { print \$NF }' | xargs"
is 'first: room does not matter' '4 0 3 1  ' loads first
printf '{%s, "capacity_factor": 1.0, "routing_strategy": "first"}' "$system" >first.jsonc
is 'first, by the file' "$(field cost mean -c s.jsonc --routing first -p p t)" field cost mean -c first.jsonc -p p t
is 'unlike the copies of its own experts' '2 2 3 1  ' loads least-loaded
fails 2 'rerouting without logits' 'place-eval -c s.jsonc --routing reroute -p p t' 'needs a column logit'

# nearest, room for one: copies in rows 0 and 2 of four.  From row 0 to row 0, then, that is full, to row 2; with both
# full to the nearest, the first of equals: from row 0, from row 3 (1 hop and 1) and from row 2.
toy '{"layer": 0, "batch_id": 0, "origin_rows": [0, 0, 0, 3, 2], "topk_experts": [[0], [0], [0], [0], [0]]}' 4x1 2 '{"0": [0, 2], "1": [1]}'
is 'nearest: with room, then of fewest hops' '2,0,1,0 0,0,0,0 0,0,1,0 1,0,0,0' sh -c \
	"place-eval --shared 0 --factor 1 --routing nearest --traffic -p q2 q -t | awk -F'\t' '/^# / { t = /tokens/ } !/^#/ && t { print \$NF }' | xargs"
# A token of no row: 0, 1, 0 and 1 hops from each, 10 us a hop.
printf '{"dispatch": [0, 0, 10, 0], "experts": 2, "num_shared_experts": 0, "routing_strategy": "nearest"}' >near.jsonc
toy '{"layer": 0, "batch_id": 0, "topk_experts": [[0]]}' 4x1 2 '{"0": [0, 2], "1": [1]}'
is 'nearest to each row that a token may live in' 5 say cost dispatch -c near.jsonc --origin average-rows
i=0
while [ $i -lt 64 ]; do
	echo "{\"layer\": 0, \"batch_id\": $i, \"topk_experts\": [[1]]}"
	i=$((i + 1))
done >lines
toy "$(cat lines)" 4x1 2 '{"0": [0, 2], "1": [1]}'
each() { place-eval -s "$1" -c near.jsonc --origin random --batches -p q2 q -t | awk -F'\t' '$1 == "cost-batch" { print $5 }'; }
each 1 >one && each 2 >two
is 'rows drawn: all of them, by the seed' '0 10 20 others' sh -c 'echo $(sort -nu one) $(cmp -s one two || echo others)'
# Equally loaded copies: the lower device, whatever their order.
toy '{"layer": 0, "batch_id": 0, "topk_experts": [[0], [0], [0]]}' 1x3 1 '{"0": [2, 0, 1]}'
for n in 1 2 3; do
	place-eval --shared 0 --routing least-loaded --max-seq-len $n --devices -p q2 q -t |
		awk -F'\t' '/^#/ { l = $NF == "over_mean" } !/^#/ && l { print $(NF - 1) }'
done >ties
is 'least-loaded: the lower device of equals' '1 0 0 1 1 0 1 1 1' xargs -a ties
toy '{"layer": 0, "batch_id": 0, "topk_experts": [[0], [0], [0], [1]]}' 1x2 2 '{"0": [0], "1": [1]}'
is 'balance of 3 and 1' '0.666666667 1.5 0.5 0.666666667' say balance balancedness,max_over_mean,cv,batch_balancedness
# Three tokens on one device and one on both.
toy '{"layer": 0, "batch_id": 0, "origin_rows": [0, 0, 0, 0], "topk_experts": [[0, 1], [1, 0], [0, 1], [0, 2]]}' 1x2 3 '{"0": [0], "1": [0], "2": [1]}'
is 'locality: devices of a token, not picks' '1 0 1.25 1.75' say locality own_row,mean_hop,devices,column_max
# By hand from placement.md 6.8: two tokens of six have one of two picks on their row; 6.5 hops over six, and so on.
is 'locality: own rows and hops' '0.166667 1.083333 2.000000 1.333333' sh -c \
	"place-eval -l 0 --max-records 1 -c s.jsonc -p p t -t | awk '\$1 == \"locality\" { printf \"%.6f %.6f %.6f %.6f\", \$3, \$4, \$5, \$6 }'"
# Blocks of 70 and 33 tokens, 3 and 2, on two devices are 3 at best; of one token 1.
toy "{\"layer\": 0, \"batch_id\": 0, \"topk_experts\": [$(awk 'BEGIN { for (i = 0; i < 103; i++) printf "[%d],", i < 70 ? 0 : 1 }')[]]}
{\"layer\": 0, \"batch_id\": 1, \"topk_experts\": [[3]]}" 1x2 4 '{"0": [0], "1": [1], "2": [0], "3": [1]}'
is 'bound of compute: blocks of experts, spread' 236 say bound compute
# Three picks in two columns, and on devices that take two.
printf '{"dispatch": [1, 10, 7, 7], "combine": [2, 100, 7, 7], "experts": 4, "num_shared_experts": 0, "block_us": 5}' >b.jsonc
toy '{"layer": 0, "batch_id": 0, "topk_experts": [[0, 1, 2], [1]]}' 1x2 4 '{"0": [0], "1": [1], "2": [0], "3": [1]}'
is 'bound of dispatch and combine: columns and devices that take the picks' '21 202 10 233' say bound dispatch,combine,compute,mean -c b.jsonc
# A file's combine, 1 + 2 * 2 devices, and its blocks: 35, 35 and 70 tokens are 3, 3 and 5 of 16.
printf '{%s, "capacity_factor": 1.0, "combine": [1, 2, 0, 0]}' "$system" >own.jsonc
is 'combine of its own' '90.503990 5.000000' sh -c \
	"place-eval -l 0 -c own.jsonc -p p t -t | awk '\$1 == \"cost\" { printf \"%.6f %.6f\", \$7, \$9 }'"
toy "{\"layer\": 0, \"batch_id\": 0, \"topk_experts\": [$(awk 'BEGIN { for (i = 0; i < 70; i++) printf "%s[0, 1]", i ? "," : "" }')]}" 4x2 2 '{"0": [0, 5], "1": [2]}'
printf '{"block_us": 50, "block_tokens": 16, "experts": 2, "num_shared_experts": 0, "capacity_factor": 0.5}' >b.jsonc
is 'blocks of its own' 250 say cost compute -c b.jsonc
is 'tokens sent from device to device are the devices of tokens' "$(field locality devices -l 0 -c s.jsonc -p p t | awk '{ print $1 * 10 }')" sh -c \
	"place-eval -l 0 -c s.jsonc --traffic -p p t -t | awk -F'\t' '/^# / { t = /tokens/ } !/^#/ && t { n = split(\$NF, v, \",\"); for (i = 1; i <= n; i++) s += v[i] } END { print s }'"
is 'nothing is cheaper than the bound' 0 sh -c "place-eval -c s.jsonc -p p t -t | awk '\$1 == \"bound\" && \$7 < 1 { bad++ } END { print bad + 0 }'"
is 'the bound of compute: one block a device' 118 field bound compute -l 0 -c s.jsonc -p p t
place-anneal -c s.jsonc -p p --trace t --iters 300 -o best
is 'before and after' "$(field cost mean -l 0 -c s.jsonc -p p t) $(field cost mean -l 0 -c s.jsonc -p best t)" sh -c \
	"place-eval -l 0 -c s.jsonc --before p -p best t -t | awk '\$1 == \"change\" { print \$3, \$4 }'"
is 'nothing moved from itself' '0.0 0' sh -c "place-eval -l 0 -c s.jsonc --before p -p p t -t | awk '\$1 == \"change\" { printf \"%.1f %d\", \$5, \$6 }'"
# The copies of 0 in another order are where they were; 3 and 4 change places.
echo '{"0": [5, 0], "1": [2, 7], "2": [6], "3": [4], "4": [1], "5": [3]}' | place-conv -c s.jsonc -l 0 --from placement.json -o other
is 'moved: copies where none of their expert was' '2 8' sh -c "place-eval -l 0 -c s.jsonc --before p -p other t -t | awk '\$1 == \"change\" { print \$6, \$7 }'"
is 'ranks over layers' 1 sh -c "place-eval -c s.jsonc -p p t -t | grep -c ^balance-ranks"
trace-filter -l 1 -o t1 t
fails 2 'a layer without records' "printf '{%s,\n\"layer\": 0}' '$system' >l.jsonc; place-eval -c l.jsonc -p p t1" 'l.jsonc:2:10: no records for layer 0'
trace-gen --model reference --batches 4 --rows 32 --mesh-rows 4 --experts 6 -k 2 -s 3 -o h
trace-filter -b 2-3 -o h2 h
is 'before and after on what was not seen' "$(field cost mean -l 0 -c s.jsonc -p p h2) $(field cost mean -l 0 -c s.jsonc -p best h2)" sh -c \
	"place-eval -l 0 -c s.jsonc --holdout 0.5 --before p -p best -t h | awk '\$1 == \"change\" { print \$4, \$5 }'"
is 'its bound is that of what was not seen' "$(field bound mean -l 0 -c s.jsonc -p best h2)" field bound mean -l 0 -c s.jsonc --holdout 0.5 -p best h
picks() { # KEYS SEED: of each device
	printf '{%s, "capacity_factor": 1.0, "layer": 0%s}' "$system" "$1" >q.jsonc
	place-eval -s "$2" -c q.jsonc --devices -p p -t h | awk -F'\t' '/^#/ { load = $NF == "over_mean" && $2 == "n_tokens"; next } load { print $4 }'
}
picks '' 1 >whole
picks ', "fast_test_pct": 0.3' 1 >some
picks ', "fast_test_pct": 0.3' 1 >again
picks ', "fast_test_pct": 0.3' 2 >other
picks ', "fast_test_pct": 0.001' 1 >one
is 'a share of the tokens of each batch, one at least: two picks each' '256 72 8' awk '
	FNR == 1 { i++ } { n[i] += $1 } END { print n[1], n[2], n[3] }' whole some one
is 'drawn by the seed' 'same others' sh -c 'cmp -s some again && echo "same $(cmp -s some other || echo others)"'
# Token i lives in row i and picks the expert of that row: what is drawn keeps its row, and is drawn from all.
i=0
while [ $i -lt 50 ]; do
	echo "{\"layer\": 0, \"batch_id\": $i, \"origin_rows\": [$(seq -s, 0 63)], \"topk_experts\": [[$(seq -s '],[' 0 63)]]}"
	i=$((i + 1))
done >lines
toy "$(cat lines)" 64x1 64 "{$(awk 'BEGIN { for (i = 0; i < 64; i++) printf "%s\"%d\": [%d]", i ? "," : "", i, i }')}"
printf '{"experts": 64, "num_shared_experts": 0, "fast_test_pct": 0.25}' >q.jsonc
is 'what is drawn keeps its row' 1 say locality own_row -c q.jsonc
drawn() { # ARGS: picks in all, experts that have any, no more than 30 of each
	place-eval -c q.jsonc "$@" --devices -p q2 q -t | awk -F'\t' '/^#/ { l = $NF == "over_mean" && /n_tokens/; next }
		l { n += $4; some += $4 > 0; if ($4 > 30) print "many" } END { print n, some }'
}
is 'from every place in the batch' '800 64' drawn
is 'none twice' '16 16' drawn --max-records 1
is 'fewer batches, fewer tokens' "$(field cost mean -l 0 -c s.jsonc -p p h2 --max-seq-len 16)" sh -c "trace-filter --head 16 h2 | place-eval -l 0 -c s.jsonc -p p -t | awk '\$1 == \"cost\" { print \$4 }'"
is 'one record' 1 field cost batches -l 0 -c s.jsonc -p p --max-records 1 h
awk 'NR > 1 { $3 *= 2 } { print }' points >twice
two() { field cost dispatch "$@" && field cost combine "$@"; }
two -l 0 -c s.jsonc -p p h | awk '{ printf "%.12f\n", $1 * NR }' | xargs >want
two -l 0 -c s.jsonc --combine-latency twice -p p h | xargs >got
same 'combine has points of its own' 'awk "{ printf \"%.9f %.9f\n\", \$1, \$2 }" want' 'awk "{ printf \"%.9f %.9f\n\", \$1, \$2 }" got'
is 'p95 in a file is p95' "$(field cost p95 -l 0 -c s.jsonc -p best h | cut -c 1-9)" sh -c "printf '{%s, \"objective\": \"p95\", \"capacity_factor\": 1.0}' '$system' >o.jsonc; place-eval -l 0 -c o.jsonc --before p -p best -t h | awk '\$1 == \"change\" { print substr(\$4, 1, 9) }'"
fails 2 'placements on several meshes' "place-conv -q --mesh 2x4 --slots 8 -c s.jsonc --layer 0 p -o one 2>/dev/null; printf '@trace v=1 layers=2 experts=2 topk=0\n@place layer=0 mesh=1x2 rows=2 cols=expert:u16,dev:u16 bytes=68\n\0\0\1\0%060d\0\0\1\0\n@place layer=1 mesh=2x1 rows=2 cols=expert:u16,dev:u16 bytes=68\n\0\0\1\0%060d\0\0\1\0\n@end frames=2\n' 0 0 >two; place-eval -p two t" 'several meshes'
fails 2 'a placement that is none yet' 'expert-load t | place-replicate -c s.jsonc -o r; expert-load t -o n; place-eval -c s.jsonc -p r --count n' 'on no device'
fails 2 'a factor below 0' 'place-eval -c s.jsonc --factor -5 -p p t' 'factor'
fails 2 'a row far beyond' 'trace-gen --rows 20 --experts 6 --origin-rows 9 -o far; place-eval -l 0 -c s.jsonc -p p far' 'far: frame 2 at byte [0-9]*: batch 0: token 2 lives in row 7, the mesh has 4$'
fails 2 'another mesh' 'place-eval --mesh 2x4 -p p t' 'a placement on 4x2, the system is 2x4'
fails 2 'another mesh in the file' "printf '{\"cols\": 4}' >m.jsonc; place-eval -c m.jsonc -p p t" 'm.jsonc:1:10: a placement on 4x2'
echo '{"0": [0], "1": [0], "2": [1], "3": [2], "4": [3], "5": [4]}' | place-conv --mesh 4x2 --from placement.json -o q8
fails 2 'more copies than slots' 'place-eval --slots 7 -p q8 t' 'device 0 holds 2 copies, 1 are allowed'
fails 2 'more than the file says' 'place-eval -c s.jsonc -p q8 t' 'device 0 holds 2 copies, 1 are allowed'
fails 2 'a layer that the trace lacks' 'place-eval --experts 6 -p p t1' 't1: no records for layer 0'
fails 2 'one that the placement lacks' 'place-eval -l 5 -p p t' 'p: no placement for layer 5'
fails 2 'one that the counts lack' 'expert-load -l 1 t >n1; place-eval -p p --count n1' 'n1: no records for layer 0'
fails 2 'a placement in JSON' "place-conv -q -l 0 --to placement.json p >p.json; place-eval -p p.json t" 'p.json: not a trace but JSON: place-conv --from placement.json reads it'
is 'what made the placement' "$(trace-heads p | grep -c '^@prog ') place-eval" sh -c "trace-heads p | sed -n 's/^@prog //p' >had
	place-eval -c s.jsonc -p p t | trace-heads | sed -n 's/^@prog //p' >has; echo \$(grep -cxFf had has) \$(sed -n '\$s/name=\([a-z-]*\).*/\1/p' has)"

# Counts alone: loads of devices are those of copies that share evenly.
expert-load t >n
is 'loads of counts' 'n_tokens 10 20 8' sh -c "place-eval -l 0 --devices -p p --count n -t | awk -F'\t' '/^#/ { l = \$NF == \"over_mean\"; if (l) printf \"%s \", \$2; next } l { t = \$2; x += \$(NF - 1); y += \$NF } END { print t, x, y }'"
for o in '--traffic' '--batches' '--holdout 0.5' '--before p' '--routing first' '--origin random' '--cost simple' '--factor 2' '--latency points' '--objective p95' '--max-records 1' t; do
	fails 2 "no $o of counts" "place-eval -p p --count n $o" 'place-eval: --count is for balance alone'
done

# average-rows: what the same tokens do in each row in turn, averaged.
none() { # ORIGIN ROW of all tokens, or no
	awk -v o="$1" 'BEGIN { srand(3)
		for (b = 0; b < 3; b++) {
			printf "{\"layer\": 0, \"batch_id\": %d", b
			for (i = 0; i < 20 && o != "no"; i++) printf "%s%s", i ? ", " : ", \"origin_rows\": [", o
			printf "%s, \"topk_experts\": [", o == "no" ? "" : "]"
			for (i = 0; i < 20; i++) { e = int(rand() * 6); printf "%s[%d, %d]", i ? ", " : "", e, (e + 1 + int(rand() * 5)) % 6 }
			print "]}" } }' | jsonl2trace --experts 6
}
for o in no 0 1 2 3; do none $o >o$o; done
told() { # RULE TRACE: locality, picks of devices over their mean, traffic
	place-eval -l 0 -c s.jsonc --routing "$1" --devices --traffic -p p -t "$2" | awk -F'\t' '
		/^#/ { t = $2 == "n_tokens" ? 1 : /tokens/ ? 2 : 0; next }
		$1 == "locality" { print $3; print $4; print $5; print $6 }
		t == 1 { print $5 } t == 2 { n = split($NF, v, ","); for (i = 1; i <= n; i++) print v[i] }'
}
for r in least-loaded first nearest; do
	told $r ono >m
	for o in 0 1 2 3; do told $r o$o >m$o; done
	paste m m0 m1 m2 m3 | awk -v r=$r '{ d = $1 - ($2 + $3 + $4 + $5) / 4; if (d > 1e-9 || d < -1e-9) print r, $0 } END { if (NR != 76) print NR }'
done >wrong
is 'average-rows: locality, loads and traffic are means over the rows' '' cat wrong
is 'own_row is 1 of 4 rows' 0.25 sh -c "place-eval -l 0 -c s.jsonc --routing first -p p -t ono | awk -F'\t' '\$1 == \"locality\" { print \$3 }'"

# No bound is above its cost, whatever the coefficients: and means are of whole numbers.
s=1
while [ $s -le 40 ]; do
	awk -v s=$s -v keys="$system" 'function x(a) { return int(a * (2 * rand() - 1) * 100) / 100 }
		BEGIN { srand(s); printf "{%s, \"dispatch\": [%s, %s, %s, %s], \"combine\": [%s, %s, %s, %s]}", keys,
			100 + x(99), x(9), x(20), x(20), 100 + x(99), x(9), x(20), x(20) }' >r.jsonc
	trace-gen --experts 6 -k 3 --rows 20 --batches 5 --origin-rows 4 -s $s -o r
	[ $((s % 2)) = 0 ] || trace-gen --experts 6 -k 3 --rows 20 --batches 5 -s $s -o r
	for m in '' '--rank-cost rows'; do
		# shellcheck disable=SC2086
		place-eval -l 0 -c r.jsonc $m -p p r -t | awk -F'\t' -v s="$s$m" '
			/^#/ { for (i in at) delete at[i]; sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
			$1 == "cost" { d = $at["dispatch"]; c = $at["combine"] }
			$1 == "bound" && ($at["dispatch"] > d + 1e-9 || $at["combine"] > c + 1e-9) { print s, d, c, $0 }
			$1 == "bound" { seen++ } END { if (!seen) print s, "no bound" }'
	done
	s=$((s + 1))
done >above
is 'no bound is above its cost, 40 draws of the coefficients' '' cat above
for i in $(seq 50); do echo "{\"layer\": 0, \"batch_id\": $i, \"topk_experts\": [[0, 1], [2, 3]]}"; done | jsonl2trace --experts 6 -o many
is 'equal batches have their mean' '118 118' sh -c "place-eval -l 0 -c s.jsonc -p p many -t | awk -F'\t' '\$1 == \"cost\" { c = \$8 } \$1 == \"bound\" { print c, \$5 }'"
printf '{// "trace": "no"\n"trace": "a//b \\"c", %s}' "$system" >n.jsonc
is 'which trace it reads' 'a//b "c' place-eval -c n.jsonc --trace-name
is 'the operand beats the file' t place-eval -c n.jsonc --trace-name t
fails 2 'none' 'place-eval -c s.jsonc --trace-name' 'no trace'
printf '{"0":[0],"1":[1]}' | place-conv --from placement.json --mesh 1x2 --experts 2 --shared 0 -l 0 -o two
for i in 1 2 3 4 5; do
	case $i in 2) picks='[0],[1],[0,1]' ;; *) picks= ;; esac
	echo "{\"layer\":0,\"batch_id\":$i,\"topk_experts\":[$picks]}"
done | jsonl2trace --dialect moe-balance --experts 2 -o bare
for r in balanced-replicas least-loaded round-robin nearest first; do
	place-eval --routing $r --batches -p two --experts 2 --shared 0 -t bare | awk -F'\t' '$1 == "batch" && $3 != 1 && $5 != 0 { print }'
done >wrong
is 'batches without picks cost nothing, whatever stands before them' '' cat wrong
done_testing
