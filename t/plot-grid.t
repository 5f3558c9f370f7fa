#!/bin/sh
# plot-grid: bars stand on their devices with the share of their expert.
. "${0%/*}/lib.sh"
printf '{"rows": 2, "cols": 3, "experts": 16, "num_shared_experts": 1, "slots": 24, "shared_copies": 2}' >s.jsonc
make() { # SEED LAYERS
	trace-gen --layers "$2" --batches 3 --rows 100 --experts 16 -k 2 -s "$1" -o a
	expert-load -o load a
	place-replicate -c s.jsonc --policy one-each --shared-copies 2 load | place-init -q -c s.jsonc --trace a -o p
}
# device, instance, expert and share in percent of a place frame, from its text
want() { # SPLIT
	awk -F'\t' -v split_="$1" '/^[@#]/ { next }
		FILENAME == "n" { n[$1] = $2; all += $2; next }
		{ e[FNR] = $1; d[FNR] = $2; m = FNR; copies[$1]++ }
		END { n[16] = 300; for (i = 1; i <= m; i++) printf "%d %d %d %.9f\n", d[i], i - 1, e[i],
			100 * n[e[i]] / all / (split_ ? copies[e[i]] : 1) }' n pt | sort -k 1,1n -k 2,2n
}
s=1 bad=
while [ $s -le 20 ]; do
	make $s 1
	expert-load -t a | awk -F'\t' '!/^#/ { print $3 "\t" $4 }' >n
	trace-show p | grep -v '^@' >pt
	plot-grid --count load -t p | awk -F'\t' '!/^#/ { printf "%d %d %d %.9f\n", $1, $4, $5, $6 }' >got
	want 0 | cmp -s - got || bad="$bad $s"
	plot-grid --trace a --split -t -p p | awk -F'\t' '!/^#/ { printf "%d %d %d %.9f\n", $1, $4, $5, $6; if ($1 != $2 * 3 + $3) print "mesh" }' >got
	want 1 | cmp -s - got || bad="$bad split$s"
	[ "$(plot-grid --only-original --count load -t p | sed 1d | cut -f 5 | sort -n | paste -sd' ')" = "$(seq -s' ' 0 16)" ] || bad="$bad first$s"
	s=$((s + 1))
done
is 'devices, instances, experts, shares: 20 seeds' '' echo "$bad"
gold plot-grid.gp 'plot-grid --split --count load --script p'
trace-gen --layers 1 --rows 100 --experts 12 -k 2 -o b
is '--baseline: consecutive, a shared one each' '0:0,1,2,12 1:3,4,5,12 2:6,7,8,12 3:9,10,11,12' sh -c "plot-grid --baseline --mesh 2x2 --trace b -t |
	awk '!/^#/ { e[\$1] = e[\$1] (e[\$1] == \"\" ? \"\" : \",\") \$5 } END { for (d = 0; d < 4; d++) print d \":\" e[d] }' | paste -sd' '"
is 'its shares are those of the experts' "$(expert-load -t b | awk -F'\t' '!/^#/ { printf "%.6f\n", $4 / 2 }' | xargs)" \
	sh -c "plot-grid --baseline --mesh 2x2 --shared 0 --trace b -t | awk '!/^#/ { printf \"%.6f\n\", \$6 }' | xargs"
trace-gen --layers 1 --rows 100 --experts 8 -k 2 -o c
is 'experts that do not divide' '0 0 0 1 1 1 2 2' sh -c "plot-grid --baseline --mesh 1x3 --shared 0 --trace c -t | awk '!/^#/ { print \$1 }' | xargs"
is 'each token picks a shared expert, whose copies may share that' '50 12.5' sh -c "for split in '' --split; do
	plot-grid --baseline --mesh 2x2 \$split --trace b -t | awk '\$5 == 12 { print \$6 }' | sort -u; done | xargs"
expert-load c | place-replicate --mesh 1x3 --slots 9 | place-init -q --mesh 1x3 --slots 9 --trace c -o q
same 'copies of a placement are passed over' 'plot-grid --baseline --trace c -t q' 'plot-grid --baseline --mesh 1x3 --shared 0 --trace c -t'
is 'said over the picture' 1 sh -c "plot-grid --baseline --mesh 1x3 --trace c --script | grep -c 'layer 0, consecutive'"
same 'the mesh of a placement' 'plot-grid --baseline --count load -t p' 'plot-grid --baseline --mesh 2x3 --count load -t'
make 1 2
fails 2 'two layers' 'plot-grid --count load p --script' 'layers 0 and 1.*-l LAYER'
fails 2 'two layers of counts' 'plot-grid --baseline --count load --script' 'layers 0 and 1.*-l LAYER'
same '-l' 'plot-grid -l 1 --count load -t p' 'trace-filter -l 1 p | plot-grid --count load -t'
fails 2 'no counts' 'plot-grid p --script' '--count FILE or --trace FILE'
fails 2 'no placement' 'plot-grid --count load load --script' 'no placement'
fails 2 'another number of experts' 'plot-grid -l 1 --shared 3 --count load p --script' '17 experts, but 16 routed and 3 shared'
fails 2 'no such layer' 'plot-grid -l 7 --count load p --script' 'p: no placement for layer 7'
place-replicate -c s.jsonc --policy one-each --shared-copies 2 -l 0 load >q
trace-gen --experts 9 -k 2 --rows 50 | expert-load -o few
fails 2 'counts of another model' 'plot-grid -l 0 --count few p --script' 'a placement of 17 experts, counts of 9: --shared'
ok 'unless they are said to be shared' plot-grid -l 0 --shared 8 --count few -t p
fails 2 'counts of another layer' 'trace-filter -l 1 load >l1; plot-grid -l 0 --count l1 p --script' 'l1: no counts for layer 0'
place-conv -q -l 0 --to placement.json p >p.json
fails 2 'placement.json' 'plot-grid --count load p.json --script' 'p.json: not a trace but JSON: place-conv --from placement.json reads it'
fails 2 'copies that are nowhere' 'plot-grid -l 0 --count load q --script' 'no copy is on a device'
command -v gnuplot >/dev/null || {
	skip_one 'no gnuplot'
	done_testing
	exit
}
for f in svg png pdf; do
	plot-grid -l 0 --count load -o "g.$f" p && plot-grid -l 0 --count load --size 200x200 -o "h.$f" p
	report $? "$f is drawn"
	plot-grid -l 0 --count load -o "g2.$f" p
	is "$f: the same bytes again" '' cmp "g.$f" "g2.$f"
done
done_testing
