"""Qwen3-MoE in numpy: qwen.py DIR <IDS, each line a set, a tab, ids.

Tells for each set the mean loss of its lines, then the ids its first line goes on with.
"""
import json
import struct
import sys

import numpy as np

c = json.load(open(sys.argv[1] + "/config.json"))
H, KV, D = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
data = open(sys.argv[1] + "/model.safetensors", "rb").read()
n, = struct.unpack("<Q", data[:8])
W = {}
for name, x in json.loads(data[8:8 + n]).items():
    if name != "__metadata__":
        b, e = x["data_offsets"]
        bits = np.frombuffer(data[8 + n + b:8 + n + e], "<u2").astype("<u4") << 16
        W[name] = bits.view("<f4").reshape(x["shape"])
        assert x["dtype"] == "BF16" and np.isfinite(W[name]).all(), name


def rms(x, name):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + c["rms_norm_eps"]) * W[name]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def turned(x):
    """Rope by complex numbers; x [T][heads][D]"""
    z = x[..., :D // 2] + 1j * x[..., D // 2:]
    f = float(c["rope_theta"]) ** (-2 * np.arange(D // 2) / D)
    z = z * np.exp(1j * np.arange(len(x))[:, None] * f)[:, None]
    return np.concatenate([z.real, z.imag], -1)


def logits(ids):
    x, T = W["model.embed_tokens.weight"][ids], len(ids)
    for layer in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % layer
        h = rms(x, p + "input_layernorm.weight")
        q, k, v = ((h @ W[p + "self_attn.%s_proj.weight" % w].T).reshape(T, -1, D) for w in "qkv")
        q = turned(rms(q, p + "self_attn.q_norm.weight"))
        k = turned(rms(k, p + "self_attn.k_norm.weight"))
        out = np.empty((T, H, D))
        for i in range(H):
            s = q[:, i] @ k[:, i * KV // H].T / D ** .5
            s[np.triu_indices(T, 1)] = -np.inf
            out[:, i] = softmax(s) @ v[:, i * KV // H]
        x = x + out.reshape(T, -1) @ W[p + "self_attn.o_proj.weight"].T
        h = rms(x, p + "post_attention_layernorm.weight")
        prob = softmax(h @ W[p + "mlp.gate.weight"].T)
        y = np.zeros_like(x)
        for t in range(T):
            best = np.argsort(-prob[t])[:c["num_experts_per_tok"]]
            for e in best:
                gate, up, down = (W[p + "mlp.experts.%d.%s_proj.weight" % (e, w)]
                                  for w in ("gate", "up", "down"))
                mix = prob[t, e] / prob[t, best].sum()
                y[t] += mix * (down @ (silu(gate @ h[t]) * (up @ h[t])))
        x = x + y
    return rms(x, "model.norm.weight") @ W["model.embed_tokens.weight"].T


sets = {}
for line in sys.stdin:
    name, ids = line.rstrip("\n").split("\t")
    sets.setdefault(name, []).append([int(i) for i in ids.split()])
for name, lines in sets.items():
    loss = [-np.log(softmax(logits(l)[:-1])[np.arange(len(l) - 1), l[1:]]) for l in lines]
    print(name, "%.3f" % np.concatenate(loss).mean())
for name, lines in sets.items():
    ids = lines[0]
    for _ in range(16):
        ids.append(int(logits(ids)[-1].argmax()))
    print(name, *ids[-16:])
