"""Index and gather in Triton, to compare with: a stable counting sort of routes by expert in
three launches, and rows written to all their places as they are read once."""
import triton
import triton.language as tl

INDEX = [{"BLOCK": block, "LOOPS": loops, "num_warps": warps}
         for block in (32, 64, 128) for loops in (1, 2, 4) for warps in (4, 8)]
GATHER = [{"WIDE": wide, "num_warps": warps} for wide in (1024, 2048, 4096)
          for warps in (2, 4, 8)]


@triton.jit
def index_count(ids, table, E: tl.constexpr, BLOCK: tl.constexpr, LOOPS: tl.constexpr):
    at = tl.program_id(0) * BLOCK * LOOPS + tl.arange(0, BLOCK * LOOPS)
    n = tl.histogram(tl.load(ids + at).to(tl.int32), E)
    tl.store(table + tl.program_id(0) * E + tl.arange(0, E), n)


@triton.jit
def index_scan(table, totals, blocks, E: tl.constexpr, MOST: tl.constexpr):
    """A column of the table becomes what the blocks before have."""
    b = tl.arange(0, MOST)
    at = table + b * E + tl.program_id(0)
    n = tl.load(at, b < blocks, other=0)
    tl.store(at, tl.cumsum(n, 0) - n, b < blocks)
    tl.store(totals + tl.program_id(0), tl.sum(n, 0))


@triton.jit
def index_rank(ids, table, totals, offsets, perm, place, E: tl.constexpr, BLOCK: tl.constexpr,
               LOOPS: tl.constexpr):
    e = tl.arange(0, E)
    n = tl.load(totals + e)
    ends = tl.cumsum(n, 0)
    next = ends - n + tl.load(table + tl.program_id(0) * E + e)
    if tl.program_id(0) == 0:
        tl.store(offsets + 1 + e, ends)
        tl.store(offsets + e, 0, e == 0)
    for loop in tl.static_range(LOOPS):
        at = (tl.program_id(0) * LOOPS + loop) * BLOCK + tl.arange(0, BLOCK)
        mine = (tl.load(ids + at).to(tl.int32)[:, None] == e[None, :]).to(tl.int32)
        to = tl.sum(mine * (tl.cumsum(mine, 0) - 1 + next[None, :]), axis=1)
        tl.store(perm + to, at)
        tl.store(place + at, to)
        next += tl.sum(mine, axis=0)


def index(run, config, ids, table, totals, offsets, perm, place, routes, experts):
    """ids int16 [routes], a multiple of BLOCK * LOOPS; table int32 [their number][experts]."""
    blocks = routes // (config["BLOCK"] * config["LOOPS"])
    warps = {"num_warps": config["num_warps"]}
    run(index_count, (blocks,), ids, table, E=experts, **config)
    run(index_scan, (experts,), table, totals, blocks, E=experts,
        MOST=triton.next_power_of_2(blocks), **warps)
    run(index_rank, (blocks,), ids, table, totals, offsets, perm, place, E=experts, **config)


@triton.jit
def gather_rows(x, place, w, to, D: tl.constexpr, K: tl.constexpr, WIDE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    col = tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    values = tl.load(x + row * D + col, col < D, other=0).to(tl.float32)
    for k in tl.static_range(K):
        p = tl.load(place + row * K + k).to(tl.int64)
        y = values * tl.load(w + row * K + k)
        tl.store(to + p * D + col, y.to(to.dtype.element_ty), col < D)


def gather(run, config, x, place, w, to, rows, d, k):
    run(gather_rows, (rows, triton.cdiv(d, config["WIDE"])), x, place, w, to, D=d, K=k, **config)
