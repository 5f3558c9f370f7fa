"""Product and selection in one Triton kernel, to compare with: the logits of a block of rows
stay in registers, are rounded to the type of the rows, then picked from as triton_select does."""
import triton
import triton.language as tl

from triton_select import best, keys, kinds, put


def configs(experts):
    """More experts, more registers: fewer rows or more warps."""
    wide = experts > 128
    return [{"ROWS": rows, "STEP": step, "SORT": 0, "num_warps": warps, "num_stages": stages}
            for rows in ((64, 128) if wide else (16, 32, 64)) for step in (64, 128)
            for warps in ((4, 8) if wide else (2, 4)) for stages in (3, 4)
            if (rows + experts) * step * 2 * stages <= 220 * 1024]


@triton.jit
def product_select(x, router, ids, w, rows, D: tl.constexpr, E: tl.constexpr, K: tl.constexpr,
                   K2: tl.constexpr, TYPE: tl.constexpr, NAN: tl.constexpr, ROWS: tl.constexpr,
                   STEP: tl.constexpr, SORT: tl.constexpr):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    at = tl.arange(0, STEP)
    xs = x + row[:, None] * D + at[None, :]
    ws = router + tl.arange(0, E)[None, :] * D + at[:, None]
    sum = tl.zeros([ROWS, E], tl.float32)
    for d in range(0, D, STEP):
        a = tl.load(xs + d, row[:, None] < rows, other=0)
        sum = tl.dot(a, tl.load(ws + d), sum)
    key = keys(sum.to(TYPE).to(tl.int16, bitcast=True), E, NAN)
    put(best(key, E, K, K2, SORT), row, rows, ids, w, E, K, K2, TYPE)


def launch(run, config, x, router, ids, w, rows, d, experts, k, dtype):
    """x [rows][d], router [experts][d]; STEP divides d."""
    kind, nan = kinds(dtype)
    run(product_select, (triton.cdiv(rows, config["ROWS"]),), x, router, ids, w, rows, D=d,
        E=experts, K=k, K2=triton.next_power_of_2(k), TYPE=kind, NAN=nan, **config)
