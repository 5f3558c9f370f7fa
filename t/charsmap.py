import struct, unicodedata


def charsmap():
    """A map as SentencePiece writes it: NFKC of single characters and of pairs, blanks for controls."""
    keys = {}
    for lo, hi in (0xa0, 0x17f), (0x1e00, 0x1fff), (0x2000, 0x2fff), (0x3000, 0x33ff), (0xf900, 0xfaff), (0xfb00, 0xfb4f), (0xff00, 0xffef), (0x1d400, 0x1d44f):
        for c in range(lo, hi + 1):
            n = unicodedata.normalize("NFKC", chr(c))
            if n != chr(c):
                keys[chr(c)] = n
            d = unicodedata.normalize("NFD", chr(c))
            if len(d) > 1 and unicodedata.normalize("NFC", d) != d:
                keys[d] = unicodedata.normalize("NFC", d)
    for c in "\t\r\n\u00a0\u3000":
        keys[c] = " "
    for c in "\x01\x02\u200b\ufeff":
        keys[c] = ""
    for a, b in ("\uff76\uff9e", "\u30ac"), ("\uff77\uff9e", "\u30ae"):
        keys[a + b] = unicodedata.normalize("NFKC", a + b)
    pool, at = b"", {}
    for v in sorted(set(keys.values())):
        at[v] = len(pool)
        pool += v.encode() + b"\0"
    tree = {}
    for k, v in keys.items():
        node = tree
        for b in k.encode():
            node = node.setdefault(b, {})
        node[0] = at[v]
    unit, used = {0: 0}, {0}
    # children of a unit at place p lie at p ^ offset ^ label; place 0 is the root
    todo, base = [(0, tree)], 1
    while todo:
        p, node = todo.pop()
        while any((base ^ b) in used for b in node) or base ^ p == 0 or (base ^ p) >= 1 << 21:
            base += 1
        unit[p] |= (base ^ p) << 10
        if 0 in node:
            unit[p] |= 1 << 8
        for b, child in node.items():
            q = base ^ b
            used.add(q)
            if b == 0:
                unit[q] = 1 << 31 | child
            else:
                unit[q] = b
                todo.append((q, child))
        base = max(1, base - 3)
    n = max(unit) + 1
    n += -n % 256
    units = b"".join(struct.pack("<I", unit.get(i, 0)) for i in range(n))
    return struct.pack("<I", len(units)) + units + pool
