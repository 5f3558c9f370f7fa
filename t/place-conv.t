#!/bin/sh
# place-conv: what it writes it reads back; 20 seeds and every format.
. "${0%/*}/lib.sh"
s=1
bad=
while [ $s -le 20 ]; do
	trace-gen --layers 3 --map 1,4,5 --experts 12 -k 3 --rows 200 -s $s -o t
	expert-load t | place-replicate --mesh 4x2 --slots 24 | place-init -q --mesh 4x2 --slots 24 --strategy random -s $s --trace t -o p
	for f in eplb vllm trtllm sglang; do
		place-conv -q --to $f p >x.$f
		place-conv -q --mesh 4x2 --from $f x.$f -o q
		trace-show q | sed 's/,slot:u16//' | cut -f 1,2 | grep -v '^@[tpe][rn]' >got
		trace-show p | grep -v '^@[tpe][rn]' >want
		case $f in
		trtllm | sglang) # no order of copies
			place-conv -q --to $f q | cmp -s - x.$f || bad="$bad $f$s"
			;;
		*) cmp -s got want || bad="$bad $f$s" ;;
		esac
	done
	place-conv -q -l 4 --to placement.json p >x.json
	place-conv -q -l 4 --mesh 4x2 --from placement.json x.json -o q
	trace-show q | sed 's/,slot:u16//' | cut -f 1,2 | grep -v '^@[tpe][rn]' >got
	trace-filter -l 4 p | trace-show | grep -v '^@[tpe][rn]' | cmp -s - got || bad="$bad json$s"
	place-conv -q -l 4 --to placement.json q | cmp -s - x.json || bad="$bad jsonslots$s"
	s=$((s + 1))
done
is 'there and back, 20 seeds' '' echo "$bad"
# Maps whose slots within a device are in no order: the same map again.
s=1
bad=
while [ $s -le 20 ]; do
	awk -v s=$s 'BEGIN { srand(s); printf "{\"physical_to_logical_map\": ["
		for (l = 0; l < 3; l++) {
			for (i = 0; i < 24; i++) v[i] = i % 13
			for (i = 23; i > 0; i--) { j = int(rand() * (i + 1)); x = v[i]; v[i] = v[j]; v[j] = x }
			for (i = 0; i < 24; i++) printf "%s%d", i ? ", " : l ? "], [" : "[", v[i] }
		print "]]}" }' >map
	place-conv -q --mesh 4x2 --from sglang map -o q
	for f in eplb vllm trtllm sglang; do
		place-conv -q --to $f q >x.$f
		place-conv -q --mesh 4x2 --from $f x.$f -o q2
		trace-cmp -q q q2 || bad="$bad frames-$f$s"
		place-conv -q --to $f q2 | cmp -s - x.$f || bad="$bad $f$s"
		place-conv -q --to sglang q2 | cmp -s - map || bad="$bad map-$f$s"
	done
	s=$((s + 1))
done
is 'slots keep their order, 20 seeds' '' echo "$bad"
cat >log.json <<'E'
{"phy2log": [[1, 0, 0, 2]], "log2phy": [[[2, 1], [0, -1], [3, -1]]], "logcnt": [[2, 1, 1]]}
E
is 'copies in the order of log2phy, slots in that of the map' '0 1 0 0 0 1 1 0 0 2 1 1' sh -c \
	"place-conv --mesh 2x1 --from eplb log.json | trace-show | grep -v @ | xargs"
same 'and so back' 'cat log.json' 'place-conv -q --mesh 2x1 --from eplb log.json | place-conv -q --to eplb'
slots() { # SLOT,...: a placement of 4 copies on 2 devices
	printf '{"kind":"trace","v":1,"layers":1,"experts":4,"topk":1}\n{"kind":"place","layer":0,"mesh":"2x1","rows":4,"cols":"expert:u16,dev:u16,slot:u16","expert":[0,1,2,3],"dev":[0,0,1,1],"slot":[%s]}\n{"kind":"end","frames":1}\n' "$1" | jsonl2trace
}
fails 2 'two copies in a slot' 'slots 0,1,1,1 | place-conv --to eplb' 'device 1: two copies in slot 1'
fails 2 'a slot that the device lacks' 'slots 0,1,2,1 | place-conv --to eplb' 'slot 2 of device 1, which has 2'
slots 1,0,0,1 >p4
trace-gen --experts 4 -k 1 --rows 9 | expert-load -o c4
is 'copies that move have no slot' '2 2' sh -c "{
	place-init -q --mesh 2x1 --slots 4 --shared 0 --strategy balance --count c4 p4
	place-anneal -q --mesh 2x1 --slots 4 --shared 0 --count c4 -p p4
} | trace-show | awk '!/^@/ { n[NF]++ } END { for (i in n) print i, n[i] / 4 }'"
{
	echo '{"kind":"trace","v":1,"layers":1,"experts":3,"topk":1}'
	echo '{"kind":"place","layer":0,"mesh":"2x2","rows":4,"cols":"expert:u16,dev:u16","expert":[0,0,1,2],"dev":[3,1,0,2]}'
	echo '{"kind":"end","frames":1}'
} | jsonl2trace -o p
gold placement.json 'place-conv --to placement.json p'
is eplb '{"phy2log": [[1, 0, 2, 0]], "log2phy": [[[3, 1], [0, -1], [2, -1]]], "logcnt": [[2, 1, 1]]}' place-conv --to eplb p
is 'a list of devices' '0 3,0 1,1 0,2 2' sh -c "echo '{\"0\": [3, 1], \"1\": [0], \"2\": [2]}' >d.json
	place-conv --mesh 2x2 --from placement.json d.json | trace-show | grep -v @ | tr '\t\n' ' ,' | sed 's/,\$//'"
echo '{"0": [{"device": 3, "row": 1, "col": 1, "slot": 1}, {"device": 1, "slot": 0}],
"1": [{"device": 3, "row": 1, "col": 1, "slot": 0}]}' >d
is 'slots are read' '0 3 1 0 1 0 1 3 0' sh -c 'place-conv --mesh 2x2 --from placement.json d | trace-show | grep -v @ | xargs'
sed 's/"slot": 0/"slot": 1/' d >d2
fails 2 'two copies in a slot of a file' 'place-conv --mesh 2x2 --from placement.json d2' 'd2: device 3: two copies in slot 1'
sed '1s/, "slot": 0//' d >d2
fails 2 'a copy without a slot' 'place-conv --mesh 2x2 --from placement.json d2' 'd2:1:54: some copies have a slot, not all'
fails 2 'another mesh: a row' 'place-conv --mesh 1x4 --from placement.json d' 'd:1:29: device 3 is in row 0 and column 3 of --mesh 1x4'
sed 's/"col": 1/"col": 0/' d >d2
fails 2 'a column' 'place-conv --mesh 2x2 --from placement.json d2' 'd2:1:39: device 3 is in row 1 and column 1 of --mesh 2x2'
fails 2 'a placement on another mesh' 'place-conv --mesh 2x4 --to eplb p' 'a placement on 2x2, the system is 2x4'
fails 2 'another mesh in the file' "printf '{\n\"rows\": 2, \"cols\": 4}' >s.jsonc; place-conv -c s.jsonc --to eplb p" 's.jsonc:2:9: a placement on 2x2, the system is 2x4'
fails 2 'fewer experts than --experts' 'place-conv --experts 4 --to eplb p' 'layer 0: a placement of 3 experts, the system has 4 and 0 shared'
fails 2 'fewer than the system' "printf '{\"experts\": 3, \"num_shared_experts\": 1}' >s.jsonc; place-conv -c s.jsonc --to eplb p" 's.jsonc:1:13: layer 0: a placement of 3 experts, the system has 3 and 1 shared'
fails 2 'more shared ones than experts' 'place-conv --shared 3 p' 'a placement of 3 experts'
ok 'the experts that it has' place-conv --experts 2 --shared 1 --to eplb p
fails 2 'a layer that is not there' 'place-conv -l 3 p' 'p: no placement for layer 3'
fails 2 'a layer that a file lacks' "echo '{\"physical_to_logical_map\": [[0, 1]]}' >d; place-conv --mesh 2x1 -l 3 --from sglang d" 'd: no placement for layer 3'
fails 2 'JSON without --from' 'place-conv x.json' 'x.json: not a trace but JSON: place-conv --from placement.json reads it'
is 'what made the placement' 'trace-gen expert-load place-replicate place-init place-conv' sh -c "
	trace-gen --experts 4 -k 1 --rows 9 | expert-load | place-replicate --mesh 2x1 --slots 4 |
	place-init -q --mesh 2x1 --slots 4 --strategy balance --count c4 | place-conv | trace-heads | sed -n 's/^@prog name=\([a-z-]*\).*/\1/p' | xargs"
if command -v python3 >/dev/null; then
	is 'placement.json is what json.dump writes' '' python3 -c '
import json, subprocess
a = subprocess.run(["place-conv", "--to", "placement.json", "p"], capture_output=True, text=True).stdout
if json.dumps(json.loads(a), indent=2) != a: print(a)'
else
	skip_one 'no python3'
fi
fails 2 'a device too far' "echo '{\"0\": [4]}' >d; place-conv --mesh 2x2 --from placement.json d" 'd:1:[0-9]*: no device of 2x2'
fails 2 'an expert without a copy' "echo '{\"0\": [1], \"1\": []}' >d; place-conv --mesh 2x2 --from placement.json d" 'expert 1 has no copy'
fails 2 'slots that do not divide' "echo '{\"physical_to_logical_map\": [[0, 1, 2]]}' >d; place-conv --mesh 2x2 --from sglang d" '3 slots do not divide'
fails 2 'a map that contradicts' "echo '{\"phy2log\": [[0, 1]], \"log2phy\": [[[1], [0]]]}' >d; place-conv --mesh 2x1 --from eplb d" 'does not hold expert 0'
fails 2 'a slot too far' "echo '{\"phy2log\": [[0, 1]], \"log2phy\": [[[7], [1]]]}' >d; place-conv --mesh 2x1 --from eplb d" 'd:1:[0-9]*: a slot that does not hold expert 0'
for id in 65535 65537; do
	fails 2 "sglang: no expert $id" "echo '{\"physical_to_logical_map\": [[0, $id]]}' >d; place-conv --mesh 2x1 --from sglang d" 'd:1:[0-9]*: no expert'
	fails 2 "trtllm: no expert $id" "printf 'initial_global_assignments:\n  0: [0, $id]\n' >d; place-conv --mesh 2x1 --from trtllm d" 'd:2: .*no number'
done
fails 2 'no assignments' "echo 'num_slots: 4' >d; place-conv --mesh 2x1 --from trtllm d" 'no initial_global'
yaml='num_slots: 4 # of all devices\nlayer_updates_per_iter: 0\nep_size: 2\n# layers\ninitial_global_assignments:\n'
printf "%b" "---\n$yaml  3: [1, 0, # the first device\n    2, 0]\n  # the last\n  5: [0, 1, 2, 1]\nother:\n  num_slots: 5\n  3: [1]\n" >flow
printf "%b" "other:\n- 1\n- num_slots: 7\n$yaml  3:\n  - 1\n  - 0\n  # second\n  - 2\n  - 0\n  5:\n    - 0\n    - 1\n    - 2\n    - 1" >block
for f in flow block; do
	is "YAML: $f lists and comments" '{"physical_to_logical_map": [[1, 0, 2, 0], [0, 1, 2, 1]], "layers": [3, 5]}' \
		sh -c "place-conv --mesh 2x1 --from trtllm $f | place-conv -q --to sglang"
done
for f in '{3: [1, 0, 2, 0], 5: [0, 1, 2, 1]}' '{ 3:\n  [1, 0, 2, 0], # the first\n  5: [0, 1, 2, 1], }\nother: 1'; do
	printf %b "$yaml$f\n" >map
	is "YAML: layers in braces" '{"physical_to_logical_map": [[1, 0, 2, 0], [0, 1, 2, 1]], "layers": [3, 5]}' \
		sh -c "place-conv --mesh 2x1 --from trtllm map | place-conv -q --to sglang"
done
refused() { # WHAT YAML REGEX
	printf %b "$2" >d
	fails 2 "YAML: $1" 'place-conv --mesh 2x1 --from trtllm d' "$3"
}
refused 'num_slots of others' "$yaml  3: [0, 1, 2, 3, 4, 5]\n" 'd:1: num_slots is 4, layer 3 has 6$'
refused 'ep_size of others' "initial_global_assignments:\n  3: [0, 1]\n\nep_size: 4" 'd:4: ep_size is 4, the mesh has 2 devices'
refused 'a key twice' "${yaml}  3: [0, 1, 2, 3]\nep_size: 2\n" 'd:7: ep_size twice'
refused 'num_slots of a word' 'num_slots: four\n' 'd:1: num_slots is no number'
refused 'an odd layer' "$yaml  3: [0, 1, 2, 3]\n  4: [0, 1, 2]\n" 'd:7: 3 slots do not divide'
refused 'a word among experts' "$yaml  3: [0, 1,\n 2, x]" 'd:7: an expert that is no number'
refused 'a minus without blank' "$yaml  3:\n  - 0\n  -1\n" 'd:8: an expert that is no number'
refused 'no comma' "$yaml  3: [0 1]" 'd:6: experts without a comma'
refused 'layers without their end' "${yaml}{3: [0, 1, 2, 3]\n" 'd:5: layers without their end'
refused 'layers without a comma' "${yaml}{3: [0, 1, 2, 3]\n4: [0, 1, 2, 3]}\n" 'd:7: layers without a comma'
refused 'a word among layers' "${yaml}{3: [0, 1, 2, 3], x}\n" 'd:6: no layer'
refused 'no list' "$yaml  3: 4\n" 'd:6: an assignment that is no list'
refused 'no key' 'num_slots\n' 'd:1: no key'
tables() { # WHAT LOG2PHY LOGCNT REGEX
	printf '{"phy2log": [[0, 1, 0, 2]],\n"log2phy": %s,\n"logcnt": %s}' "$2" "$3" >d
	fails 2 "tables: $1" 'place-conv --mesh 2x2 --from eplb d' "$4"
}
log='[[[0, 2], [1, -1], [3, -1]]]'
tables 'another count' "$log" '[[2, 2, 1]]' 'd:3:16: not the 1 slots that hold expert 1'
tables 'an expert not counted' "$log" '[[2, 1]]' 'd:3:12: no count of expert 2'
tables 'an expert too many' "$log" '[[2, 1, 1, 1]]' 'd:3:22: not the 0 slots that hold expert 3'
tables 'a layer not counted' "$log" '[]' 'd:3:11: logcnt is not of the 1 layers'
tables 'an expert without slots' '[[[0, 2], [1, -1]]]' '[[2, 1, 1]]' 'd:2:13: no slots of expert 2'
tables 'layers without slots' '[]' '[[2, 1, 1]]' 'd:2:12: log2phy is not of the 1 layers'
fails 2 'vLLM, another count' "echo '{\"physical_to_logical_map\": [[0, 1]], \"logical_replica_count\": [[1, 2]]}' >d; place-conv --mesh 2x1 --from vllm d" 'd:1:[0-9]*: not the 1 slots'
fails 2 'too full a device' "echo '{\"0\": [0], \"1\": [0]}' >d; place-conv --mesh 2x1 --slots 2 --from placement.json d" 'device 0 .*2'
fails 2 'a list without its end' "printf 'initial_global_assignments:\n  0: [0, 1, 2, 3' >d; place-conv --mesh 2x2 --from trtllm d" 'without its end'
fails 2 'a layer twice' "echo '{\"physical_to_logical_map\": [[0, 1], [1, 0]], \"layers\": [1, 1]}' >d; place-conv --mesh 2x1 --from sglang d" 'layer 1 twice'
fails 2 'a map that forgets a slot' "echo '{\"phy2log\": [[0, 1, 0, 2]], \"log2phy\": [[[2, -1], [1, -1], [3, -1]]]}' >d; place-conv --mesh 2x2 --from eplb d" '1 of the 2 slots'
fails 2 'a slot twice' "echo '{\"phy2log\": [[0, 1, 0, 2]], \"log2phy\": [[[2, 2], [1, -1], [3, -1]]]}' >d; place-conv --mesh 2x2 --from eplb d" 'a slot twice'
fails 2 'uneven devices' "echo '{\"0\": [0, 1], \"1\": [0]}' >d; place-conv --mesh 2x1 --from placement.json d | place-conv --to eplb" 'same number of copies'
done_testing
