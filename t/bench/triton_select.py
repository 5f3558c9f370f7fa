"""Selection in Triton, to compare with: logits of 16 bits to the k best experts of a row and
the softmax over them, of equal logits the lower expert, NaN below -inf, as lib/route/select.h
says.  Tuned over how it picks, rows a program and warps."""
import triton
import triton.language as tl

CONFIGS = [{"ROWS": rows, "SORT": sort, "num_warps": warps}
           for sort in (0, 1) for rows in (4, 8, 16, 32) for warps in (1, 2, 4, 8)
           if 1 <= rows // warps <= 8 and (rows < 32 or warps > 2)]


@triton.jit
def keys(x, E: tl.constexpr, NAN: tl.constexpr):
    """Of logits [rows][E] as int16: integers in the order of picks, all of a row different."""
    b = x.to(tl.int32) & 0xffff
    b = tl.where(b == 0x8000, 0, b)  # -0 is 0
    up = tl.where(b >= 0x8000, 0xffff - b, b + 0x8000)
    up = tl.where((b & 0x7fff) > NAN, 0, up)
    return (up - 0x8000) * 0x10000 + (E - 1 - tl.arange(0, E)[None, :])


@triton.jit
def value(key, TYPE: tl.constexpr):
    """The logit of a key, in f32; of a NaN, which has none, NaN."""
    up = (key >> 16) + 0x8000
    b = tl.where(up >= 0x8000, up - 0x8000, 0xffff - up)
    return b.to(tl.int16).to(TYPE, bitcast=True).to(tl.float32)


@triton.jit
def best(key, E: tl.constexpr, K: tl.constexpr, K2: tl.constexpr, SORT: tl.constexpr):
    """The K greatest keys of each row, descending, in K2 columns."""
    if SORT:
        return tl.topk(key, K2, dim=1)
    slot = tl.arange(0, K2)[None, :]
    out = tl.full([key.shape[0], K2], -0x80000000, tl.int32)
    for k in tl.static_range(K):
        top = tl.max(key, axis=1)[:, None]
        out = tl.where(slot == k, top, out)
        if k + 1 < K:
            key = tl.where(key == top, -0x80000000, key)
    return out


@triton.jit
def put(key, row, rows, ids, w, E: tl.constexpr, K: tl.constexpr, K2: tl.constexpr,
        TYPE: tl.constexpr):
    """Keys [rows][K2] of picks as ids and weights."""
    slot = tl.arange(0, K2)[None, :]
    x = tl.where(slot < K, value(key, TYPE), float("-inf"))
    e = tl.exp(x - tl.max(x, axis=1)[:, None])
    e = e / tl.sum(e, axis=1)[:, None]
    at = row[:, None] * K + slot
    here = (row[:, None] < rows) & (slot < K)
    tl.store(ids + at, (E - 1 - (key & 0xffff)).to(tl.int16), here)
    tl.store(w + at, e, here)


@triton.jit
def select(logits, ids, w, rows, E: tl.constexpr, K: tl.constexpr, K2: tl.constexpr,
                TYPE: tl.constexpr, NAN: tl.constexpr, ROWS: tl.constexpr, SORT: tl.constexpr):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    x = tl.load(logits + row[:, None] * E + tl.arange(0, E)[None, :], row[:, None] < rows, other=0)
    put(best(keys(x, E, NAN), E, K, K2, SORT), row, rows, ids, w, E, K, K2, TYPE)


def kinds(dtype):
    """TYPE and NAN of a torch or numpy type's name."""
    return (tl.bfloat16, 0x7f80) if "bfloat16" in str(dtype) else (tl.float16, 0x7c00)


def launch(run, config, logits, ids, w, rows, experts, k, dtype):
    """logits as int16, ids int16 [rows][k], w f32; run is fn[grid] or what compiles it."""
    kind, nan = kinds(dtype)
    run(select, (triton.cdiv(rows, config["ROWS"]),), logits, ids, w, rows, E=experts, K=k,
        K2=triton.next_power_of_2(k), TYPE=kind, NAN=nan, **config)
