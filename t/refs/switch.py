"""Switch Transformers: T5's blocks, one expert of many, and a capacity that drops tokens."""
import numpy as np

from common import Draw, pick, rms, softmax

CONFIG = dict(
    model_type="switch_transformers", vocab_size=128, d_model=32, d_kv=6, d_ff=24, num_heads=4, num_layers=4,
    num_decoder_layers=3, num_sparse_encoder_layers=2, num_sparse_decoder_layers=1, encoder_sparse_step=2,
    decoder_sparse_step=2, num_experts=6, expert_capacity=16, router_bias=False, router_dtype="float32",
    router_jitter_noise=0.0, relative_attention_num_buckets=32, relative_attention_max_distance=128,
    layer_norm_epsilon=1e-6, dense_act_fn="relu", is_gated_act=False, dropout_rate=0.0, tie_word_embeddings=True,
    is_encoder_decoder=True, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
VARIANTS = {
    "bias": (dict(router_bias=True, decoder_sparse_step=1, num_heads=5, d_kv=7), dict(shards=3)),
    "roomy": (dict(expert_capacity=64, relative_attention_num_buckets=12, relative_attention_max_distance=20),
              dict(dtype="BF16")),
    "large": (dict(vocab_size=384, d_model=48, d_kv=12, d_ff=40, num_decoder_layers=4, num_experts=8,
                   expert_capacity=4), {}),
}
FAMILIES = {"switch_transformers": (CONFIG, VARIANTS)}


def sparse(c, side, i):
    step = c[side + "_sparse_step"]
    return step > 0 and (step == 1 or i % step == 1)


def blocks(c, side):
    """(number, name, its attentions, whether it is sparse)"""
    n = c["num_layers" if side == "encoder" else "num_decoder_layers"]
    kinds = ["SelfAttention"] + ["EncDecAttention"] * (side == "decoder")
    for i in range(n):
        yield i, "%s.block.%d.layer." % (side, i), kinds, sparse(c, side, i)


def tensors(c, seed):
    w, d, inner, ff = Draw(seed), c["d_model"], c["num_heads"] * c["d_kv"], c["d_ff"]
    w.add("shared.weight", c["vocab_size"], d, by=1)
    for side in "encoder", "decoder":
        for i, p, kinds, routed in blocks(c, side):
            for k, kind in enumerate(kinds):
                for m in "qkv":
                    # scores are not divided by a root
                    w.add("%s%d.%s.%s.weight" % (p, k, kind, m), inner, d, by=d ** -0.5 * c["d_kv"] ** -0.25)
                w.linear("%s%d.%s.o" % (p, k, kind), d, inner)
                w.norm("%s%d.layer_norm" % (p, k), d)
            if i == 0:
                w.add(p + "0.SelfAttention.relative_attention_bias.weight", c["relative_attention_num_buckets"],
                      c["num_heads"], by=1)
            m = p + "%d." % len(kinds)
            w.norm(m + "layer_norm", d)
            if not routed:
                w.linear(m + "mlp.wi", ff, d)
                w.linear(m + "mlp.wo", d, ff)
                continue
            w.add(m + "mlp.router.classifier.weight", c["num_experts"], d, by=0.4)
            if c["router_bias"]:
                w.add(m + "mlp.router.classifier.bias", c["num_experts"], by=0.4)
            for e in range(c["num_experts"]):
                w.linear(m + "mlp.experts.expert_%d.wi" % e, ff, d)
                w.linear(m + "mlp.experts.expert_%d.wo" % e, d, ff)
        w.norm(side + ".final_layer_norm", d)
    return w.t


def bucket(r, causal, buckets, distance):
    """Of a key that is r places behind the query."""
    base = 0
    if not causal:
        buckets //= 2
        base = buckets if r > 0 else 0
    far = max(-r, 0) if causal else abs(r)
    exact = buckets // 2
    if far < exact:
        return base + far
    more = np.log(far / exact) / np.log(distance / exact) * (buckets - exact)
    return base + min(buckets - 1, exact + int(more))


def attention(c, t, p, x, other, bias):
    n = c["num_heads"]
    q, k, v = (y.reshape(len(y), n, -1) for y in
               (z @ t["%s.%s.weight" % (p, m)].T for m, z in (("q", x), ("k", other), ("v", other))))
    s = softmax(np.einsum("qhd,khd->hqk", q, k) + bias)
    return np.einsum("hqk,khd->qhd", s, v).reshape(len(x), -1) @ t[p + ".o.weight"].T


def experts(c, t, p, x):
    logits = x @ t[p + "router.classifier.weight"].T + t.get(p + "router.classifier.bias", 0)
    ids = pick(logits, 1)
    w = np.take_along_axis(softmax(logits), ids, axis=1)
    taken, dropped, y = [0] * c["num_experts"], np.zeros(ids.shape), np.zeros_like(x)
    for row, e in enumerate(ids[:, 0]):
        taken[e] += 1
        if taken[e] > c["expert_capacity"]:
            dropped[row] = 1
            continue
        q = p + "experts.expert_%d." % e
        y[row] = w[row] * (np.maximum(x[row] @ t[q + "wi.weight"].T, 0) @ t[q + "wo.weight"].T)
    return y, (logits, ids, w, dropped)


def stack(c, t, side, x, encoded, first, routes):
    causal, eps, n = side == "decoder", c["layer_norm_epsilon"], len(x)
    table = t[side + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    which = [[bucket(k - q, causal, c["relative_attention_num_buckets"], c["relative_attention_max_distance"])
              for k in range(n)] for q in range(n)]
    bias = table[which].transpose(2, 0, 1) + (np.triu(np.full((n, n), -np.inf), 1) if causal else 0)
    for i, p, kinds, routed in blocks(c, side):
        for k, kind in enumerate(kinds):
            h = rms(x, t["%s%d.layer_norm.weight" % (p, k)], eps)
            x = x + attention(c, t, "%s%d.%s" % (p, k, kind), h, encoded if k else h, 0 if k else bias)
        m = p + "%d." % len(kinds)
        h = rms(x, t[m + "layer_norm.weight"], eps)
        if routed:
            y, routes[first + i] = experts(c, t, m + "mlp.", h)
        else:
            y = np.maximum(h @ t[m + "mlp.wi.weight"].T, 0) @ t[m + "mlp.wo.weight"].T
        x = x + y
    return rms(x, t[side + ".final_layer_norm.weight"], eps)


def forward(c, t, ids, target):
    """{layer: (logits, ids, w, dropped)} and the logits of the head, of one pair."""
    t, routes = {k: v.astype(np.float64) for k, v in t.items()}, {}
    encoded = stack(c, t, "encoder", t["shared.weight"][ids], None, 0, routes)
    y = stack(c, t, "decoder", t["shared.weight"][target], encoded, c["num_layers"], routes)
    return routes, y * c["d_model"] ** -0.5 @ t["shared.weight"].T
