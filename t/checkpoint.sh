# Switch checkpoints of a few KB, token frames for them, and columns of what comes out.  Sourced
# behind lib.sh.
# shellcheck shell=sh
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3 to write checkpoints'

# tok ROWS...: each "SEQ PHASE ID ID ...", one frame
tok() {
	printf '%s\n' "$@" | awk 'BEGIN { print "{\"kind\":\"trace\",\"v\":1,\"layers\":0,\"experts\":0,\"topk\":0}" }
	{ for (i = 3; i <= NF; i++) { c = n++ ? "," : ""; t = t c $i; s = s c $1; h = h c $2; p = p c i - 3 } }
	END { printf "{\"kind\":\"tok\",\"batch\":3,\"rows\":%d,\"cols\":\"tok:u32,seq:u32,pos:u32,phase:u8\",\"tok\":[%s],\"seq\":[%s],\"pos\":[%s],\"phase\":[%s]}\n", n, t, s, p, h
	print "{\"kind\":\"end\",\"frames\":1}" }' | jsonl2trace
}

# mk.py DIR [type=F32|F16|BF16] [shards=N] [KEY=JSON ...] [edit=PYTHON]: a checkpoint of a few KB
cat >mk.py <<'E'
import json, os, random, struct, sys
d, opt = sys.argv[1], dict(a.split("=", 1) for a in sys.argv[2:])
typ, shards, edit = opt.pop("type", "F32"), int(opt.pop("shards", 1)), opt.pop("edit", "")
c = dict(model_type="switch_transformers", vocab_size=30, d_model=12, d_kv=5, d_ff=7, num_heads=3,
         num_layers=3, num_decoder_layers=2, num_sparse_encoder_layers=1, encoder_sparse_step=2,
         decoder_sparse_step=1, num_experts=5, expert_capacity=2, relative_attention_num_buckets=8,
         relative_attention_max_distance=16)
c.update({k: json.loads(v) for k, v in opt.items()})
random.seed(5)
t = {}
def add(name, *shape, mid=0.0, by=.4):
    n = 1
    for s in shape: n *= s
    # values that f16 and bf16 hold
    t[name] = (list(shape), [mid + round(random.gauss(0, by) * 32) / 32 for _ in range(n)])
D, I, F, E = c["d_model"], c["d_kv"] * c["num_heads"], c["d_ff"], c["num_experts"]
add("shared.weight", c["vocab_size"], D, by=1)
for side, n, step in ("encoder", c["num_layers"], c["encoder_sparse_step"]), ("decoder", c["num_decoder_layers"], c["decoder_sparse_step"]):
    for i in range(n):
        b = "%s.block.%d.layer." % (side, i)
        for k, att in enumerate(["SelfAttention", "EncDecAttention"][: 1 if side == "encoder" else 2]):
            for x in "qkv": add("%s%d.%s.%s.weight" % (b, k, att, x), I, D)
            add("%s%d.%s.o.weight" % (b, k, att), D, I)
            add("%s%d.layer_norm.weight" % (b, k), D, mid=1, by=.1)
        if i == 0: add(b + "0.SelfAttention.relative_attention_bias.weight", c["relative_attention_num_buckets"], c["num_heads"])
        m = b + ("1" if side == "encoder" else "2")
        add(m + ".layer_norm.weight", D, mid=1, by=.1)
        if step and (step == 1 or i % step == 1):
            add(m + ".mlp.router.classifier.weight", E, D, by=1)
            if c.get("router_bias"): add(m + ".mlp.router.classifier.bias", E, by=1)
            for e in range(E):
                add(m + ".mlp.experts.expert_%d.wi.weight" % e, F, D)
                add(m + ".mlp.experts.expert_%d.wo.weight" % e, D, F)
        else:
            add(m + ".mlp.wi.weight", F, D)
            add(m + ".mlp.wo.weight", D, F)
    add(side + ".final_layer_norm.weight", D, mid=1, by=.1)
exec(edit)
pack = {"F32": lambda x: struct.pack("<f", x), "F16": lambda x: struct.pack("<e", x),
        "BF16": lambda x: struct.pack("<f", x)[2:]}[typ]
os.makedirs(d, exist_ok=True)
json.dump(c, open(d + "/config.json", "w"))
index = {}
for s in range(shards):
    file = "model.safetensors" if shards == 1 else "model-%d.safetensors" % s
    head, body = {}, b""
    for name in sorted(t)[s::shards]:
        data = b"".join(map(pack, t[name][1]))
        head[name] = {"dtype": typ, "shape": t[name][0], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
        index[name] = file
    head = json.dumps(head).encode()
    open(d + "/" + file, "wb").write(struct.pack("<Q", len(head)) + head + body)
if shards > 1: json.dump({"weight_map": index}, open(d + "/model.safetensors.index.json", "w"))
E
mk() { "$py" mk.py "$@"; }

# numbers of a column of the route frames, one a line
column() { trace2jsonl | "$py" -c 'import json, sys
for l in sys.stdin:
    f = json.loads(l)
    for row in f.get(sys.argv[1], []) if f["kind"] == "route" else []:
        print(*row if isinstance(row, list) else [row], sep="\n")' "$1"; }
near() { # REFERENCE TOLERANCE: stdin and the npy differ by less, in proportion to the greatest
	"$py" -c 'import array, struct, sys
d = open(sys.argv[1], "rb").read()
r = array.array("f"); r.frombytes(d[10 + struct.unpack("<H", d[8:10])[0]:])
g = [float(x) for x in sys.stdin]
top = max(map(abs, r))
sys.exit(len(g) != len(r) or not max(abs(a - b) for a, b in zip(g, r)) <= float(sys.argv[2]) * top)' "$@"
}
