#!/bin/sh
# router-capture: decoder-only models, against references and by their properties.
. "${0%/*}/lib.sh"
for py in python3 /usr/bin/python3 ''; do
	[ -z "$py" ] && skip 'no python3-numpy'
	"$py" -c 'import numpy' 2>/dev/null && break
done
REFS=$TOP/t/refs
FAMILIES='deepseek_v2 qwen3_moe qwen2_moe olmoe mixtral'

# what second programs say: kept checkpoints, and all variants but the large
for f in switch_transformers $FAMILIES; do set -- "$@" "$REFS/$f"; done
ok 'kept references' "$py" "$REFS/refs" check "$@"
# shellcheck disable=SC2046
"$py" "$REFS/refs" make refs $("$py" "$REFS/refs" list | grep -v large) || exit 1
ok 'variants' "$py" "$REFS/refs" check refs/*-*

# mk DIR FAMILY [HOW=PYTHON ...] [edit=PYTHON]: a checkpoint, c and t of it edited, once made says so
cat >mk.py <<'E'
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import numpy as np
import common, deepseek_v2, mixtral, olmoe, qwen_moe
for case in open("cases").read().split("\0\0")[:-1]:
    d, family, *opt = case.split("\0")
    opt = dict(a.split("=", 1) for a in opt)
    m = {"deepseek_v2": deepseek_v2, "mixtral": mixtral, "olmoe": olmoe}.get(family, qwen_moe)
    edit = opt.pop("edit", "")
    c = dict(m.FAMILIES[family][0])
    t = m.tensors(c, 7)
    exec(edit)
    common.save(d, c, t, **{k: eval(v) for k, v in opt.items()})
E
mk() { printf '%s\0' "$@" '' >>cases; }
made() { "$py" mk.py "$REFS" && rm cases; }
"$py" - >all.jsonl <<'E'
import json, random
random.seed(3)
rows = [(random.randrange(128), s, p) for s, n in enumerate([70, 1, 33]) for p in range(n)]
tok, seq, pos = zip(*rows)
print(json.dumps(dict(kind="trace", v=1, layers=0, experts=0, topk=0)))
print(json.dumps(dict(kind="tok", batch=0, rows=len(rows), cols="tok:u32,seq:u32,pos:u32", tok=tok, seq=seq, pos=pos)))
print(json.dumps(dict(kind="end", frames=1)))
E
jsonl2trace all.jsonl >in.trace
# the first 33 tokens of sequence 0, alone
"$py" -c 'import json
for l in open("all.jsonl"):
    f = json.loads(l)
    if "tok" in f: f.update({k: f[k][:33] for k in ("tok", "seq", "pos")}, rows=33)
    print(json.dumps(f))' | jsonl2trace >short.trace
run() { router-capture --no-prog "$@" <"$tmp/in.trace"; }

for f in $FAMILIES; do
	mk "$f/m" "$f"
	mk "$f/new/m" "$f" shards=3 fused=True prefix=False new=True
	mk "$f/half/m" "$f" dtype='"BF16"'
	mk "$f/full/m" "$f" edit='t = common.rounded(t, "BF16")'
	mk "$f/z" "$f" edit='
for n in t:
    if n.endswith("gate.weight"): t[n][:] = 0'
	mk "$f/p" "$f" edit='
n = {int(k.split(".")[k.split(".").index("experts") + 1]) for k in t if ".experts." in k}
for k in [k for k in t if k.endswith(".gate.weight")]:
    t[k] = np.roll(t[k], 1, axis=0)
for e, x in [(k, t.pop(k)) for k in list(t) if ".experts." in k]:
    p = e.split(".")
    i = p.index("experts") + 1
    p[i] = str((int(p[i]) + 1) % len(n))
    t[".".join(p)] = x'
	mk "$f/cut/m" "$f" edit='
t = {k: x for k, x in t.items() if "lm_head" not in k and k != "model.norm.weight" and ".layers.2." not in k
     and not (".layers.1." in k and ("experts" in k or "shared" in k))}'
done
made
for f in $FAMILIES; do
	cd "$f" || exit 1
	same "$f: both dialects, both layouts, several files" 'run m' 'run new/m'
	same "$f: any -j" 'run m' 'run -j 3 m'
	same "$f: bf16 is widened" 'run half/m' 'run full/m'
	run z | trace2jsonl >z.jsonl
	run m | trace2jsonl >m.jsonl
	router-capture m <../short.trace | trace2jsonl >short.jsonl
	run p | trace2jsonl >p.jsonl
	"$py" - "$f" >got <<'E'
import json, sys
import numpy as np
def routes(f):
    return [{k: np.array(r[k]) for k in ("logit", "ids", "w")} for r in map(json.loads, open(f)) if r["kind"] == "route"]
z, m, p, s = map(routes, ("z.jsonl", "m.jsonl", "p.jsonl", "short.jsonl"))
E, k = m[0]["logit"].shape[1], m[0]["ids"].shape[1]
w = 1 / k if sys.argv[1] in ("qwen3_moe", "mixtral") else 1 / E
zeros = sum((r["logit"] != 0).sum() + (np.abs(r["w"] - w) > 1e-6).sum() + (r["ids"] != np.arange(k)).sum() for r in z)
order = sum(((b["ids"] - a["ids"]) % E != 1).sum() + (np.abs(np.roll(a["logit"], 1, axis=1) - b["logit"]) > 1e-4).sum()
            for a, b in zip(m, p))
later = sum((np.abs(a["logit"][:33] - b["logit"]) > 1e-4).sum() for a, b in zip(m, s))
print("zeros", zeros, "order", order, "later", later, len(z) == len(m) == len(p) == len(s) > 1)
E
	is "$f: a router of zeros, experts in another order, tokens that come later" \
		'zeros 0 order 0 later 0 True' cat got
	same "$f: nothing behind the last router is read" 'run -l 1 m' 'run -l 1 cut/m'
	cd ..
done
ln -s deepseek_v2/m m
is 'what the trace line says' 'layers=2 experts=8 topk=2 map=1-2 model=m shared=2 score=softmax' sh -c "
	router-capture m <in.trace | trace-heads | sed -n '1s/.*\\(layers=.*softmax\\).*/\\1/p'"
is 'columns' 'ids:u8:2,w:f32:2,logit:f32:8,hidden:f16:32' sh -c "
	router-capture --hidden m <in.trace | trace-heads | sed -n 's/^@route.*cols=\([^ ]*\).*/\1/p' | sed 's/,row:u32//;1q'"

# rotations of few positions, and of frequencies that lie close together
"$py" - "$REFS" <<'E'
import importlib.machinery, importlib.util, os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("refs", sys.argv[1] + "/refs")
sys.argv = ["refs", "list"]
refs = importlib.util.module_from_spec(importlib.util.spec_from_loader("refs", loader))
sys.stdout = open(os.devnull, "w")
loader.exec_module(refs)
one = refs.references()["qwen3_moe-yarn"]
yarn = dict(rope_type="yarn", factor=8.0)
change = {"few": dict(rope_scaling=dict(yarn, original_max_position_embeddings=4)),
          "close": dict(rope_theta=1.5, rope_scaling=dict(yarn, original_max_position_embeddings=64, beta_fast=4, beta_slow=2))}
refs.references = lambda: {k: (one[0], dict(one[1], head_dim=34, **v), {}, 3) for k, v in change.items()}
refs.make("edges", [])
E
ok 'rotations at the edges' "$py" "$REFS/refs" check edges/few edges/close

# what is refused, by name
n=0
refused() { # DESCRIPTION REGEX FAMILY mk-ARGUMENTS...
	n=$((n + 1))
	mkdir $n
	echo "$1" >$n/what
	echo "$2" >$n/why
	shift 2
	mk $n/bad "$@"
}
C=bad/config.json S=bad/model.safetensors
refused 'a shape' "$S: model.layers.1.mlp.experts.3.up_proj.weight: shape 16x31, not 16x32" qwen3_moe \
	edit='t["model.layers.1.mlp.experts.3.up_proj.weight"] = t["model.layers.1.mlp.experts.3.up_proj.weight"][:, 1:]'
refused 'a tensor that is missing' "$S: no tensor model.layers.1.self_attn.q_norm.weight of shape 32" olmoe \
	edit='del t["model.layers.1.self_attn.q_norm.weight"]'
refused 'half of what is fused' "$S: no tensor model.layers.0.mlp.experts.down_proj of shape 8x32x16" olmoe \
	edit='t = common.fuse(t)
del t["model.layers.0.mlp.experts.down_proj"]'
refused 'a bias that is missing' "$S: no tensor model.layers.0.self_attn.o_proj.bias of shape 32" qwen3_moe \
	edit='c["attention_bias"] = True'
refused 'NaN' "$S: model.layers.1.mlp.shared_experts.up_proj.weight: shape 32x32 holds NaN" deepseek_v2 \
	edit='t["model.layers.1.mlp.shared_experts.up_proj.weight"][3, 4] = np.nan'
# wherever it is that they would be lost: behind a choice, a clip, the head
nan() { # TENSOR FAMILY OPTIONS [PYTHON]
	refused "NaN in $1" "$S: $1: shape [0-9x]* holds NaN" "$2" edit="t['$1'].reshape(-1)[3] = np.nan
${4:-}"
	echo "$3" >$n/opts
}
nan model.layers.1.mlp.gate.weight deepseek_v2 '-l 2'
nan model.layers.0.mlp.shared_expert_gate.weight qwen2_moe ''
nan model.layers.0.self_attn.q_proj.weight olmoe '' 'c["clip_qkv"] = 1.0'
nan model.norm.weight mixtral --loss
nan lm_head.weight qwen3_moe '--generate 2'
refused 'weights of eight bits' "$C: quantization_config: " mixtral edit='c["quantization_config"] = {"quant_method": "fp8"}'
refused 'a rotation' "$C: rope_scaling: type llama3 is none of default, yarn" olmoe \
	edit='c["rope_scaling"] = {"rope_type": "llama3", "factor": 8}'
refused 'a rotation of version 5' "$C: rope_scaling: type dynamic is none" qwen3_moe new=True \
	edit='c["rope_scaling"] = {"type": "dynamic", "factor": 8}'
refused 'a stretch without its factor' "$C: no rope_parameters.factor" qwen3_moe edit='c["rope_scaling"] = {"type": "yarn"}'
refused 'scores' "$C: scoring_func: sigmoid is not softmax" deepseek_v2 edit='c["scoring_func"] = "sigmoid"'
refused 'a choice' "$C: topk_method: noaux_tc is none of greedy, group" deepseek_v2 edit='c["topk_method"] = "noaux_tc"'
refused 'groups that do not divide' "$C: 3 groups do not divide 8 experts" deepseek_v2 \
	edit='c.update(topk_method="group_limited_greedy", n_group=3, topk_group=1)'
refused 'too few groups' "$C: 2 picks are more than 1 groups have" deepseek_v2 \
	edit='c.update(topk_method="group_limited_greedy", n_group=8, topk_group=1)'
refused 'more picks than experts' "$C: .*9" olmoe edit='c["num_experts_per_tok"] = 9'
refused 'a key that is missing' "$C: no first_k_dense_replace" deepseek_v2 edit='del c["first_k_dense_replace"]'
refused 'another activation' "$C: hidden_act: not silu" olmoe edit='c["hidden_act"] = "gelu"'
refused 'heads that do not divide' "$C: no head_dim, and 3 heads do not divide 32" mixtral edit='c["num_attention_heads"] = c["num_key_value_heads"] = 3'
refused 'groups of heads' "$C: num_key_value_heads: does not divide 4 heads" qwen2_moe edit='c["num_key_value_heads"] = 3'
refused 'an odd head' "$C: head_dim: an odd number of 7" mixtral edit='c["head_dim"] = 7'
refused 'layers that are no list' "$C: mlp_only_layers: not a list of layers" qwen3_moe edit='c["mlp_only_layers"] = ["x"]'
refused 'a window that slides' "$C: sliding_window: 69 is less than 70 tokens" mixtral edit='c["sliding_window"] = 69'
refused 'too many tokens' '70 tokens, but the model has 64 positions' olmoe edit='c["max_position_embeddings"] = 64'
mk w/m mixtral edit='c["sliding_window"] = 70'
mk gone qwen3_moe shards=3
made
for i in $(seq $n); do
	fails 2 "$(cat "$i/what")" "cd $i && router-capture bad $(cat "$i/opts" 2>&-) <../in.trace" "$(cat "$i/why")"
done
same 'a window as long as the sequence' 'run mixtral/m' 'run w/m'
rm gone/model-00002-of-00003.safetensors
fails 2 'a file of several that is missing' 'router-capture gone <in.trace' 'gone/model-00002-of-00003.safetensors: No such file'
done_testing
