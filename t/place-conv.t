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
		trace-show q | grep -v '^@[tpe][rn]' >got
		trace-show p | grep -v '^@[tpe][rn]' >want
		case $f in
		trtllm | sglang) # no order of copies
			place-conv -q --to $f q | cmp -s - x.$f || bad="$bad $f$s"
			;;
		*) cmp -s got want || bad="$bad $f$s" ;;
		esac
	done
	place-conv -q -l 4 --to placement.json p >x.json
	place-conv -q -l 4 --mesh 4x2 --from placement.json x.json | trace-show | grep -v '^@[tpe][rn]' >got
	trace-filter -l 4 p | trace-show | grep -v '^@[tpe][rn]' | cmp -s - got || bad="$bad json$s"
	s=$((s + 1))
done
is 'there and back, 20 seeds' '' echo "$bad"
{
	echo '{"kind":"trace","v":1,"layers":1,"experts":3,"topk":1}'
	echo '{"kind":"place","layer":0,"mesh":"2x2","rows":4,"cols":"expert:u16,dev:u16","expert":[0,0,1,2],"dev":[3,1,0,2]}'
	echo '{"kind":"end","frames":1}'
} | jsonl2trace -o p
gold placement.json 'place-conv --to placement.json p'
is eplb '{"phy2log": [[1, 0, 2, 0]], "log2phy": [[[3, 1], [0, -1], [2, -1]]], "logcnt": [[2, 1, 1]]}' place-conv --to eplb p
is 'a list of devices' '0 3,0 1,1 0,2 2' sh -c "echo '{\"0\": [3, 1], \"1\": [0], \"2\": [2]}' >d.json
	place-conv --mesh 2x2 --from placement.json d.json | trace-show | grep -v @ | tr '\t\n' ' ,' | sed 's/,\$//'"
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
	fails 2 "trtllm: no expert $id" "printf 'initial_global_assignments:\n  0: [0, $id]\n' >d; place-conv --mesh 2x1 --from trtllm d" 'd: .*no number'
done
fails 2 'no assignments' "echo 'num_slots: 4' >d; place-conv --mesh 2x1 --from trtllm d" 'no initial_global'
fails 2 'too full a device' "echo '{\"0\": [0], \"1\": [0]}' >d; place-conv --mesh 2x1 --slots 2 --from placement.json d" 'device 0 .*2'
fails 2 'a list without its end' "printf 'initial_global_assignments:\n  0: [0, 1, 2, 3' >d; place-conv --mesh 2x2 --from trtllm d" 'without its end'
fails 2 'a layer twice' "echo '{\"physical_to_logical_map\": [[0, 1], [1, 0]], \"layers\": [1, 1]}' >d; place-conv --mesh 2x1 --from sglang d" 'layer 1 twice'
fails 2 'a map that forgets a slot' "echo '{\"phy2log\": [[0, 1, 0, 2]], \"log2phy\": [[[2, -1], [1, -1], [3, -1]]]}' >d; place-conv --mesh 2x2 --from eplb d" '1 of the 2 slots'
fails 2 'a slot twice' "echo '{\"phy2log\": [[0, 1, 0, 2]], \"log2phy\": [[[2, 2], [1, -1], [3, -1]]]}' >d; place-conv --mesh 2x2 --from eplb d" 'a slot twice'
fails 2 'uneven devices' "echo '{\"0\": [0, 1], \"1\": [0]}' >d; place-conv --mesh 2x1 --from placement.json d | place-conv --to eplb" 'same number of copies'
done_testing
