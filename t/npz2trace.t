#!/bin/sh
# npz2trace: what numpy writes, against numpy; slices, origins, and what is refused.
. "${0%/*}/lib.sh"
D=$DATA/pt-samples
py=$(for p in python3 /usr/bin/python3; do $p -c 'import numpy' 2>/dev/null && echo $p && break; done)

# Without numpy: an NPZ of our own, three tokens, two layers, k 2.
head='@trace v=1 layers=2 experts=4 topk=2\n@seq batch=0 seq=0 request=7 source=a.npz\n@tok batch=0 seq=0 rows=3 cols=phase:u8 bytes=3\n\0\0\1\n'
route='@route batch=0 layer=0 rows=3 cols=ids:u8:2 bytes=6\n\0\1\1\2\2\377\n@route batch=0 layer=1 rows=3 cols=ids:u8:2 bytes=6\n\2\3\3\0\1\3\n@end frames=4\n'
printf "$head$route" | trace2npz -o a.npz
rows() { npz2trace -t "$@" | awk -F '\t' '/^#/ { r = /ids/ } r && !/^#/ { printf "%s:%s ", $2, $NF } END { print "" }'; }
is 'layer by layer, negative ids are empty slots' '0:0,1 0:1,2 0:2,- 1:2,3 1:3,0 1:1,3 ' rows a.npz
is '-l means layers of the model' '6:2,3 6:3,0 6:1,3 ' rows -l 6 --layer-offset 5 a.npz
is 'a slice from the end' '0:1,2 0:2,- 1:3,0 1:1,3 ' rows --token-slice -2: a.npz
is 'a slice to the end but one' '0:0,1 1:2,3 ' rows --token-slice :-2 a.npz
is 'an empty slice has frames without rows' 2 sh -c "npz2trace --token-slice 2:1 a.npz | grep -ac '^@route.* rows=0'"
same 'from a pipe' 'npz2trace --no-prog a.npz | grep -av "^@[se]"' 'cat a.npz | npz2trace --no-prog | grep -av "^@[se]"'
origin() { npz2trace --mesh-rows 2 -t "$@" a.npz | awk -F '\t' '/^#/ { r = /origin/ } r && !/^#/ { printf "%s ", $NF }'; }
is 'origin rows go round' '0 1 0 0 1 0 ' origin --origin round-robin
is 'in blocks' '0 0 1 0 0 1 ' origin --origin block --block 2
npy() { printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"; }
{ npy '|u1' '2, 4' && printf '\4\2\1\1\0\1\2\3'; } >load.npy
{ npy '<f4' '2, 4' && printf '\0\0\200\77%28d' 0 | tr ' 0' '\0\0'; } >float.npy
counts() { npz2trace --count -k 2 -t "$@" | sed 1d | cut -f 1-4 | tr '\t\n' ': '; }
is '--count: a matrix of loads' '0:4:0:4 0:4:1:2 0:4:2:1 0:4:3:1 1:3:0:0 1:3:1:1 1:3:2:2 1:3:3:3 ' counts load.npy
is '--count: tokens are rounded up' '0:1:0:1 0:1:1:0 0:1:2:0 0:1:3:0 ' counts -l 0 float.npy
is '--count: layers of the model' '6:3:0:0 6:3:1:1 6:3:2:2 6:3:3:3 ' counts -l 6 --layer-offset 5 load.npy
is '--count: files add' '5 2 1 1' sh -c 'npz2trace --count -k 2 -l 0 load.npy float.npy | trace-sum | expert-load -t | sed 1d | cut -f 4 | xargs'
ok '--count: a stream that is right' sh -c 'npz2trace --count -k 2 load.npy | trace-check'
same '--count: what place-replicate takes' 'npz2trace --count -k 2 load.npy | place-replicate --mesh 2x2 --slots 8 --shared 0 -l 1 -t | cut -f 4' \
	'printf "expert\n0\n1\n1\n2\n2\n3\n3\n3\n"'
fails 2 '--count without k' 'npz2trace --count load.npy' 'needs -k'
fails 2 '--count: no such layer' 'npz2trace --count -k 2 -l 2 load.npy' 'load.npy: there is no layer 2, only 0 to 1'
fails 2 '--count: more picks than experts' 'npz2trace --count -k 5 load.npy' '4 experts, 5 picks'
fails 2 '--count of routing' 'npz2trace --count -k 2 a.npz' 'no counts of layers x experts'
fails 2 '--count: another shape' "{ npy '|u1' '1, 4' && printf abcd; } >o.npy; npz2trace --count -k 2 load.npy o.npy" 'o.npy: 1 x 4 counts, but 2 x 4'
fails 2 '--count: below 0' "{ npy '|i1' '1, 4' && printf '\377\1\1\1'; } >o.npy; npz2trace --count -k 2 o.npy" 'row 0, column 0: -1 is no count'
fails 2 '--count: a half' "{ npy '<f2' '1, 1' && printf '\0\70'; } >o.npy; npz2trace --count -k 1 o.npy" 'row 0: a value that is no count'
fails 2 'a matrix that is not said to be counts' 'npz2trace load.npy' 'count -k N reads'
fails 2 'ids that are too large' 'npz2trace --experts 3 a.npz' 'a.npz: routed_experts: token 0, layer 1 of the axis, slot 1: expert 3, there are 3'
fails 2 'a layer that is not there' 'npz2trace -l 2 a.npz' 'no layer 2, only 0 to 1'
fails 2 'more picks than experts' 'npz2trace --experts 1 a.npz' 'a.npz'
fails 2 'a slice that is none' 'npz2trace --token-slice 1:x a.npz' 'token-slice: x is no integer'
fails 2 'origins without a mesh' 'npz2trace --origin random a.npz' 'mesh-rows'
fails 2 'a folder without files' 'mkdir empty; npz2trace empty' 'empty: no .npz'
fails 2 'a file that is not there' 'npz2trace nosuch.npz' 'nosuch.npz: No such file'
fails 2 'an empty file' ': >e.npz; npz2trace e.npz' 'e.npz: empty'
fails 2 'a full disk' 'npz2trace a.npz >/dev/full' 'No space'
is 'no prefix of a file passes' '' sh -c 'n=$(wc -c <a.npz); for i in 0 1 10 30 100 $((n / 2)) $((n - 22)) $((n - 1)); do
	head -c "$i" a.npz >cut.npz; npz2trace cut.npz >/dev/null 2>&1 && echo "$i"; done'
if [ -d "$D" ]; then
	limit='ulimit -v 65536;'
	sh -c "$limit npz2trace --help" >/dev/null 2>&1 || limit= # a sanitizer needs more
	for f in "$D"/refuse/*; do
		fails 2 "refused: ${f##*/}" "$limit timeout 1 npz2trace --object '$f'" "^npz2trace: .*${f##*/}: [^ ]"
	done
	is 'the samples of numpy: a.npz' 4 sh -c "npz2trace -l 0 -t $D/good/a.npz | grep -c '0,0$'"
	is 'deflated' 400 sh -c "npz2trace -l 0 -t $D/good/ac.npz | grep -c '0,0$'"
	is 'an array in an object, on request' 4 sh -c "npz2trace --object -l 0 -t $D/good/o0.npz | grep -c '0,0$'"
	fails 2 'and not without' "npz2trace $D/good/o0.npz" 'o0.npz: routed_experts: holds Python objects'
else
	skip_one 'no pt-samples'
fi
[ "$py" ] || { skip_one 'no numpy'; done_testing; exit; }
mkdir spec none flat void odd odk && $py - <<'E'
import numpy as np
a = np.array([[[0, 1], [2, 3]], [[1, 2], [3, 0]], [[2, 0], [1, 3]]], dtype='i2')
np.savez('spec/problem_1.npz', routed_experts=a, request_id=7, prompt_token_ids=[5, 6], output_token_ids=[9])
np.savez_compressed('spec/problem_10.npz', routed_experts=a.astype('u1'), prompt_token_ids=[5, 6], output_token_ids=[9, 4])
for f, x in (('none/a', np.array(None, dtype=object)), ('none/b', a), ('flat/a', a[0]), ('flat/b', a),
             ('void/a', a[:0]), ('void/b', a), ('odd/a', a), ('odd/b', a[:, :1]), ('odk/a', a), ('odk/b', a[:, :, :1]),
             ('float', a.astype('f4')), ('many', np.array([[1, 2], [3]], dtype=object)),
             ('u64', np.full((1, 1, 1), 2**64 - 1, dtype='u8'))): np.savez(f + '.npz', routed_experts=x)
np.savez('token.npz', routed_experts=a, prompt_token_ids=[1, -2, 3])
np.savez('long.npz', routed_experts=np.random.default_rng(5).integers(0, 300, (40000, 3, 2)), request_id='x y')
E
is 'the vector of the placement page' '{"layer": 1, "batch_id": 7, "topk_experts": [[2, 3], [3, 0], [1, 3]], "request_id": 7, "source_file": "problem_1.npz"}
{"layer": 1, "batch_id": 1, "topk_experts": [[2, 3], [3, 0], [1, 3]], "request_id": 1, "source_file": "problem_10.npz"}' \
	sh -c 'npz2trace -l 1 spec | trace2jsonl --dialect moe-balance'
is 'the output alone' '0:2,0 0:2,0 ' rows -l 0 --token-slice output spec
is 'the prompt alone' '0:0,1 0:1,2 0:0,1 0:1,2 ' rows -l 0 --token-slice prompt spec/
for d in none flat void; do
	fails 2 "no routing is an error: $d" "npz2trace --object $d" "$d/a.npz: routed_experts: "
	is "or left out: $d" 2 sh -c "npz2trace -q --object --skip-missing $d | grep -ac '^@route'"
done
fails 2 'layers that disagree' 'npz2trace odd' 'odd/b.npz: 1 layers, 2 picks, but odd/a.npz has 2, 2'
fails 2 'the same with --experts and threads' 'npz2trace -j4 --experts 8 odd' 'odd/b.npz: 1 layers'
fails 2 'k that disagrees' 'npz2trace odk' 'odk/b.npz: 2 layers, 1 picks'
fails 2 'floats' 'npz2trace float.npz' 'float.npz: routed_experts: f32 are no integers'
fails 2 'a list in a cell' 'npz2trace --object many.npz' 'many.npz: routed_experts: holds Python objects'
fails 2 'an id above all' 'npz2trace u64.npz' 'u64.npz: '
fails 2 'a token id that is none' 'npz2trace token.npz' 'token.npz: prompt_token_ids: token 1: -2'
is 'frames of 16384 rows' 9 sh -c "npz2trace long.npz | grep -ac '^@route'"
is 'the last begins where it should' 3 sh -c "npz2trace long.npz | grep -ac '^@route.* row0=32768 .*rows=7232'"
is 'a name as request id' 1 sh -c "npz2trace -l 0 long.npz | grep -ac '^@seq.* request=x%20y'"
cat >prop.py <<'E'
"""A folder of random NPZ files, and what rows must print of it."""
import numpy as np, os, shutil, sys
r = np.random.default_rng(int(sys.argv[1]))
shutil.rmtree('in', True); os.makedirs('in'); w = open('want', 'w')
L, k, E = int(r.integers(1, 6)), int(r.integers(1, 10)), int(r.choice([12, 255, 256, 300, 40000]))
types = '>i4 i4 i8 >i8 u4 u8 u2' + ' i2 >i2' * (E < 32768) + ' u1' * (E <= 256) + ' i1' * (E < 128)
for f in sorted('p%d.npz' % i for i in range(int(r.integers(1, 13)))):
    t = np.dtype(str(r.choice(types.split())))
    a = r.integers(-3 if t.kind == 'i' else 0, E, (int(r.integers(1, 200)), L, k)).astype(t)
    a[0, 0, 0] = E - 1
    if r.random() < .3: a = np.asfortranarray(a)
    (np.savez if r.random() < .5 else np.savez_compressed)('in/' + f, routed_experts=a)
    print(*('%d:%s' % (l, ','.join('-' if x < 0 else str(x) for x in t[l])) for l in range(L) for t in a), end=' ', file=w)
E
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py prop.py $seed
	[ "$(rows -j$((seed % 3 + 1)) in)" = "$(cat want)" ] || echo "$seed"
	npz2trace --no-prog -j1 in >j1 && npz2trace --no-prog -j4 in | cmp -s - j1 || echo "j$seed"
done >bad
is 'any type and order, stored or deflated, any -j: 20 seeds' '' cat bad
same 'random origins come from the seed' 'npz2trace --no-prog --origin random --mesh-rows 4 -s 3 -j1 in' \
	'npz2trace --no-prog --origin random --mesh-rows 4 -s 3 -j3 in'
done_testing
