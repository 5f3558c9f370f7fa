"""What t/bench/gpu compares with: gpu_peers.py PEERS DIR [cpu] <jobs

PEERS: torch (eager, torch.compile and the library's product), triton, or warm, which compiles
what the others need and times nothing.  A job is a line of ROW WHAT T D E K TYPE; DIR holds
logits.E.TYPE, a trace, or else logits are drawn.  Out: ROW, peer, median, p10 and p90 in
microseconds, "-", and what a comparison with the plain definition said, a line a measurement.

Inputs take turns so that they outgrow the last cache twice; a sample is a replay of a graph
of so many calls that it lasts a millisecond, over its calls: the method of kernels/gpu.h.
With cpu calls are few and timed by the clock, to test this program where there is no GPU."""
import collections
import math
import os
import statistics
import sys
import time

SAMPLES, REPLAY_US, SETS_MAX = 50, 1000, 1024
Job = collections.namedtuple("Job", "row what T d E k type")


def say(job, who, us=None, check="absent"):
    said = ["absent" if us is None else f"{x:.4g}" for x in us or [0] * 3]
    print(job.row, who, *said, "-", " ".join(check.split())[:200], sep="\t", flush=True)


try:
    import torch
except ImportError:  # no lines: what is not told is absent
    sys.exit(0)

cpu = "cpu" in sys.argv[3:]
device = "cpu" if cpu else "cuda"
warm = len(sys.argv) > 1 and sys.argv[1] == "warm"


def sets_of(size):
    """Copies of an input that outgrow the last cache twice."""
    if cpu or warm:
        return 2
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    return min(max(-(-2 * cache // size), 2), SETS_MAX)


def graph_of(call, n):
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        for i in range(n):
            call(i)
    return g


def replay(g):
    """Microseconds."""
    a, b = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    a.record()
    g.replay()
    b.record()
    b.synchronize()
    return a.elapsed_time(b) * 1e3


def by_clock(call):
    us = []
    for i in range(2):
        at = time.perf_counter()
        call(i)
        us.append((time.perf_counter() - at) * 1e6)
    return us


def timed(call, sets, samples=SAMPLES):
    """Median, p10, p90 of microseconds a call."""
    if cpu:
        us = by_clock(call)
    else:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for i in range(3):
                call(i)
        torch.cuda.synchronize()
        g, n = graph_of(call, sets), sets
        replay(g)
        per = min(replay(g) for _ in range(3)) / n
        if per * n < REPLAY_US:
            n = math.ceil(1.1 * REPLAY_US / per / sets) * sets
            del g
            g = graph_of(call, n)
        replay(g)
        us = [replay(g) / n for _ in range(samples)]
    us.sort()
    q = statistics.quantiles(us, n=10, method="inclusive")
    return statistics.median(us), q[0], q[-1]


# ---- inputs ----

def type_of(job):
    return {"f16": torch.float16, "bf16": torch.bfloat16}.get(job.type, torch.bfloat16)


def normal(*shape, seed=1):
    g = torch.Generator(device).manual_seed(seed)
    return torch.randn(*shape, generator=g, device=device)


def trace_logits(path, rows, experts):
    """The first rows of a trace's logits of 16 bits, as int16."""
    left, parts = rows, []
    with open(path, "rb") as f:
        while left > 0:
            line = f.readline()
            if not line:
                raise ValueError(f"{path}: {left} rows too few")
            keys = dict(w.split("=", 1) for w in line.decode().split() if "=" in w)
            at, here = f.tell(), 0
            if line.startswith(b"@route"):
                n = int(keys["rows"])
                for col in keys["cols"].split(","):
                    name, kind, *width = col.split(":")
                    width = int(width[0]) if width else 1
                    here += -here % 64
                    if name == "logit":
                        f.seek(at + here)
                        raw = bytearray(f.read(min(n, left) * experts * 2))
                        parts.append(torch.frombuffer(raw, dtype=torch.int16))
                        left -= n
                    here += n * width * int(kind[-2:] if kind[-2:] in ("16", "32", "64") else 8) // 8
            if "bytes" in keys:
                f.seek(at + int(keys["bytes"]) + 1)
    return torch.cat(parts).view(-1, experts)


def logits_of(job):
    path = f"{sys.argv[2]}/logits.{job.E}.{job.type}"
    if os.path.exists(path):
        return trace_logits(path, job.T, job.E).to(device).view(type_of(job))
    return normal(job.T, job.E).to(type_of(job))


def turns(x, size=None):
    """x as many times as take turns, of its own size or another."""
    n = sets_of(size or x.numel() * x.element_size())
    return x.expand(n, *x.shape).contiguous()


def picks_of(logits, k):
    """By the definition: equal logits by lower expert.  -0 is 0."""
    return torch.sort(logits.float() + 0.0, dim=1, descending=True, stable=True).indices[:, :k]


# ---- what a result must be ----

def check_select(logits, k, ids, w):
    ids, want = ids.long(), picks_of(logits, k)
    x = logits.float()
    values = x.gather(1, want)
    if w is not None and (torch.softmax(values, 1) - w).abs().max() > 1e-3:
        return "differ: weights"
    if torch.equal(ids, want):
        return "ok"
    if not torch.equal(x.gather(1, ids), values) or (ids.sort(1).values.diff(dim=1) == 0).any():
        return f"differ: {int((ids != want).any(1).sum())} rows"
    return f"ties: of {int((ids != want).any(1).sum())} rows by another expert"


def check_product(x, router, k, ids, w, logits):
    """A product of 16 bits rounds: picks may be so much less than the best."""
    exact = x.float() @ router.float().T
    want = exact.sort(1, descending=True).values[:, :k]
    most = float(exact.abs().max()) * (2 ** -6 if x.dtype == torch.bfloat16 else 2 ** -9)
    if logits is not None:
        return "ok" if (logits.float() - exact).abs().max() <= most else "differ: logits"
    got = exact.gather(1, ids.long())
    if (got - want).abs().max() > most or (ids.long().sort(1).values.diff(dim=1) == 0).any():
        return "differ: picks"
    return "ok" if (torch.softmax(want, 1) - w).abs().max() <= most else "differ: weights"


def plan_of(logits, iterations):
    x = logits.double()
    kernel = torch.exp(x - x.amax(1, keepdim=True))
    v = torch.ones(x.shape[1], dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        v = x.shape[0] / x.shape[1] / (kernel.T @ (1 / (kernel @ v)))
    return kernel * v


def check_sinkhorn(logits, k, iterations, ids, w):
    plan = plan_of(logits, iterations)
    want = plan.sort(1, descending=True).values[:, :k]
    got = plan.gather(1, ids.long())
    if ((got - want).abs() > 1e-3 * want).any():
        return "differ: picks"
    return "ok" if (want / want.sum(1, keepdim=True) - w).abs().max() < 1e-3 else "differ: weights"


def check_index(ids, experts, perm, place, offsets):
    want = torch.sort(ids.long(), stable=True).indices
    ends = torch.searchsorted(ids.long()[want], torch.arange(experts + 1, device=ids.device))
    back = torch.empty_like(want)
    back[want] = torch.arange(len(want), device=ids.device)
    same = [torch.equal(a.long(), b) for a, b in ((perm, want), (place, back), (offsets, ends))]
    return "ok" if all(same) else f"differ: perm, place, offsets {same}"


def check_gather(x, perm, w, k, to):
    """A weight rounded to 16 bits, and a product, are each off by half a digit."""
    want = x.float()[perm // k] * w.float()[:, None]
    most = 2 ** -7 if x.dtype == torch.bfloat16 else 2 ** -10
    return "ok" if ((to.float() - want).abs() <= most * want.abs() + 1e-6).all() else "differ"


# ---- torch ----

ITERATIONS = 10


def select(x, k):
    v, ids = torch.topk(x, k, dim=1)
    return ids, torch.softmax(v, 1, dtype=torch.float32)


def product_select(x, router, k):
    return select(x @ router.T, k)


def sinkhorn_vectors(x, k):
    """By matrix and vector, the matrix not rewritten."""
    kernel = torch.exp(x.float() - x.amax(1, keepdim=True).float())
    v = torch.ones(x.shape[1], device=x.device)
    for _ in range(ITERATIONS):
        v = x.shape[0] / x.shape[1] / (kernel.T @ (1 / (kernel @ v)))
    top, ids = torch.topk(kernel * v, k, dim=1)
    return ids, top / top.sum(1, keepdim=True)


def sinkhorn_dense(x, k):
    """By dividing rows, then columns."""
    plan = torch.exp(x.float() - x.amax(1, keepdim=True).float())
    for _ in range(ITERATIONS):
        plan = plan / plan.sum(1, keepdim=True)
        plan = plan / plan.sum(0) * (x.shape[0] / x.shape[1])
    top, ids = torch.topk(plan, k, dim=1)
    return ids, top / top.sum(1, keepdim=True)


def index(ids, experts):
    """bincount waits for the device, so the counts are of the sorted ids."""
    sorted_ids, perm = torch.sort(ids, stable=True)
    bounds = torch.arange(experts + 1, device=ids.device, dtype=ids.dtype)
    offsets = torch.searchsorted(sorted_ids, bounds)
    place = torch.empty_like(perm)
    place.scatter_(0, perm, torch.arange(len(perm), device=ids.device))
    return perm, place, offsets


def gather(x, rows, w):
    return x.index_select(0, rows) * w[:, None]


def case(job):
    """What to call with which inputs by turn, and how to check a result: functions, a list of
    tuples of tensors, check(result)."""
    k = job.k
    if job.what in ("select", "sinkhorn"):
        x = turns(logits_of(job))
        if job.what == "select":
            return [lambda x: select(x, k)], [(s,) for s in x], lambda r: check_select(x[0], k, *r)
        return ([lambda x: sinkhorn_vectors(x, k), lambda x: sinkhorn_dense(x, k)],
                [(s,) for s in x], lambda r: check_sinkhorn(x[0], k, ITERATIONS, *r))
    if job.what == "router":
        x = turns(normal(job.T, job.d).to(type_of(job)))
        router = (normal(job.E, job.d, seed=2) / job.d ** 0.5).to(x.dtype)
        return ([lambda x, w: product_select(x, w, k)], [(s, router) for s in x],
                lambda r: check_product(x[0], router, k, *r, None))
    ids = picks_of(logits_of(job), k).to(torch.int16).flatten().contiguous()
    if job.what == "index":
        return ([lambda ids: index(ids, job.E)], [(s,) for s in turns(ids, job.T * job.E * 2)],
                lambda r: check_index(ids, job.E, *r))
    if job.what != "gather":
        raise ValueError(f"no such job: {job.what}")
    x = turns(normal(job.T, job.d).to(type_of(job)))
    perm = torch.sort(ids, stable=True).indices
    w = torch.rand(job.T * k, device=device)[perm]
    rows, wp = perm // k, w.to(x.dtype)
    return ([gather], [(s, rows, wp) for s in x], lambda r: check_gather(x[0], perm, w, k, r))


def measure(job, who, functions, inputs, check):
    """The fastest of functions that is right."""
    best, said = None, None
    for f in functions:
        said = check(f(*inputs[0]))
        if said.startswith("differ"):
            break
        if warm:
            continue
        us = timed(lambda i: f(*inputs[i % len(inputs)]), len(inputs))
        best = us if best is None or us[0] < best[0] else best
    if not warm:
        say(job, who, None if said.startswith("differ") else best, said)


def guarded(job, who, f, *args):
    """A peer that fails is absent, with the reason."""
    try:
        f(job, who, *args)
    except Exception as e:
        if not warm:
            say(job, who, None, f"absent: {type(e).__name__}: {e}")


def run_torch(job):
    try:
        functions, inputs, check = case(job)
    except Exception as e:
        for who in ("eager", "compile"):
            say(job, who, None, f"absent: {type(e).__name__}: {e}")
        return
    if not warm:
        guarded(job, "eager", measure, functions, inputs, check)
    if not cpu:
        torch._dynamo.reset()
        compiled = [torch.compile(f, dynamic=False) for f in functions]
        guarded(job, "compile", measure, compiled, inputs, check)
    if job.what == "router" and not warm:
        x, router = inputs[0]
        guarded(job, "library", measure, [lambda x, w: x @ w.T], inputs,
                lambda r: check_product(x, router, job.k, None, None, r))


# ---- Triton ----

def results(n, job, where):
    return [(torch.empty(job.T, job.k, dtype=torch.int16, device=where),
             torch.empty(job.T, job.k, device=where)) for _ in range(n)]


def triton_case(job, meta=False):
    """Configurations, launch(run, config, i), how many inputs take turns, check().  meta: no
    memory, for compiling."""
    T, E, k = job.T, job.E, job.k
    where = "meta" if meta else device

    def empty(*shape, dtype=torch.int32):
        return torch.empty(*shape, dtype=dtype, device=where)

    if job.what in ("select", "sinkhorn"):
        x = empty(1, T, E, dtype=type_of(job)) if meta else turns(logits_of(job))
        out = results(len(x), job, where)
        if job.what == "select":
            import triton_select as t
            bits = x.view(torch.int16)
            return (t.CONFIGS, lambda run, c, i: t.launch(run, c, bits[i], *out[i], T, E, k, x.dtype),
                    len(x), lambda: check_select(x[0], k, *out[0]))
        import triton_sinkhorn as t
        columns = empty(ITERATIONS, E, dtype=torch.float32)

        def launch(run, c, i):
            columns.zero_()
            t.launch(run, c, x[i], columns, *out[i], T, E, k, ITERATIONS)
        return t.CONFIGS, launch, len(x), lambda: check_sinkhorn(x[0], k, ITERATIONS, *out[0])
    if job.what == "router":
        if cpu and job.type == "bf16":
            raise ValueError("Triton's interpreter multiplies the bits of bf16")
        import triton_product_select as t
        x = empty(1, T, job.d, dtype=type_of(job)) if meta else turns(normal(T, job.d).to(type_of(job)))
        router = (empty(E, job.d, dtype=x.dtype) if meta else
                  (normal(E, job.d, seed=2) / job.d ** 0.5).to(x.dtype))
        out = results(len(x), job, where)
        return (t.configs(E), lambda run, c, i: t.launch(run, c, x[i], router, *out[i], T, job.d, E, k,
                                                         x.dtype),
                len(x), lambda: check_product(x[0], router, k, *out[0], None))
    import triton_rows as t
    ids = empty(T * k, dtype=torch.int16) if meta else picks_of(logits_of(job), k).to(torch.int16).flatten()
    if job.what == "index":
        table, totals, offsets = empty(T * k, E), empty(E), empty(E + 1)
        perm, place = empty(T * k), empty(T * k)
        each = ids[None] if meta else turns(ids, T * E * 2)
        fit = [c for c in t.INDEX if T * k % (c["BLOCK"] * c["LOOPS"]) == 0]
        return (fit, lambda run, c, i: t.index(run, c, each[i], table, totals, offsets, perm, place,
                                               T * k, E),
                len(each), lambda: check_index(ids, E, perm, place, offsets))
    x = empty(1, T, job.d, dtype=type_of(job)) if meta else turns(normal(T, job.d).to(type_of(job)))
    to = empty(T * k, job.d, dtype=x.dtype)
    place, w, perm = empty(T * k), empty(T * k, dtype=torch.float32), None
    if not meta:
        perm = torch.sort(ids, stable=True).indices
        place[perm] = torch.arange(T * k, device=device, dtype=torch.int32)
        w = torch.rand(T * k, device=device)
    return (t.GATHER, lambda run, c, i: t.gather(run, c, x[i], place, w, to, T, job.d, k), len(x),
            lambda: check_gather(x[0], perm, w[perm], k, to))


def go(fn, grid, *args, **config):
    fn[grid](*args, **config)


def run_triton(job):
    guarded(job, "triton", tuned)


def tuned(job, who):
    """The fastest configuration of those that are right, chosen by the times compared."""
    configs, launch, sets, check = triton_case(job)
    best, said, failed = None, "absent", None
    for c in configs[:1] if cpu else configs:
        try:
            launch(go, c, 0)
            said = check()
            if said != "ok":
                break
            us = timed(lambda i: launch(go, c, i % sets), sets, 5)[0]
        except Exception as e:  # too much shared memory, say
            failed = e
            continue
        if best is None or us < best[0]:
            best = us, c
    if said.startswith(("differ", "ties")):  # its ties are ours to choose
        return say(job, who, None, "differ: " + said)
    if best is None:
        raise failed or ValueError("no configuration fits")
    us = timed(lambda i: launch(go, best[1], i % sets), sets)
    say(job, who, us, "ok " + " ".join(f"{a}={b}" for a, b in best[1].items()))


def compile_one(args):
    """In a process of its own: what run_triton will look for in Triton's cache."""
    job, at = args

    def keep(fn, grid, *a, **config):
        fn.warmup(*[x.dtype if torch.is_tensor(x) else x for x in a], grid=grid, **config)
    try:
        configs, launch, _, _ = triton_case(job, meta=True)
        if at < len(configs):
            launch(keep, configs[at], 0)
    except Exception as e:
        return f"{job.row}: {type(e).__name__}: {e}"


def main():
    jobs = []
    for line in sys.stdin:
        row, what, *sizes, kind = line.rstrip("\n").split("\t")
        jobs.append(Job(row, what, *(int(n) if n != "-" else 0 for n in sizes), kind))
    if warm:
        import multiprocessing
        shapes = {(j.what, j.d, j.E, j.k, j.type): j for j in reversed(jobs)}.values()
        with multiprocessing.get_context("spawn").Pool(max((os.cpu_count() or 2) - 2, 1)) as pool:
            said = pool.imap_unordered(compile_one, [(j, i) for j in shapes for i in range(32)])
            for job in jobs:
                run_torch(job)
            for why in sorted({w for w in said if w}):
                print(why, file=sys.stderr)
    else:
        for job in jobs:
            (run_torch if sys.argv[1] == "torch" else run_triton)(job)


if __name__ == "__main__":
    main()
