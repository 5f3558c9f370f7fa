"""DeepSeek-V2: latent attention, a rotated key that all heads share, shared experts."""
import numpy as np

from common import Draw, attend, decode, linear, mixture, neighbours, pick, rms, softmax, swiglu, yarn

CONFIG = dict(
    model_type="deepseek_v2", vocab_size=128, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=12,
    intermediate_size=48, moe_intermediate_size=16, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=2,
    first_k_dense_replace=1, moe_layer_freq=1, topk_method="greedy", scoring_func="softmax", norm_topk_prob=False,
    routed_scaling_factor=1.0, n_group=1, topk_group=1, hidden_act="silu", rms_norm_eps=1e-6, rope_theta=10000.0,
    rope_scaling=dict(type="yarn", factor=40, beta_fast=32, beta_slow=1, mscale=0.707, mscale_all_dim=0.707,
                      original_max_position_embeddings=32),
    max_position_embeddings=1280, attention_bias=False, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1)
LARGE = dict(vocab_size=512, hidden_size=64, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=16,
             v_head_dim=16, intermediate_size=128, moe_intermediate_size=32)
# with as many picks as groups, the limit would change nothing
GROUPS = dict(q_lora_rank=24, topk_method="group_limited_greedy", n_group=4, topk_group=2, num_experts_per_tok=3,
              routed_scaling_factor=2.5)
VARIANTS = {
    "large": (LARGE, {}),
    "groups": (dict(LARGE, **GROUPS), dict(shards=3)),
    "plain-rope": (dict(rope_scaling=None), dict(new=True)),
    "new": (GROUPS, dict(new=True, fused=True, prefix=False)),
    "odd": (dict(num_attention_heads=5, num_key_value_heads=5, qk_nope_head_dim=6, v_head_dim=7, attention_bias=True,
                 moe_layer_freq=2, first_k_dense_replace=2, num_hidden_layers=5, n_shared_experts=None), {}),
    "normed": (dict(norm_topk_prob=True, routed_scaling_factor=3.0, tie_word_embeddings=True), dict(dtype="BF16")),
    "unequal": (dict(rope_scaling=dict(CONFIG["rope_scaling"], mscale=1.0, mscale_all_dim=0.5)), dict(dtype="F16")),
}
FAMILIES = {"deepseek_v2": (CONFIG, VARIANTS)}


def routed(c, l):
    return l >= c["first_k_dense_replace"] and l % c["moe_layer_freq"] == 0


def tensors(c, seed):
    w, d, n = Draw(seed), c["hidden_size"], c["num_attention_heads"]
    qk, r, bias = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["kv_lora_rank"], c["attention_bias"]
    w.ends(c)
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % l
        a, m = p + "self_attn.", p + "mlp."
        w.norm(p + "input_layernorm", d)
        w.norm(p + "post_attention_layernorm", d)
        if c["q_lora_rank"]:
            w.linear(a + "q_a_proj", c["q_lora_rank"], d, bias)
            w.norm(a + "q_a_layernorm", c["q_lora_rank"])
            w.linear(a + "q_b_proj", n * qk, c["q_lora_rank"])
        else:
            w.linear(a + "q_proj", n * qk, d)
        w.linear(a + "kv_a_proj_with_mqa", r + c["qk_rope_head_dim"], d, bias)
        w.norm(a + "kv_a_layernorm", r)
        w.linear(a + "kv_b_proj", n * (c["qk_nope_head_dim"] + c["v_head_dim"]), r)
        w.linear(a + "o_proj", d, n * c["v_head_dim"], bias)
        if not routed(c, l):
            w.swiglu(m, d, c["intermediate_size"])
            continue
        w.add(m + "gate.weight", c["n_routed_experts"], d, by=0.4)
        for e in range(c["n_routed_experts"]):
            w.swiglu(m + "experts.%d." % e, d, c["moe_intermediate_size"])
        if c["n_shared_experts"]:
            w.swiglu(m + "shared_experts.", d, c["moe_intermediate_size"] * c["n_shared_experts"])
    return w.t


def attention(c, t, l, x):
    n, nope, rope, r = (c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "kv_lora_rank"))
    p = "model.layers.%d.self_attn." % l
    f, a, m2 = yarn(c["rope_scaling"], c["rope_theta"], rope)
    if c["q_lora_rank"]:
        q = linear(t, p + "q_b_proj", rms(linear(t, p + "q_a_proj", x), t[p + "q_a_layernorm.weight"], 1e-6))
    else:
        q = linear(t, p + "q_proj", x)
    q = q.reshape(len(x), n, nope + rope)
    low = linear(t, p + "kv_a_proj_with_mqa", x)
    kv = linear(t, p + "kv_b_proj", rms(low[:, :r], t[p + "kv_a_layernorm.weight"], 1e-6)).reshape(len(x), n, -1)
    key = np.broadcast_to(neighbours(low[:, None, r:], f, a), (len(x), n, rope))
    q = np.concatenate([q[..., :nope], neighbours(q[..., nope:], f, a)], axis=-1)
    k = np.concatenate([kv[..., :nope], key], axis=-1)
    return linear(t, p + "o_proj", attend(q, k, kv[..., nope:], (nope + rope) ** -0.5 * m2))


def network(c, t, l, x):
    p = "model.layers.%d.mlp." % l
    ffn = lambda p: [t[p + m + "_proj.weight"] for m in ("gate", "up", "down")]
    if not routed(c, l):
        return swiglu(x, *ffn(p)), None
    k, n = c["num_experts_per_tok"], c["n_routed_experts"]
    logits = x @ t[p + "gate.weight"].T
    prob = softmax(logits)
    score = prob.copy()
    if c["topk_method"] == "group_limited_greedy":
        group = prob.reshape(len(x), c["n_group"], -1)
        keep = np.zeros(group.shape[:2])
        np.put_along_axis(keep, pick(group.max(axis=-1), c["topk_group"]), 1, axis=1)
        score = (group * keep[..., None]).reshape(len(x), n)
    ids = pick(score, k)
    w = np.take_along_axis(prob, ids, axis=1)
    w = w / w.sum(axis=1, keepdims=True) if c["norm_topk_prob"] else w * c["routed_scaling_factor"]
    y = mixture(x, ids, w, [ffn(p + "experts.%d." % e) for e in range(n)])
    if c["n_shared_experts"]:
        y = y + swiglu(x, *ffn(p + "shared_experts."))
    return y, (logits, ids, w)


def forward(c, t, ids):
    return decode(c, t, ids, attention, network)
