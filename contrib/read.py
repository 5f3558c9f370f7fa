"""A trace in Python: `for kind, keys, columns in read(open("x.trace", "rb"))`.

The standard library is enough; with numpy installed the columns are its arrays
[rows][width], else flat tuples.  zstd payloads need `zstd -d` or a tool of the
suite before (trace-filter without -z writes them raw); checksums are not looked at.
"""
import struct
import sys
from urllib.parse import unquote

try:
    import numpy
except ImportError:
    numpy = None

CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q",
         "f16": "e", "bf16": "H", "f32": "f", "f64": "d"}  # bf16 stays bits: shift left by 16 for a float


def column(body, at, dtype, rows, width):
    if dtype not in CODES:
        return None
    if numpy:
        name = {"bf16": "u2"}.get(dtype) or dtype[0] + str(int(dtype[1:]) // 8)
        a = numpy.frombuffer(body, "<" + name, rows * width, at)
        return a.reshape(rows, width) if width > 1 else a
    return struct.unpack_from("<%d%s" % (rows * width, CODES[dtype]), body, at)


def table(keys, body):
    columns, at, rows = {}, 0, int(keys["rows"])
    for c in keys["cols"].split(","):
        name, dtype, width = (c + ":1").split(":")[:3]
        size = int("".join(x for x in dtype if x.isdigit())) // 8
        columns[name] = column(body, at, dtype, rows, int(width))
        at = (at + rows * int(width) * size + 63) & ~63
    return columns


def read(f):
    """Yields kind, keys and columns (None: no table; bytes: another payload) of each frame."""
    last = ""
    while line := f.readline(4096):
        if line[:1] != b"@" or line[-1:] != b"\n":
            raise ValueError("not a frame: %r" % line[:60])
        kind, *pairs = line[1:].decode("ascii").split()
        keys = {k: unquote(v) for k, v in (p.split("=", 1) for p in pairs)}
        n = int(keys.get("bytes", 0))
        if not 0 <= n <= 1 << 30:
            raise ValueError("payload of %d bytes" % n)
        body = f.read(n)
        if len(body) != n or n and f.read(1) != b"\n":
            raise ValueError("cut short")
        if (kind == "trace") != (last in ("", "end")):
            raise ValueError("@trace or @end is missing")
        if kind == "trace" and keys["v"] != "1":
            raise ValueError("version %s" % keys["v"])
        if keys.get("enc") and "rows" in keys:
            raise ValueError("enc=%s: decode it first" % keys["enc"])
        last = kind
        yield kind, keys, table(keys, body) if "cols" in keys else body or None
    if last != "end":
        raise ValueError("cut short: no @end")


if __name__ == "__main__":
    for kind, keys, columns in read(sys.stdin.buffer):
        print(kind, keys, columns)
