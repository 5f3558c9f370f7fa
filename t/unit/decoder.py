"""The decoder of router-bench.md A6 said again in numpy, and what onnx says of its graphs.

decoder.py numpy|onnx MOEDEC DIR ...: over batches of 1 and 2 and sequences of 1 and 7, prints what is wrong.
decoder.py drawn DIR: what of its matrices is not drawn as the page says, or drawn twice.
decoder.py save DIR FILE [CHANGE ...]: the weights of DIR as a safetensors checkpoint, changed."""
import json
import os
import struct
import subprocess
import sys

import numpy as np


def read(folder):
    """Metadata and tensors, as model-onnx --list says where they are."""
    text = subprocess.run(["model-onnx", "--list", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    meta, tensors, table = {}, {}, None
    params = open(os.path.join(folder, "__params__"), "rb").read()
    for line in text.splitlines():
        row = line.split("\t")
        if line.startswith("#"):
            table = row[0][2:]
        elif table == "key":
            meta[row[0]] = row[1]
        elif table == "initialiser":
            at = int(row[3])
            shape = [int(n) for n in row[2].split("x")]
            tensors[row[0]] = np.frombuffer(params[at:at + int(row[4])], "<f4").reshape(shape)
    return meta, tensors


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def route(x, w, meta):
    score = x @ w.T
    if meta["rule"] == "sinkhorn":
        q = score / float(meta["temperature"])
        q = np.exp(q - q.max(1, keepdims=True))
        for _ in range(int(meta["iterations"])):
            q = q / (q.sum(1, keepdims=True) + 1e-6)
            q = q / (q.sum(0, keepdims=True) + 1e-6) * (q.shape[0] / q.shape[1])
        score = q / (q.sum(1, keepdims=True) + 1e-6)
    picks = np.argsort(-score, axis=1, kind="stable")[:, :int(meta["topk"])]
    best = np.take_along_axis(score, picks, 1)
    return picks, best / (best.sum(1, keepdims=True) + 1e-6) if meta["rule"] == "sinkhorn" else softmax(best)


def forward(meta, t, ids):
    heads, d = int(meta["heads"]), int(meta["d_model"])
    (batch, seq), width = ids.shape, d // heads
    norm = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w
    x = t["embed.weight"][ids]
    if "learned" in meta:
        x = x + t["positions.weight"][:seq]
    else:
        angle = np.arange(seq)[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
        turn = np.exp(1j * angle)
    for layer in range(int(meta["layers"])):
        w = {k.split(".", 2)[2][:-7]: v for k, v in t.items() if k.startswith("layers.%d." % layer)}
        q, k, v = np.split(norm(x, w["norm1"]) @ w["attn.qkv"].T, 3, -1)
        q, k, v = (a.reshape(batch, seq, heads, width).transpose(0, 2, 1, 3) for a in (q, k, v))
        if "learned" not in meta:  # complex numbers of the two halves
            for a in q, k:
                z = (a[..., :width // 2] + 1j * a[..., width // 2:]) * turn
                a[...] = np.concatenate([z.real, z.imag], -1)
        score = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width)
        score = np.where(np.tril(np.ones((seq, seq), bool)), score, -np.inf)
        x = x + (softmax(score) @ v).transpose(0, 2, 1, 3).reshape(batch, seq, d) @ w["attn.out"].T
        h, y = norm(x, w["norm2"]).reshape(-1, d), np.zeros((batch * seq, d))

        def swiglu(h, name):
            g = h @ w[name + ".w1"].T
            return (g / (1 + np.exp(-g)) * (h @ w[name + ".w3"].T)) @ w[name + ".w2"].T
        if meta["kind"] == "decoder":
            y = swiglu(h, "mlp")
        else:
            picks, weight = route(h, w["router"], meta)
            for row in range(batch * seq):
                for e, f in zip(picks[row], weight[row]):
                    y[row] += f * swiglu(h[row], "experts.%d" % e)
        x = x + y.reshape(batch, seq, d)
    return norm(x, t["norm.weight"]) @ t["embed.weight"].T


def check_tables(folder, meta, t):
    """Rotations to the last digit of f32."""
    width = int(meta["d_model"]) // int(meta["heads"])
    angle = np.arange(int(meta["max_len"]))[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    for table, f in ("rotary.cos", np.cos), ("rotary.sin", np.sin):
        if t[table].shape != angle.shape or np.abs(t[table] - f(angle)).max() > 6e-8:
            print(folder, table, "is another")


def drawn(folder):
    seen = {}
    for name, v in read(folder)[1].items():
        if name.startswith("rotary."):
            continue
        if v.ndim == 1:
            if (v != 1).any():
                print(name, "is not 1")
            continue
        twin = seen.setdefault(v.tobytes()[:256], name)
        if twin != name:
            print(name, "is", twin)
        v = v * np.sqrt(v.shape[1] / 3)
        if np.abs(v).max() > 1.000001 or abs(v.mean()) > 3 / np.sqrt(v.size) or abs(v.var() * 3 - 1) > 5 / np.sqrt(v.size):
            print(name, "from", v.min(), "to", v.max(), "mean", v.mean(), "variance", v.var())


def check_rows(folder, meta, x):
    """Each expert computes the rows that picked it and no others."""
    import onnx
    import onnxruntime
    model = onnx.load(os.path.join(folder, "__model__"), load_external_data=False, format="protobuf")
    probe = ["layers.0.router.picks"] + ["layers.0.experts.%d.x" % e for e in range(int(meta["experts"]))]
    for i, name in enumerate(probe):
        kind = onnx.TensorProto.FLOAT if i else onnx.TensorProto.INT64
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    onnx.save(model, os.path.join(folder, "probe.onnx"))
    session = onnxruntime.InferenceSession(os.path.join(folder, "probe.onnx"), providers=["CPUExecutionProvider"])
    picks, *rows = session.run(probe, {"input_ids": x})
    have, want = [r.shape[0] for r in rows], np.bincount(picks.ravel(), minlength=len(rows)).tolist()
    if have != want or sum(have) != x.size * int(meta["topk"]):
        print(folder, "rows of experts", have, "picks", want)


def compare(how, unit, folder):
    meta, tensors = read(folder)
    session = None
    if how == "onnx":
        import onnx
        import onnxruntime
        onnx.checker.check_model(os.path.join(folder, "__model__"), full_check=True)
        onnxruntime.set_default_logger_severity(4)
        session = onnxruntime.InferenceSession(os.path.join(folder, "__model__"), providers=["CPUExecutionProvider"])
    if "rotary.cos" in tensors:
        check_tables(folder, meta, tensors)
    wide = {k: v.astype(float) for k, v in tensors.items()}
    rng = np.random.RandomState(5)
    for batch, seq in (1, 1), (1, 7), (2, 1), (2, 7):
        if meta["kind"] == "router":
            x = rng.standard_normal((batch, seq, int(meta["d_model"]))).astype(np.float32)
        else:
            x = rng.randint(0, int(meta["vocab"]), (batch, seq)).astype(np.int64)
        out = subprocess.run([unit, folder, str(batch), str(seq)], input=" ".join(map(str, x.ravel().tolist())),
                             check=True, stdout=subprocess.PIPE, text=True).stdout
        ours = np.array(out.split(), float)
        if session and meta["kind"] == "router":
            weights, experts = session.run(["weights", "experts"], {"x": x})
            shape = (batch, seq, int(meta["topk"]))
            if weights.shape != shape or experts.shape != shape:
                print(folder, "shapes", weights.shape, experts.shape)
            theirs = np.concatenate([experts.ravel(), weights.ravel()])
        elif session:
            theirs = session.run(["logits"], {"input_ids": x})[0]
            if theirs.shape != (batch, seq, int(meta["vocab"])):
                print(folder, "shape", theirs.shape)
        elif meta["kind"] == "router":
            picks, weight = route(x.reshape(-1, x.shape[2]).astype(float), wide["router.weight"], meta)
            theirs = np.concatenate([picks.ravel(), weight.ravel()])
        else:
            theirs = forward(meta, wide, x)
        if ours.size != theirs.size or not np.abs(ours - theirs.ravel()).max() <= 1e-4:
            print("%s: batch %d seq %d: off by %g" % (folder, batch, seq, np.abs(ours - theirs.ravel()).max()))
        if session and meta["kind"] == "decoder-moe":
            check_rows(folder, meta, x)
    if session and meta["kind"] != "router":
        try:
            session.run(None, {"input_ids": np.zeros((1, int(meta["max_len"]) + 1), np.int64)})
            print(folder, "a sequence that is too long was taken")
        except Exception:  # whatever the run-time raises
            pass


def save(folder, file, changes):
    """A change is NAME=VALUE (all of it), -NAME (left out), +NAME (one more),
    NAME^ (turned), NAME~ (each element another factor) or f16."""
    tensors = {k: v.copy() for k, v in read(folder)[1].items() if not k.startswith("rotary.")}
    dtype = "f4"
    for c in changes:
        if c == "f16":
            dtype = "f2"
        elif c[0] == "-":
            del tensors[c[1:]]
        elif c[0] == "+":
            tensors[c[1:]] = np.zeros(3, np.float32)
        elif c[-1] == "^":
            tensors[c[:-1]] = tensors[c[:-1]].T.copy()
        elif c[-1] == "~":
            tensors[c[:-1]] *= np.linspace(0.5, 2, tensors[c[:-1]].size).reshape(tensors[c[:-1]].shape)
        else:
            name, value = c.split("=")
            tensors[name][...] = float(value)
    head, data = {}, b""
    for name, v in sorted(tensors.items()):
        b = v.astype("<" + dtype).tobytes()
        head[name] = {"dtype": "F32" if dtype == "f4" else "F16", "shape": list(v.shape),
                      "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(head).encode()
    open(file, "wb").write(struct.pack("<Q", len(text)) + text + data)


if sys.argv[1] == "save":
    save(sys.argv[2], sys.argv[3], sys.argv[4:])
elif sys.argv[1] == "drawn":
    drawn(sys.argv[2])
else:
    for dir in sys.argv[3:]:
        compare(sys.argv[1], sys.argv[2], dir)
