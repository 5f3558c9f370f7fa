#!/bin/sh
# pt2trace: the trees by both row mappings, the shapes, and what is refused.
. "${0%/*}/lib.sh"
command -v python3 >/dev/null || skip 'no python3 to write torch files'

cat >mk.py <<'E'
"""Torch files without torch, and what pt2trace -t must say of them.
mk.py tree SEED: writes the trees.  mk.py want SEED MODE ARGS: prints the rows."""
import os, random, struct, sys, zipfile
S, B, K, E, RUN = 8, 4, 2, 16, "m/7"
def tensor(key, cls, dims):
    n = 1
    for d in dims: n *= d
    st = [1] if len(dims) == 1 else [dims[1], 1]
    u = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()
    i = lambda x: b"J" + struct.pack("<i", x)
    t = lambda x: b"(" + b"".join(map(i, x)) + b"t"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + u("storage") + b"ctorch\n" + cls.encode() + b"\n" + u(key) +
            u("cuda:0") + i(n) + b"tQ" + i(0) + t(dims) + t(st) + b"\x89ccollections\nOrderedDict\n)RtR")
def save(path, parts, tup):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    pkl = b"".join(tensor(str(j), c, d) for j, (c, d, v) in enumerate(parts))
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("x/data.pkl", b"\x80\x02" + (b"(" + pkl + b"t" if tup else pkl) + b".")
        for j, (c, d, v) in enumerate(parts):
            z.writestr("x/data/%d" % j, struct.pack("<%d%s" % (len(v), "f" if c[0] == "F" else "q"), *v))
        z.writestr("x/version", "3\n")
def row(seed, layer, shard, r):
    g = random.Random("%d %d %d %d" % (seed, layer, shard, r))
    ids = g.sample(range(E), K)
    return ids, sorted((g.randrange(1, 128) / 128 for _ in ids), reverse=True)
tok = lambda seed, shard, r: (seed * 1000 + shard * 100 + r) % 50000
def tree(seed, rows=S * B):
    for sh in range(3):
        save("samples/m/7/0-%d.pt" % sh, [("LongStorage", [rows], [tok(seed, sh, r) for r in range(rows)])], 0)
        for l in 2, 3:
            x = [row(seed, l, sh, r) for r in range(rows)]
            w, i = [v for a in x for v in a[1]], [v for a in x for v in a[0]]
            save("actives/m/7/9/%d/0-%d.pt" % (l, sh), [("FloatStorage", [rows, K], w), ("LongStorage", [rows, K], i)], 1)
            d = [0.0] * (rows * E)
            for r, (ii, ww) in enumerate(x):
                for a, b in zip(ii, ww): d[r * E + a] = b
            save("dense/m/7/9/%d/0-%d.pt" % (l, sh), [("FloatStorage", [rows, E], d)], 0)
def want(seed, rows, token):
    """rows: (shard, row of actives, row of samples, seq, pos)"""
    print("# batch row " + ("tok seq pos" if token else "dynande.sample"))
    for n, (sh, r, s, q, p) in enumerate(rows): print(*[0, n, tok(seed, sh, s)] + ([q, p] if token else []))
    print("# batch layer row ids w")
    for l in 2, 3:
        for n, (sh, r, s, q, p) in enumerate(rows):
            i, w = row(seed, l, sh, r)
            print(0, l, n, ",".join(map(str, i)), ",".join("%.9g" % x for x in w))
a = sys.argv; seed = int(a[2])
if a[1] == "tree": tree(seed)
elif a[3] == "raw-decoder":     # position, L, Q, shards
    p, L, Q, n = map(int, a[4:]); want(seed, [(s, p + L * j, p + L * j, 0, 0) for s in range(n) for j in range(Q)], 0)
elif a[3] == "raw-encoder":     # L, T, shards
    L, T, n = map(int, a[4:]); want(seed, [(s, r, r, 0, 0) for s in range(n) for r in range((T // n + (s < T % n)) * L)], 0)
elif a[3] == "token-decoder":
    p, Q, n = map(int, a[4:]); want(seed, [(s, p * B + j, j * S + p, s * B + j, p) for s in range(n) for j in range(Q)], 1)
elif a[3] == "token-encoder":
    T, n = map(int, a[4:]); want(seed, [(s, p * B + j, j * S + p, s * B + j, p) for s in range(n)
                                        for j in range(T // n + (s < T % n)) for p in range(S)], 1)
elif a[3] == "token-all":
    want(seed, [(0, r, r % B * S + r // B, r % B, r // B) for r in range(S * B)], 1)
E
cat >tree <<'E'
#!/bin/sh
exec pt2trace --actives actives --samples samples -m m --run 7 --epoch 9 -l 2,3 --experts 16 "$@"
E
chmod +x tree
text() { ./tree "$@" -t | tr '\t' ' '; }
expect() { python3 mk.py want "$@"; }

bad=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	python3 mk.py tree $seed
	p=$((seed % 5)) T=$((1 + seed % 6))
	{ expect $seed raw-decoder $p 5 4 3; expect $seed raw-encoder 4 $T 2; expect $seed token-decoder $p 3 3
	  expect $seed token-encoder $T 2; expect $seed token-all; } >wanted
	{ text --decoder --positions $p --seqlen 5 --per-shard 4 --shards 3
	  text --encoder --seqlen 4 -n $T --shards 2
	  text --decoder --positions $p --rows token --batch-size 4 --per-shard 3 --shards 3
	  text --encoder -n $T --rows token --batch-size 4 --shards 2
	  text --rows token --batch-size 4; } >got
	cmp -s wanted got || bad="$bad $seed"
done
is 'raw and token-aligned rows over 20 seeds' '' echo "$bad"
python3 mk.py tree 1
same 'dense gates are the pairs, by value' \
	'./tree --rows raw --no-prog' "./tree --rows raw --no-prog --actives dense"
same 'positions are sections, one after the other' \
	'./tree --no-prog --decoder --positions 0,2 --seqlen 5 --per-shard 2' \
	'for p in 0 2; do ./tree --no-prog --decoder --positions $p --seqlen 5 --per-shard 2; done'
is 'total rows are cut after the shards are joined' 6 \
	sh -c 'pt2trace --actives actives -m m --run 7 --epoch 9 -l 2 --experts 16 --decoder --positions 1 \
	--seqlen 5 --per-shard 4 --shards 3 -n 6 -t | grep -vc "^#"'
is 'the line says what was taken' 1 sh -c "./tree --encoder --seqlen 4 -n 3 --shards 3 --batch-size 4 | head -1 |
	grep -ac 'run=7 epoch=9 seqs=3 seqlen=4 shards=0-0.pt,0-1.pt,0-2.pt first=0-0 last=0-2 align=raw shard_seqs=4 shard_seqlen=8'"

fails 2 'a short shard, with row counts' './tree --encoder --seqlen 4 -n 9' 'actives/m/7/9/2/0-0.pt: 32 rows, 36 are needed'
fails 2 'a position past the end' './tree --decoder --positions 9 --seqlen 8 --per-shard 4' '32 rows, 34 are needed'
fails 2 'rows that are no whole sequences' './tree --rows token --batch-size 5' '32 rows are not 5 sequences'
fails 2 'a missing shard' './tree --shards 4' 'samples/m/7/0-3.pt|actives/m/7/9/2/0-3.pt'
rm actives/m/7/9/3/0-1.pt
same 'a missing shard is left out in all layers' './tree --shards 3 --skip-missing -q --no-prog | grep -ac "shards=0-0.pt,0-2.pt"' 'echo 1'
fails 2 'expert out of range' './tree --experts 4' 'actives/m/7/9/2/0-0.pt: row [0-9]*, slot [01]: expert [0-9]* is not below 4'

cat >one.py <<'E'
import sys; sys.argv = ["x", "none", "0", ""]
exec(open("mk.py").read())
def pair(name, w, i, k=2): save(name, [("FloatStorage", [len(w) // k, k], w), ("LongStorage", [len(i) // k, k], i)], 1)
pair("dup.pt", [.5, .25, .5, .25], [1, 2, 3, 3])
pair("neg.pt", [.5, .25], [1, -1])
pair("nan.pt", [.5, .25, .5, float("nan")], [1, 2, 3, 4])
save("dense.pt", [("FloatStorage", [2, 4], [0, .5, .25, 0, 0, 0, 0, 1.0])], 0)
save("minus.pt", [("FloatStorage", [1, 4], [0, .5, -.25, 0])], 0)
save("ids.pt", [("LongStorage", [2, 2], [3, 1, 0, 2])], 0)
E
python3 one.py
fails 2 'an expert twice' 'pt2trace dup.pt' 'dup.pt: row 1, slot 1: expert 3 again'
fails 2 'a negative expert' 'pt2trace neg.pt' 'neg.pt: row 0, slot 1: expert -1'
fails 2 'a score that is no number' 'pt2trace nan.pt' 'nan.pt: row 1, slot 1: the score is not finite'
fails 2 'a negative gate' 'pt2trace minus.pt' 'minus.pt: row 0, expert 2'
is 'logits are kept whole' '0 0 0,0.5,-0.25,0' sh -c "pt2trace --logits -t minus.pt | tail -1 | tr '\t' ' '"
is 'a dense row with fewer picks has empty slots' '0 0 1 3,- 1,0' sh -c "pt2trace -t dense.pt | tail -1 | tr '\t' ' '"
is '-k takes the best' '0 0 0 1 0.5' sh -c "pt2trace -k 1 -t dense.pt | sed -n 2p | tr '\t' ' '"
is 'ids alone, with the layer from -l' '0 5 1 0,2' sh -c "pt2trace -l 5 --experts 4 -t ids.pt | tail -1 | tr '\t' ' '"
fails 2 'no input' 'pt2trace nosuch.pt' 'nosuch.pt'
fails 2 'not a file of any kind' 'echo hello | pt2trace'
done_testing
