"""Qwen3-MoE: norms of each head of q and k.  Qwen2-MoE: biases, and a shared expert with a gate."""
import numpy as np

from common import Draw, decode, gqa, mixture, pick, softmax, swiglu, yarn

COMMON = dict(
    vocab_size=128, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=48, moe_intermediate_size=16, num_experts=8, num_experts_per_tok=2, decoder_sparse_step=1,
    mlp_only_layers=[], hidden_act="silu", rms_norm_eps=1e-6, rope_theta=1e6, rope_scaling=None,
    max_position_embeddings=512, use_sliding_window=False, sliding_window=4, tie_word_embeddings=False,
    bos_token_id=0, eos_token_id=1)
QWEN3 = dict(COMMON, model_type="qwen3_moe", head_dim=12, norm_topk_prob=True, attention_bias=False)
QWEN2 = dict(COMMON, model_type="qwen2_moe", norm_topk_prob=False, qkv_bias=True, shared_expert_intermediate_size=20)
QWEN3_VARIANTS = {
    "large": (dict(vocab_size=512, hidden_size=64, num_hidden_layers=4, head_dim=24, intermediate_size=128,
                   moe_intermediate_size=32), dict(shards=4)),
    "mixed": (dict(mlp_only_layers=[1], num_hidden_layers=4, norm_topk_prob=False), dict(new=True)),
    "odd": (dict(num_attention_heads=9, num_key_value_heads=3, head_dim=10, attention_bias=True,
                 decoder_sparse_step=2, num_hidden_layers=4), dict(fused=True)),
    "new": (dict(tie_word_embeddings=True), dict(new=True, fused=True, prefix=False)),
    "yarn": (dict(rope_scaling=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=32),
                  max_position_embeddings=256, rope_theta=10000.0), dict(dtype="BF16")),
}
QWEN2_VARIANTS = {
    "unbiased": (dict(qkv_bias=False, mlp_only_layers=[0, 2], num_hidden_layers=4), dict(fused=True)),
}
FAMILIES = {"qwen3_moe": (QWEN3, QWEN3_VARIANTS), "qwen2_moe": (QWEN2, QWEN2_VARIANTS)}


def routed(c, l):
    return l not in c["mlp_only_layers"] and (l + 1) % c["decoder_sparse_step"] == 0


def tensors(c, seed):
    w, d, n = Draw(seed), c["hidden_size"], c["num_experts"]
    three = c["model_type"] == "qwen3_moe"
    w.ends(c)
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % l
        w.gqa(l, c, c["attention_bias"] if three else c["qkv_bias"], three and c["attention_bias"])
        for name in "qk" if three else "":
            w.norm(p + "self_attn.%s_norm" % name, c["head_dim"])
        if not routed(c, l):
            w.swiglu(p + "mlp.", d, c["intermediate_size"])
            continue
        w.add(p + "mlp.gate.weight", n, d, by=0.4)
        for e in range(n):
            w.swiglu(p + "mlp.experts.%d." % e, d, c["moe_intermediate_size"])
        if not three:
            w.swiglu(p + "mlp.shared_expert.", d, c["shared_expert_intermediate_size"])
            w.linear(p + "mlp.shared_expert_gate", 1, d)
    return w.t


def attention(c, t, l, x):
    d = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    f, a, _ = yarn(c["rope_scaling"], c["rope_theta"], d)
    return gqa(c, t, l, x, f, a, head_norm=c["model_type"] == "qwen3_moe")


def network(c, t, l, x):
    p = "model.layers.%d.mlp." % l
    ffn = lambda p: [t[p + m + "_proj.weight"] for m in ("gate", "up", "down")]
    if not routed(c, l):
        return swiglu(x, *ffn(p)), None
    logits = x @ t[p + "gate.weight"].T
    ids = pick(logits, c["num_experts_per_tok"])
    w = np.take_along_axis(softmax(logits), ids, axis=1)
    if c["norm_topk_prob"]:
        w = w / w.sum(axis=1, keepdims=True)
    y = mixture(x, ids, w, [ffn(p + "experts.%d." % e) for e in range(c["num_experts"])])
    if p + "shared_expert_gate.weight" in t:
        gate = 1 / (1 + np.exp(-x @ t[p + "shared_expert_gate.weight"].T))
        y = y + gate * swiglu(x, *ffn(p + "shared_expert."))
    return y, (logits, ids, w)


def forward(c, t, ids):
    return decode(c, t, ids, attention, network)
