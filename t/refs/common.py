"""What the references share: numbers, norms, rotations, attention, and checkpoints as files.

All is computed in f64 of the numbers that the checkpoint holds, so that a reference is
nearer to the truth than what is compared with it.
"""
import json
import os
import struct

import numpy as np

LENGTHS = 1, 2, 40, 200  # tokens of the sequences of a reference


def rms(x, w, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def swiglu(x, gate, up, down):
    return (silu(x @ gate.T) * (x @ up.T)) @ down.T


def yarn(s, theta, d):
    """Frequencies [d / 2] of rope_scaling s, and the factors of cosine and of q.k."""
    f = theta ** (-np.arange(0, d, 2) / d)
    if not s:
        return f, 1.0, 1.0
    corr = lambda r: d * np.log(s["original_max_position_embeddings"] / (2 * np.pi * r)) / (2 * np.log(theta))
    lo = max(np.floor(corr(s.get("beta_fast", 32))), 0)
    hi = min(np.ceil(corr(s.get("beta_slow", 1))), d - 1)
    ramp = np.clip((np.arange(d // 2) - lo) / (hi - lo if hi != lo else 0.001), 0, 1)
    g = lambda t: 0.1 * t * np.log(s["factor"]) + 1
    a = g(s["mscale"]) / g(s["mscale_all_dim"]) if "mscale" in s else g(1)
    return f / s["factor"] * ramp + f * (1 - ramp), a, g(s.get("mscale_all_dim", 0)) ** 2


def halves(x, f, a=1.0):
    """x [T][heads][d]: number j goes with number j + d / 2."""
    at = np.arange(len(x))[:, None, None] * f
    p, q = np.split(x, 2, axis=-1)
    return a * np.concatenate([p * np.cos(at) - q * np.sin(at), q * np.cos(at) + p * np.sin(at)], axis=-1)


def neighbours(x, f, a=1.0):
    """x [T][heads][d]: number 2j goes with number 2j + 1."""
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.arange(len(x))[:, None, None] * f) * a
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


def attend(q, k, v, scale):
    """q [T][heads][dk], k, v [T][groups][...]: [T][heads * dv], causal."""
    each = q.shape[1] // k.shape[1]
    s = np.einsum("qhd,khd->hqk", q, np.repeat(k, each, axis=1)) * scale
    s = np.where(np.tril(np.ones(s.shape[1:])), s, -np.inf)
    return np.einsum("hqk,khd->qhd", softmax(s), np.repeat(v, each, axis=1)).reshape(len(q), -1)


def linear(t, name, x):
    y = x @ t[name + ".weight"].T
    return y + t[name + ".bias"] if name + ".bias" in t else y


def pick(scores, k):
    return np.argsort(-scores, axis=-1, kind="stable")[:, :k]


def mixture(x, ids, w, experts):
    y = np.zeros_like(x)
    for e, (gate, up, down) in enumerate(experts):
        row, slot = np.nonzero(ids == e)
        y[row] += w[row, slot, None] * swiglu(x[row], gate, up, down)
    return y


def gqa(c, t, l, x, freq, a=1.0, head_norm=False, full_norm=False):
    """Grouped attention of normed rows x."""
    n, kv = c["num_attention_heads"], c.get("num_key_value_heads", c["num_attention_heads"])
    d = c.get("head_dim") or c["hidden_size"] // n
    p = "model.layers.%d.self_attn." % l
    q, k, v = (linear(t, p + m + "_proj", x) for m in "qkv")
    if full_norm:
        q, k = (rms(y, t[p + m + "_norm.weight"], c["rms_norm_eps"]) for y, m in ((q, "q"), (k, "k")))
    if c.get("clip_qkv"):
        q, k, v = (np.clip(y, -c["clip_qkv"], c["clip_qkv"]) for y in (q, k, v))
    q, k, v = q.reshape(-1, n, d), k.reshape(-1, kv, d), v.reshape(-1, kv, d)
    if head_norm:
        q, k = (rms(y, t[p + m + "_norm.weight"], c["rms_norm_eps"]) for y, m in ((q, "q"), (k, "k")))
    return linear(t, p + "o_proj", attend(halves(q, freq, a), halves(k, freq, a), v, d ** -0.5))


def decode(c, t, ids, attention, network):
    """{layer: (logits, ids, w)} and the logits of the head, of one sequence."""
    t = {k: v.astype(np.float64) for k, v in t.items()}
    x, routes, eps = t["model.embed_tokens.weight"][ids], {}, c["rms_norm_eps"]
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % l
        x = x + attention(c, t, l, rms(x, t[p + "input_layernorm.weight"], eps))
        y, route = network(c, t, l, rms(x, t[p + "post_attention_layernorm.weight"], eps))
        x = x + y
        if route:
            routes[l] = route
    head = t["model.embed_tokens.weight" if c.get("tie_word_embeddings") else "lm_head.weight"]
    return routes, rms(x, t["model.norm.weight"], eps) @ head.T


class Draw:
    """Tensors of seeded normal numbers, under the published names."""

    def __init__(self, seed):
        self.rng, self.t = np.random.default_rng(seed), {}

    def add(self, name, *shape, by=None, mid=0.0):
        by = shape[-1] ** -0.5 if by is None else by
        self.t[name] = (mid + by * self.rng.standard_normal(shape)).astype(np.float32)

    def linear(self, name, out, inner, bias=False):
        self.add(name + ".weight", out, inner)
        if bias:
            self.add(name + ".bias", out, by=0.3)

    def norm(self, name, n):
        self.add(name + ".weight", n, by=0.2, mid=1.0)

    def swiglu(self, p, d, hidden, names=("gate_proj", "up_proj", "down_proj")):
        for name in names[:2]:
            self.linear(p + name, hidden, d)
        self.linear(p + names[2], d, hidden)

    def ends(self, c):
        self.add("model.embed_tokens.weight", c["vocab_size"], c["hidden_size"], by=1)
        self.norm("model.norm", c["hidden_size"])
        if not c.get("tie_word_embeddings"):
            self.linear("lm_head", c["vocab_size"], c["hidden_size"])

    def gqa(self, l, c, bias=False, out=False):
        n, d = c["num_attention_heads"], c["hidden_size"]
        kv, each = c.get("num_key_value_heads", n), c.get("head_dim") or d // n
        p = "model.layers.%d.self_attn." % l
        for name, heads in ("q", n), ("k", kv), ("v", kv):
            self.linear(p + name + "_proj", heads * each, d, bias)
        self.linear(p + "o_proj", d, n * each, out)
        self.norm("model.layers.%d.input_layernorm" % l, d)
        self.norm("model.layers.%d.post_attention_layernorm" % l, d)


def bf16(x):
    """The upper half of each f32, to nearest, ties to even."""
    u = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)


def fuse(t):
    """Experts of a layer in two tensors, as new versions of the library hold them."""
    out, experts = {}, {}
    short = {"gate_proj": 0, "up_proj": 1, "down_proj": 2, "w1": 0, "w3": 1, "w2": 2}
    for name, x in t.items():
        part = name.replace("block_sparse_moe", "mlp").split(".")
        if "experts" in part:
            i = part.index("experts")
            experts.setdefault(".".join(part[: i + 1]), {})[int(part[i + 1]), short[part[i + 2]]] = x
        else:
            out[".".join(part)] = x
    for p, e in experts.items():
        n = range(len(e) // 3)
        out[p + ".gate_up_proj"] = np.stack([np.concatenate([e[i, 0], e[i, 1]]) for i in n])
        out[p + ".down_proj"] = np.stack([e[i, 2] for i in n])
    return out


def newer(c):
    """config.json as version 5 of the library writes it."""
    c = dict(c)
    s = dict(c.pop("rope_scaling", None) or {})
    s["rope_type"] = s.pop("type", "default")
    c["rope_parameters"] = dict(s, rope_theta=c.pop("rope_theta"))
    if "num_experts" in c:
        c["num_local_experts"] = c.pop("num_experts")
    return c


def save(to, c, t, dtype="F32", shards=1, fused=False, prefix=True, new=False):
    os.makedirs(to, exist_ok=True)
    if fused:
        t = fuse(t)
    if not prefix:
        t = {n[6:] if n.startswith("model.") else n: x for n, x in t.items()}
    index, names = {}, sorted(t)
    for s in range(shards):
        file = "model.safetensors" if shards == 1 else "model-%05d-of-%05d.safetensors" % (s + 1, shards)
        head, body = {"__metadata__": {"format": "pt"}}, b""
        for name in names[s::shards]:
            x = t[name]
            data = (bf16(x) if dtype == "BF16" else x.astype({"F32": "f4", "F16": "f2"}[dtype])).tobytes()
            head[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [len(body), len(body) + len(data)]}
            body += data
            index[name] = file
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(to, file), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + body)
    if shards > 1:
        with open(os.path.join(to, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {"total_size": sum(x.nbytes for x in t.values())}, "weight_map": index}, f, indent=1)
    with open(os.path.join(to, "config.json"), "w") as f:
        json.dump(newer(c) if new else c, f, indent=1)


def rounded(t, dtype):
    """The numbers that a file of that type holds."""
    if dtype == "BF16":
        return {k: (bf16(x).astype(np.uint32) << 16).view(np.float32) for k, x in t.items()}
    return {k: x.astype("f2").astype("f4") for k, x in t.items()} if dtype == "F16" else t
