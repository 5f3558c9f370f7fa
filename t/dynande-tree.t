#!/bin/sh
# pipelines/dynande-decoder and -prefill: shards that hold the shipped rows give
# the shipped trees, byte for byte.
. "${0%/*}/lib.sh"
F=$DATA/flame-moe-290m
[ -d "$F" ] || skip 'no shipped files here'
command -v python3 >/dev/null || skip 'no python3 to write torch files'
cat >mk.py <<'E'
"""samples/ and actives/ whose rows are those of the shipped files: FIRST:STEP:TEXT..., layer by layer."""
import os, struct, sys, zipfile
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
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pkl = b"".join(tensor(str(j), c, d) for j, (c, d, v) in enumerate(parts))
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("x/data.pkl", b"\x80\x02" + (b"(" + pkl + b"t" if tup else pkl) + b".")
        for j, (c, d, v) in enumerate(parts):
            z.writestr("x/data/%d" % j, struct.pack("<%d%s" % (len(v), "f" if c[0] == "F" else "q"), *v))
rows, layers, shards = int(sys.argv[1]), {}, int(sys.argv[2])
samples = {}
for arg in sys.argv[3:]:
    layer, first, step, text = arg.split(":", 3)
    lines = [x.split("\t") for x in open(text)]
    tok = [int(x[2]) for x in lines if len(x) == 3 and x[0][0] != "#"]
    route = [(list(map(int, x[3].split(","))), list(map(float, x[4].split(",")))) for x in lines if len(x) == 5 and x[0][0] != "#"]
    per = len(route) // shards
    for n, r in enumerate(route):
        at = (n // per, int(first) + n % per * int(step))
        layers.setdefault(int(layer), {})[at] = r
        samples[at] = tok[n]
for s in range(shards):
    save("samples/flame-moe-290m/31066/0-%d.pt" % s, [("LongStorage", [rows], [samples.get((s, r), 0) for r in range(rows)])], 0)
    for l, have in layers.items():
        x = [have.get((s, r), (range(6), [.1] * 6)) for r in range(rows)]
        save("actives/flame-moe-290m/31066/5473/%d/0-%d.pt" % (l, s), [
            ("FloatStorage", [rows, 6], [v for a in x for v in a[1]]), ("LongStorage", [rows, 6], [v for a in x for v in a[0]])], 1)
E
compare() { # OURS SHIPPED: names of files that differ; their number
	n=0
	for x in "$1"/*; do
		want=$2/$(basename "$x")
		case $x in
		*.pt) pt2trace --no-prog "$x" >a && pt2trace --no-prog "$want" | cmp -s - a ;;
		*) if [ -f "$want" ]; then cmp -s "$want" "$x"; else zstd -qdc "$want.zst" | cmp -s - "$x"; fi ;;
		esac || echo "$x"
		n=$((n + 1))
	done
	echo $n
}
set --
for l in 2 3 5 9; do
	pt2trace -t "$F/Encoder_Batch_0-32/Layer_$l"/*.pt >e$l
	set -- "$@" $l:0:1:e$l
done
python3 mk.py 2048 1 "$@"
known='-m flame-moe-290m --run 31066 --epoch 5473'
# shellcheck disable=SC2086
ok 'dynande-prefill' dynande-prefill --compat --copy-layers 10,26=2,2 $known -l 2,3,5,9 --seqlen 64 -n 32 enc
for l in 2 3 5 9; do
	is "encoder layer $l" 8 compare enc/Layer_$l "$F/Encoder_Batch_0-32/Layer_$l"
done
is 'a copy is the true copy' 8 sh -c 'cd enc/Layer_10; for f in *; do g=../Layer_2/$(echo $f | sed s/layer10/layer2/)
	case $f in *.pt) ;; *.txt) sed "s/Layer 10/Layer 2/" $f | cmp - $g;; *) cmp $f $g;; esac; done; ls | wc -l'
is 'and exact counting has its one difference' '38 37' sh -c "
	dynande-prefill $known -l 2 --seqlen 64 -n 32 exact
	sed -n 's/^23,\([0-9]*\),.*/\1/p' enc/Layer_2/*top1_stats.csv exact/Layer_2/*top1_stats.csv | xargs"
set --
for l in 2 7; do
	for p in 0:1st 1:2nd 9:10th; do
		pt2trace -t "$F/Decoder_Batch_0-64/${p#*:}/Layer_$l"/*.pt >"d$l-${p%:*}"
		set -- "$@" "$l:${p%:*}:512:d$l-${p%:*}"
	done
done
rm -r samples actives
python3 mk.py 16384 2 "$@"
# shellcheck disable=SC2086
ok 'dynande-decoder' dynande-decoder $known --positions 0-1,9,10,20 -l 2,7 --shards 2 --compat dec
for p in 1st 2nd 10th; do
	for l in 2 7; do
		is "decoder $p layer $l" 8 compare dec/$p/Layer_$l "$F/Decoder_Batch_0-64/$p/Layer_$l"
	done
done
is 'ordinals beyond ten' '10th 11th 1st 21st 2nd' sh -c 'ls -A dec | xargs'
fails 2 'a missing shard' "dynande-decoder --positions 0 $known -l 2 --shards 3 bad" '/0-2.pt'
fails 2 'a short shard' "dynande-prefill $known -l 2 --seqlen 64 -n 300 bad" '16384 rows, 19200 are needed'
is 'and nothing is left behind' '' sh -c 'find bad -mindepth 1'
fails 2 'wrong use' dynande-decoder 'usage: '
fails 2 'a trace that says too little' 'trace-gen -o g && dynande-layers g out' 'does not say model'
done_testing
