"""Mixtral: plain grouped attention; weights are a softmax of the picked logits."""
import numpy as np

from common import Draw, decode, gqa, mixture, pick, softmax, yarn

CONFIG = dict(
    model_type="mixtral", vocab_size=128, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, hidden_act="silu",
    rms_norm_eps=1e-5, rope_theta=1e6, sliding_window=None, max_position_embeddings=512, tie_word_embeddings=False,
    bos_token_id=1, eos_token_id=2)
VARIANTS = {
    "large": (dict(vocab_size=512, hidden_size=64, intermediate_size=64), dict(shards=5)),
    "new": (dict(sliding_window=200), dict(new=True, fused=True)),
    "odd": (dict(num_attention_heads=3, num_key_value_heads=1, head_dim=6, num_local_experts=7,
                 tie_word_embeddings=True), dict(dtype="BF16", prefix=False)),
}
FAMILIES = {"mixtral": (CONFIG, VARIANTS)}


def tensors(c, seed):
    w, d = Draw(seed), c["hidden_size"]
    w.ends(c)
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d.block_sparse_moe." % l
        w.gqa(l, c)
        w.add(p + "gate.weight", c["num_local_experts"], d, by=0.4)
        for e in range(c["num_local_experts"]):
            w.swiglu(p + "experts.%d." % e, d, c["intermediate_size"], ("w1", "w3", "w2"))
    return w.t


def attention(c, t, l, x):
    f, a, _ = yarn(c.get("rope_scaling"), c["rope_theta"], c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"])
    return gqa(c, t, l, x, f, a)


def network(c, t, l, x):
    p = "model.layers.%d.block_sparse_moe." % l
    logits = x @ t[p + "gate.weight"].T
    ids = pick(logits, c["num_experts_per_tok"])
    w = softmax(np.take_along_axis(logits, ids, axis=1))
    experts = [[t[p + "experts.%d.%s.weight" % (e, m)] for m in ("w1", "w3", "w2")]
               for e in range(c["num_local_experts"])]
    return mixture(x, ids, w, experts), (logits, ids, w)


def forward(c, t, ids):
    return decode(c, t, ids, attention, network)
