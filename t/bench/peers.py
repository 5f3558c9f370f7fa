"""The same jobs by numpy, each in the best way that we know.  peers.py JOB ARGS"""
import sys
import numpy as np

job, args = sys.argv[1], sys.argv[2:]


def dense_csv(layer, values, ids, experts, out):
    """dynande CSV: digits are made by integer arithmetic in whole arrays, a row has fixed width."""
    rows = len(ids)
    cell = np.zeros((rows, experts), np.float32)
    np.put_along_axis(cell, ids, values, 1)
    q = np.rint(cell.astype(np.float64) * 1e6).astype(np.uint32)
    text = np.empty((rows, experts, 9), np.uint8)
    text[:, :, 0] = ord(",")
    text[:, :, 2] = ord(".")
    for at in (8, 7, 6, 5, 4, 3, 1):
        text[:, :, at] = 48 + q % 10
        q //= 10
    text = text.reshape(rows, -1)
    if layer == 0:
        out.write(b"layer_id,token_id," + b",".join(b"expert_%d" % e for e in range(experts)) + b"\r\n")
    for lo, hi in ((0, 10), (10, 100), (100, 1000), (1000, 10000), (10000, 100000)):
        n = min(hi, rows) - lo
        if n <= 0:
            break
        head = np.array([b"%d,%d" % (layer, i) for i in range(lo, lo + n)])
        head = head.view(np.uint8).reshape(n, -1)
        end = np.broadcast_to(np.frombuffer(b"\r\n", np.uint8), (n, 2))
        out.write(np.concatenate([head, text[lo:lo + n], end], 1).tobytes())


TYPE = {"u8": "u1", "u16": "<u2", "f32": "<f4", "f64": "<f8"}


def frames(path):
    """Keys and columns of each route and kde frame."""
    with open(path, "rb") as f:
        for line in f:
            kind, *keys = line.decode().split()
            keys = dict(k.split("=", 1) for k in keys if "=" in k)
            data = f.read(int(keys.get("bytes", -1)) + 1) if "bytes" in keys else b""
            if kind not in ("@route", "@kde"):
                continue
            rows, at, cols = int(keys["rows"]), 0, {}
            for col in keys["cols"].split(","):
                name, kind, *width = col.split(":")
                shape = (rows, int(width[0])) if width else (rows,)
                at += -at % 64
                cols[name] = np.frombuffer(data, TYPE[kind], int(np.prod(shape)), at).reshape(shape)
                at += cols[name].nbytes
            yield keys, cols


def absent(module):
    """3 where there is no such module, else 0."""
    import importlib.util
    return 0 if importlib.util.find_spec(module) else 3


def rows_of(path):
    return np.concatenate([c["logit"] for _, c in frames(path)])


def logits(path):
    return rows_of(path).ravel().astype("f8")


def grid(x):
    return np.linspace(x.min() - 0.2 * abs(x.min()), x.max() + 0.2 * abs(x.max()), 10000)


def left(kernel, u):
    """The share of a kernel left of u."""
    if kernel == "gaussian":
        try:
            from scipy.special import erfc
        except ImportError:
            from math import erfc
            return np.array([erfc(-v) for v in u * np.sqrt(0.5)]) / 2
        return erfc(-u * np.sqrt(0.5)) / 2
    u = np.clip(u, -1, 1)
    if kernel == "tophat":
        return (1 + u) / 2
    if kernel == "epanechnikov":
        return (1 + u) ** 2 * (2 - u) / 4
    return np.where(u < 0, (1 + u) ** 2 / 2, 1 - (1 - u) ** 2 / 2)


if job == "pt2csv":  # DIR of w.npy, ids.npy [layers][rows][k]
    w, ids = np.load(args[0] + "/w.npy"), np.load(args[0] + "/ids.npy").astype(np.int64)
    for layer, (a, b) in enumerate(zip(w, ids)):
        dense_csv(layer, a, b, 64, sys.stdout.buffer)
elif job == "csv2hist":  # FILE
    x = np.loadtxt(args[0], delimiter=",", skiprows=1, dtype=np.float32)[:, 2:]
    best = np.argsort(x, 1)[:, ::-1]
    for k in (1, 2, 6):
        print(*np.bincount(best[:, :k].ravel(), minlength=x.shape[1]))
elif job == "npz":  # FILE: ids as u8 or u16 by layer, in memory
    with np.load(args[0]) as z:
        a = z["routed_experts"]
        a = np.ascontiguousarray(a.transpose(1, 0, 2).astype(np.uint8 if a.max() < 255 else np.uint16))
        print(a.shape, a.dtype)
elif job == "coact":  # FILE of u8 ids, K, E: one-hot product
    ids, k, e = np.fromfile(args[0], np.uint8), int(args[1]), int(args[2])
    ids = ids.reshape(-1, k)
    n = np.zeros((e, e))
    for part in np.array_split(ids, max(len(ids) // 65536, 1)):
        hot = np.zeros((len(part), e), np.float32)
        np.put_along_axis(hot, part.astype(np.int64), 1, 1)
        n += hot.T @ hot
    print(int(n.sum()))
elif job == "json":  # FILE of lines
    import json
    print(sum(len(json.loads(line)["topk_experts"]) for line in open(args[0])))
elif job == "make-npz":  # FILE TOKENS LAYERS K E compressed?
    r = np.random.default_rng(1)
    t, layers, k, e = map(int, args[1:5])
    a = np.argsort(r.random((4096, e)), 1)[:, :k].astype(np.int16)
    a = a[r.integers(0, 4096, (t, layers))]
    (np.savez_compressed if args[5] == "1" else np.savez)(args[0], routed_experts=a)
elif job == "npz2dir":  # FILE.npz DIR: ids and w of trace2npz --all, by layer, for pt2csv
    with np.load(args[0]) as z:
        np.save(args[1] + "/ids.npy", np.ascontiguousarray(z["routed_experts"].transpose(1, 0, 2)))
        np.save(args[1] + "/w.npy", np.ascontiguousarray(z["w"].transpose(1, 0, 2)).astype(np.float32))
elif job == "npz2u8":  # FILE.npz FILE: the bare ids, layer by layer
    with np.load(args[0]) as z:
        z["routed_experts"].transpose(1, 0, 2).astype(np.uint8).tofile(args[1])
elif job == "place":  # FILE.jsonl placement.json ROWS COLS E SHARED FACTOR A B C: mean cost, plain Python
    import json
    rows, cols, experts, shared = map(int, args[2:6])
    factor, a, b, c = map(float, args[6:10])
    place = {int(e): [d["device"] for d in v] for e, v in json.load(open(args[1])).items()}
    first, dev = {}, []
    for e in sorted(place):
        first[e] = len(dev)
        dev += place[e]
    costs = []
    for line in open(args[0]):
        r = json.loads(line)
        picks = [t + list(range(experts, experts + shared)) for t in r["topk_experts"]]
        room = max(1, int(factor * len(picks) * len(picks[0]) / len(dev)))
        used, turn, dispatch, combine = [0] * len(dev), {}, 0, 0
        for row, token in zip(r["origin_rows"], picks):
            inst = []
            for e in token:
                n = len(place[e])
                k = next((i for i in range(n) if used[first[e] + i] < room), None)
                if k is None:
                    k = turn.get(e, 0) % n
                    turn[e] = turn.get(e, 0) + 1
                used[first[e] + k] += 1
                inst.append(first[e] + k)
            hops, column = [], [0] * cols
            for i in inst:
                d = abs(dev[i] // cols - row)
                hops.append(min(d, rows - d))
                column[dev[i] % cols] += 1
            hop = c * (sum(hops) / len(hops) + max(hops))
            dispatch = max(dispatch, a + b * max(column) + hop)
            combine = max(combine, a + b * len({dev[i] for i in inst}) + hop)
        busy = [0] * (rows * cols)
        for i, n in enumerate(used):
            busy[dev[i]] += 118 * -(-n // 32)
        costs.append(dispatch + max(busy) + combine)
    print(f"{sum(costs) / len(costs):.6f}")
elif job == "have":  # MODULE: 3 where there is none
    sys.exit(absent(args[0]))
elif job == "logits":  # ROWS EXPERTS [bf16 | LAYERS]: normal ones, as a trace
    rows, experts, how = int(args[0]), int(args[1]), (args[2:] + ["1"])[0]
    layers = 1 if how == "bf16" else int(how)
    rng, out = np.random.default_rng(1), sys.stdout.buffer
    out.write(f"@trace v=1 layers={layers} experts={experts} topk=8 model=m\n".encode())
    for layer in range(layers):
        x = rng.normal(size=(rows, experts)).astype("f4")
        if how == "bf16":
            x = (x.view("u4") & 0xffff0000).view("f4")
        out.write(f"@route batch=0 layer={layer} rows={rows} cols=logit:f32:{experts} bytes={x.nbytes}\n".encode() + x.tobytes() + b"\n")
    out.write(f"@end frames={layers}\n".encode())
elif job in ("sklearn", "scipy") and absent(job):
    sys.exit(3)
elif job == "sklearn":  # FILE N KERNEL: the table of the original, of every N-th value
    from sklearn.neighbors import KernelDensity
    x = logits(args[0])[::int(args[1])]
    k = KernelDensity(kernel=args[2], bandwidth=1.06 * x.std() * len(x) ** -0.2).fit(x[:, None])
    f = np.exp(k.score_samples(grid(x)[:, None]))
    print((np.cumsum(f) / f.sum())[-1])
elif job == "scipy":  # FILE N: likewise
    from scipy.stats import gaussian_kde
    x = logits(args[0])[::int(args[1])]
    f = gaussian_kde(x)(grid(x))
    print((np.cumsum(f) / f.sum())[-1])
elif job == "direct":  # FILE N: the exact F of a gaussian table at N points of the grid
    x = logits(args[0])
    h = x.std(ddof=1) * len(x) ** -0.2
    for p in np.linspace(x.min(), x.max(), int(args[1])):
        print(p, left("gaussian", (p - x) / h).mean())
elif job == "kde-error":  # FILE TABLES ORIGINALS N: F, S of both at N points of the grid against the direct sum
    x, worst = rows_of(args[0]).astype("f8"), {}
    ordered = np.sort(x, 1)
    for (f, t), (_, o) in zip(frames(args[1]), frames(args[2])):
        trim = int(f["trim"])
        v = ordered[:, trim:x.shape[1] - trim].ravel()
        for i in np.linspace(0, len(t["x"]) - 1, int(args[3])).astype(int):
            u = (t["x"][i] - v) / float(f["bandwidth"])
            F, S = (left(f["kernel"], y).sum(dtype=np.longdouble) / len(v) for y in (u, -u))
            for name, wanted, a, b in (("|F| error", 1e-11, t["cdf"][i] - F, o["cdf"][i] - F), ("|S| error", 1e-11, t["sf"][i] - S, 1 - o["cdf"][i] - S),
                                       ("relative error of S", 1e-9, (t["sf"][i] - S) / S if S else 0, (1 - o["cdf"][i] - S) / S if S else 0)):
                w = worst.setdefault(name, [wanted, 0, 0])
                w[1:] = max(w[1], abs(a)), max(w[2], abs(b))
    for name, (wanted, a, b) in worst.items():
        print(name, f"{a:.2g}", wanted, f"{b:.2g}", sep="\t")
elif job == "interp":  # FILE N: 1 - cdf of a table of 10,000 at all logits, N times
    x = logits(args[0])
    g = grid(x)
    c = np.searchsorted(np.sort(x), g) / len(x)
    for _ in range(int(args[1])):
        p = 1 - np.interp(x, g, c)
    print(p.mean())
elif job == "json-load":  # FILE
    import json
    print(len(json.load(open(args[0]))["samples"]))
elif job == "json-dump":  # FILE [--indent]: a log of the routes of a trace
    import json
    samples = [{"sample_id": i, "num_tokens": len(t["logit"]), "loss": None, "layers": [
        {"layer": 0, "router_logits_shape": list(t["logit"].shape), "router_logits_sample": t["logit"].tolist(),
         "selected_experts": t["ids"].tolist(), "expert_weights": t["w"].tolist()}]} for i, (_, t) in enumerate(frames(args[0]))]
    json.dump({"config": "", "samples": samples}, open("/dev/null", "w"), indent=2 if args[1:] else None)
elif job == "product":  # TOKENS D EXPERTS: microseconds of x @ w.T, a median
    import time
    tokens, d, experts = map(int, args)
    r = np.random.default_rng(1)
    x, w, us = r.standard_normal((tokens, d), np.float32), r.standard_normal((experts, d), np.float32), []
    for _ in range(9):
        start = time.perf_counter()
        x @ w.T
        us.append(1e6 * (time.perf_counter() - start))
    print(sorted(us)[4])
elif job == "ffn":  # TOKENS D EXPERTS HIDDEN K: microseconds of SwiGLU, an expert after the other
    import time
    tokens, d, experts, hidden, k = map(int, args)
    r = np.random.default_rng(1)
    w1, w3, w2 = (r.standard_normal((experts, *s), np.float32) / np.float32(s[1] ** 0.5) for s in ((hidden, d), (hidden, d), (d, hidden)))
    x = r.standard_normal((tokens * k, d), np.float32)
    at = np.concatenate([[0], np.cumsum(np.bincount(r.integers(0, experts, tokens * k), minlength=experts))])
    out = np.empty_like(x)
    for turn in range(2):  # the first is to get warm
        start = time.perf_counter()
        for e in range(experts):
            rows = x[at[e]:at[e + 1]]
            gate = rows @ w1[e].T
            gate *= 1 / (1 + np.exp(-gate))
            gate *= rows @ w3[e].T
            np.matmul(gate, w2[e].T, out=out[at[e]:at[e + 1]])
        us = 1e6 * (time.perf_counter() - start)
    print(us)
elif job == "pictures":  # so many experts of the first layer of a trace, a histogram with its curve each
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    import seaborn
    raw, experts = open(args[0], "rb").read(), int(args[1])
    at = raw.index(b"\n", raw.index(b"\n@route") + 1) + 1
    x = np.frombuffer(raw[at:at + 2000 * experts * 4], "f4").reshape(2000, experts)
    for e in range(int(args[2])):
        plt.figure(figsize=(10, 6))
        seaborn.histplot(x[:, e], bins=100, kde=True)
        plt.title(f"Expert {e}")
        plt.savefig(f"{args[3]}/{e}.svg")
        plt.close()
elif job == "lognormal":  # counts of 58 layers, as frames in JSON Lines
    import json
    w = np.random.default_rng(0).lognormal(0, 1, (58, 256))
    if sys.argv[2:]:  # what they have drifted to
        w *= np.random.default_rng(1).lognormal(0, float(sys.argv[2]), (58, 256))
    w = np.round(w * 1e6).astype(np.int64)
    print(json.dumps({"kind": "trace", "v": 1, "layers": 58, "experts": 256, "topk": 8}))
    for layer, n in enumerate(w):
        print(json.dumps({"kind": "count", "layer": layer, "n_tokens": 1000000, "rows": 256, "cols": "n:u64", "n": n.tolist()}))
    print(json.dumps({"kind": "end", "frames": 58}))
