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
elif job == "logits":  # normal ones, rows x experts of so many layers, as a trace
    rows, experts = int(sys.argv[2]), int(sys.argv[3])
    layers = int(sys.argv[4]) if sys.argv[4:] else 1
    rng, out = np.random.default_rng(1), sys.stdout.buffer
    out.write(f"@trace v=1 layers={layers} experts={experts} topk=8 model=m\n".encode())
    for layer in range(layers):
        b = rng.normal(size=(rows, experts)).astype("f4").tobytes()
        out.write(f"@route batch=0 layer={layer} rows={rows} cols=logit:f32:{experts} bytes={len(b)}\n".encode() + b + b"\n")
    out.write(f"@end frames={layers}\n".encode())
elif job == "kde":  # the direct sum at as many points of a gaussian table: what the exact one is
    import math
    x = np.frombuffer(open(sys.argv[2], "rb").read().split(b"\n", 2)[2][:int(sys.argv[3])], "f4").astype("f8")
    h = x.std(ddof=1) * len(x) ** -0.2
    for p in np.linspace(x.min(), x.max(), int(sys.argv[4])):
        u = (p - x) / h
        print(p, sum(math.erfc(-v * math.sqrt(0.5)) for v in u) / 2 / len(x))
elif job == "pictures":  # so many experts of the first layer of a trace, a histogram with its curve each
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    import seaborn
    raw, experts = open(sys.argv[2], "rb").read(), int(sys.argv[3])
    at = raw.index(b"\n", raw.index(b"\n@route") + 1) + 1
    x = np.frombuffer(raw[at:at + 2000 * experts * 4], "f4").reshape(2000, experts)
    for e in range(int(sys.argv[4])):
        plt.figure(figsize=(10, 6))
        seaborn.histplot(x[:, e], bins=100, kde=True)
        plt.title(f"Expert {e}")
        plt.savefig(f"{sys.argv[5]}/{e}.svg")
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
