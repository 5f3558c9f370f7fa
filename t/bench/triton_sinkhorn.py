"""Sinkhorn in Triton, to compare with: a launch a sweep, which scales rows and adds up columns
by atomics, then one that picks; the matrix is never rewritten."""
import triton
import triton.language as tl

CONFIGS = [{"ROWS": rows, "LOOPS": loops, "num_warps": warps}
           for rows in (4, 8, 16, 32) for loops in (1, 2, 4) for warps in (4, 8)
           if 32 <= rows * loops <= 128 or rows * loops == 16]


@triton.jit
def kernel_of(logits, row, rows, E: tl.constexpr):
    x = tl.load(logits + row[:, None] * E + tl.arange(0, E)[None, :], row[:, None] < rows, other=0)
    x = x.to(tl.float32)
    return tl.exp(x - tl.max(x, axis=1)[:, None])


@triton.jit
def scaling(columns, sweep, part, E: tl.constexpr):
    """Of the columns whose sums are row sweep - 1 of columns; 1 before the first."""
    e = tl.arange(0, E)
    if sweep == 0:
        v = tl.full([E], 1, tl.float32)
    else:
        v = part / tl.load(columns + (sweep - 1) * E + e)
    return v


@triton.jit
def sinkhorn_sweep(logits, columns, sweep, rows, part, E: tl.constexpr, ROWS: tl.constexpr,
                   LOOPS: tl.constexpr):
    v = scaling(columns, sweep, part, E)
    sum = tl.zeros([E], tl.float32)
    for loop in tl.static_range(LOOPS):
        row = ((tl.program_id(0) * LOOPS + loop) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        k = kernel_of(logits, row, rows, E)
        u = tl.where(row < rows, 1 / tl.sum(k * v[None, :], axis=1), 0)
        sum += tl.sum(k * u[:, None], axis=0)
    tl.atomic_add(columns + sweep * E + tl.arange(0, E), sum, sem="relaxed")


@triton.jit
def sinkhorn_pick(logits, columns, sweep, rows, part, ids, w, E: tl.constexpr, K: tl.constexpr,
                  K2: tl.constexpr, ROWS: tl.constexpr):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    e = tl.arange(0, E)[None, :]
    plan = kernel_of(logits, row, rows, E) * scaling(columns, sweep, part, E)[None, :]
    slot = tl.arange(0, K2)[None, :]
    best = tl.zeros([ROWS, K2], tl.float32)
    id = tl.zeros([ROWS, K2], tl.int32)
    for k in tl.static_range(K):
        top = tl.max(plan, axis=1)[:, None]
        at = tl.min(tl.where(plan == top, e, E), axis=1)[:, None]
        best = tl.where(slot == k, top, best)
        id = tl.where(slot == k, at, id)
        plan = tl.where(e == at, -1, plan)
    best = best / tl.sum(best, axis=1)[:, None]
    here = (row[:, None] < rows) & (slot < K)
    tl.store(ids + row[:, None] * K + slot, id.to(tl.int16), here)
    tl.store(w + row[:, None] * K + slot, best, here)


def launch(run, config, logits, columns, ids, w, rows, experts, k, iterations):
    """columns f32 [iterations][experts] of zeros."""
    c = dict(config)
    loops = c.pop("LOOPS")
    for sweep in range(iterations):
        run(sinkhorn_sweep, (triton.cdiv(rows, c["ROWS"] * loops),), logits, columns, sweep, rows,
            rows / experts, E=experts, LOOPS=loops, **c)
    run(sinkhorn_pick, (triton.cdiv(rows, c["ROWS"]),), logits, columns, iterations, rows,
        rows / experts, ids, w, E=experts, K=k, K2=triton.next_power_of_2(k), **c)
