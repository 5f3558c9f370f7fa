#!/bin/sh
# trace2npz: there and back through npz2trace, numpy as the judge, and what is refused.
. "${0%/*}/lib.sh"
py=
for p in python3 /usr/bin/python3; do
	command -v $p >/dev/null && $p -c 'import numpy' 2>/dev/null && py=$p && break
done
gen() { trace-gen --layers 3 --batches 3 --rows 50 --experts 16 -k 4 "$@"; }
gen -s 1 -o a.trace
ids() { trace-filter --drop w "$@" | trace2jsonl | sed -n 's/^{"kind":"route".*"ids":/ids:/p'; }

bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	rm -rf d
	gen -s $seed -o b.trace && trace2npz -o d/ b.trace && npz2trace --experts 16 d | ids >got
	ids b.trace | cmp -s - got || bad="$bad $seed"
done
is 'the ids come back, 20 seeds' '' echo "$bad"
same 'there, back and there are the same arrays' 'npz2trace --no-prog d' \
	'npz2trace d | trace2npz -o e/; npz2trace --no-prog e'
same 'deflated is the same' 'trace2npz -o g/ a.trace; npz2trace --no-prog g' \
	'trace2npz --deflate 6 -o f/ a.trace; npz2trace --no-prog f'
same 'any order of frames' 'cat g/*' \
	'trace-sort --order layer,batch a.trace | trace2npz -o h/; cat h/*'
same 'one batch to standard output' 'trace-filter -b 1 a.trace | trace2npz' \
	'trace-filter -b 1 a.trace | trace2npz -o one.npz; cat one.npz'
is 'missing request id, so none' 0 sh -c 'grep -ac request_id one.npz'

fails 2 'more than one batch in a file' 'trace2npz -o x.npz a.trace' 'batch 1: a file holds one'
is 'and no file is left' '' sh -c 'ls x.npz* 2>/dev/null'
fails 2 'a cut stream' 'head -c 3000 a.trace | trace2npz -o y.npz'
is 'leaves no file either' '' sh -c 'ls y.npz* 2>/dev/null'
fails 2 'a layer without rows' 'printf "@trace v=1 layers=2 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\0\n@end frames=1\n" | trace2npz' 'no route frame of layer 1'
fails 2 'layers of other rows' 'printf "@trace v=1 layers=2 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\0\n@route layer=1 row0=1 rows=1 cols=ids:u8 bytes=1\n\0\n@end frames=2\n" | trace2npz' 'layer 1 has other rows than layer 0'
# a decoder behind an encoder: layer 1 has rows 2 and 3, layer 0 the others
cat >two.jsonl <<'E'
{"kind":"trace","v":1,"layers":2,"experts":3,"topk":1}
{"kind":"tok","batch":0,"rows":5,"cols":"tok:u32,phase:u8","tok":[7,8,0,9,6],"phase":[0,0,1,1,0]}
{"kind":"route","batch":0,"layer":0,"rows":2,"cols":"ids:u8,w:f32,logit:f32:3,dropped:u8","ids":[2,1],"w":[0.5,0.25],"logit":[[1,2,3],[4,5,6]],"dropped":[0,1]}
{"kind":"route","batch":0,"layer":1,"row0":2,"rows":2,"cols":"ids:u8,w:f32,logit:f32:3,dropped:u8","ids":[0,1],"w":[0.5,1],"logit":[[7,8,9],[1,0,1]],"dropped":[1,1]}
{"kind":"end","frames":3}
E
sed 's/"row0":2/"row0":1/' two.jsonl >common.jsonl
fails 2 'layers that share some rows' 'jsonl2trace common.jsonl | trace2npz' 'layer 1 has other rows than layer 0'
sed 's/"row0":2/"row0":4/' two.jsonl >beyond.jsonl
fails 2 'rows that no token has' 'jsonl2trace beyond.jsonl | trace2npz' 'layer 1 has rows that its tok frames have not'
fails 2 'an empty slot in an unsigned type' 'printf "@trace v=1 layers=1 experts=4 topk=1\n@route layer=0 rows=1 cols=ids:u8 bytes=1\n\377\n@end frames=1\n" | trace2npz --dtype u8' 'an empty slot does not fit'
fails 2 'two sections' 'cat a.trace a.trace | trace2npz -o z/' 'second section'
fails 2 'no routing' 'printf "@trace v=1 layers=1 experts=4 topk=1\n@end frames=0\n" | trace2npz' 'no batch'
fails 2 'a terminal' 'TRACE_FAKE_TTY=1 trace2npz one.trace' 'terminal'
fails 2 'a full disk' 'trace-filter -b 1 a.trace | trace2npz >/dev/full' 'No space'

if [ -z "$py" ]; then
	skip_one 'no numpy'
	done_testing
	exit
fi
cat >rt.py <<'E'
"""npz2trace | trace2npz is the identity on random files, one seed a run."""
import numpy as np, os, shutil, subprocess, sys
r = np.random.default_rng(int(sys.argv[1]))
shutil.rmtree('in', True); shutil.rmtree('out', True); os.makedirs('in')
L, k, E = int(r.integers(1, 5)), int(r.integers(1, 9)), int(r.choice([8, 255, 256, 300])); w = {}
for i in range(int(r.integers(1, 5))):
    T = int(r.integers(1, 300)); p = int(r.integers(0, T + 1))
    a = r.integers(-1, E, (T, L, k)).astype(str(r.choice(['i2', 'i4', 'i8', '>i4'])))
    w['p%d.npz' % i] = d = dict(routed_experts=a, prompt_token_ids=r.integers(0, 50000, p),
        output_token_ids=r.integers(0, 50000, T - p), request_id=['r-%d\u00e9\u4e00' % i, i * 7, -3][int(r.integers(3))])
    (np.savez if r.random() < .5 else np.savez_compressed)('in/p%d.npz' % i, **d)
z = ' --deflate 9' if r.random() < .5 else ''
t = str(r.choice(['i16', 'i32', 'i64']))
subprocess.run('npz2trace -j2 in | trace2npz -o out/ --dtype ' + t + z, shell=True, check=True)
assert sorted(os.listdir('out')) == sorted(w)
for f in w:
    o = np.load('out/' + f)
    assert sorted(o) == sorted(w[f]) and o['routed_experts'].dtype == np.dtype('i%d' % (int(t[1:]) // 8))
    for x in w[f]:
        a = np.asarray(w[f][x])
        assert o[x].shape == a.shape and (o[x] == a).all(), (f, x, o[x], a)
E
bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	$py rt.py $seed >err 2>&1 || bad="$bad $seed"
done
is 'npz2trace | trace2npz is the identity, 20 seeds' '' echo "$bad"
jsonl2trace two.jsonl | trace2npz --all -o two.npz
is 'a decoder behind an encoder' '[[[2], [-1]], [[1], [-1]], [[-1], [0]], [[-1], [1]]] [[0.5, 0.0], [0.25, 0.0], [0.0, 0.5], [0.0, 1.0]] [7, 8] [0, 9] [7, 8, 0, 9]
[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] [[7.0, 8.0, 9.0], [1.0, 0.0, 1.0]] 12 [[0, 0], [1, 0], [0, 1], [0, 1]]' $py -c "
import numpy
o = numpy.load('two.npz'); l = o['logit']
print(*(o[k].tolist() for k in ('routed_experts', 'w', 'prompt_token_ids', 'output_token_ids', 'tok')))
print(l[:2, 0].tolist(), l[2:, 1].tolist(), numpy.isnan(l).sum(), o['dropped'].tolist())"
jsonl2trace two.jsonl | trace-filter -l 1 | trace2npz -o one.npz
is 'tokens without routing are left out, logits are there' '[7.0, 8.0, 9.0] [] [0, 9]' $py -c "
import numpy
o = numpy.load('one.npz')
print(o['logit'][0, 0].tolist(), *(o[k].tolist() for k in ('prompt_token_ids', 'output_token_ids')))"
is 'the other columns' '(50, 3, 4) float16' $py -c "
import numpy, subprocess
subprocess.run('trace2npz --all -o w/ a.trace', shell=True, check=True)
o = numpy.load('w/batch-0.npz'); print(o['w'].shape, o['w'].dtype)"
done_testing
