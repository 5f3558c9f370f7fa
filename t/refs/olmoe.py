"""OLMoE: norms of q and of k as a whole, and a clip behind them."""
import numpy as np

from common import Draw, decode, gqa, mixture, pick, softmax, yarn

CONFIG = dict(
    model_type="olmoe", vocab_size=128, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=4, intermediate_size=16, num_experts=8, num_experts_per_tok=2, norm_topk_prob=False,
    clip_qkv=None, hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None,
    max_position_embeddings=256, attention_bias=False, tie_word_embeddings=False, bos_token_id=None, eos_token_id=1)
VARIANTS = {
    "large": (dict(vocab_size=512, hidden_size=64, intermediate_size=32), dict(shards=2)),
    "clip": (dict(clip_qkv=0.5, num_key_value_heads=2), dict(fused=True)),
    "new": (dict(norm_topk_prob=True), dict(new=True, fused=True)),
    "odd": (dict(hidden_size=42, num_attention_heads=3, num_key_value_heads=1, attention_bias=True,
                 num_experts_per_tok=3, tie_word_embeddings=True), dict(dtype="F16", prefix=False)),
}
FAMILIES = {"olmoe": (CONFIG, VARIANTS)}


def tensors(c, seed):
    w, d, n = Draw(seed), c["hidden_size"], c["num_attention_heads"]
    w.ends(c)
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % l
        w.gqa(l, c, c["attention_bias"], c["attention_bias"])
        w.norm(p + "self_attn.q_norm", d)
        w.norm(p + "self_attn.k_norm", d // n * c["num_key_value_heads"])
        w.add(p + "mlp.gate.weight", c["num_experts"], d, by=0.4)
        for e in range(c["num_experts"]):
            w.swiglu(p + "mlp.experts.%d." % e, d, c["intermediate_size"])
    return w.t


def attention(c, t, l, x):
    f, a, _ = yarn(c["rope_scaling"], c["rope_theta"], c["hidden_size"] // c["num_attention_heads"])
    return gqa(c, t, l, x, f, a, full_norm=True)


def network(c, t, l, x):
    p = "model.layers.%d.mlp." % l
    logits = x @ t[p + "gate.weight"].T
    ids = pick(logits, c["num_experts_per_tok"])
    w = np.take_along_axis(softmax(logits), ids, axis=1)
    if c["norm_topk_prob"]:
        w = w / w.sum(axis=1, keepdims=True)
    experts = [[t[p + "experts.%d.%s_proj.weight" % (e, m)] for m in ("gate", "up", "down")]
               for e in range(c["num_experts"])]
    return mixture(x, ids, w, experts), (logits, ids, w)


def forward(c, t, ids):
    return decode(c, t, ids, attention, network)
