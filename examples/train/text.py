"""Texts of three domains: sea, kitchen, numbers.  All of it may be passed on:

Webster's Unabridged Dictionary of 1913, in the public domain: the entries of Debian's dict-gcide
    0.48.5 that it marks as taken from there; the marks of later hands are left out.
WordNet 3.0, Princeton's own licence, like BSD's (wordnet-base 1:3.0, its copyright file).
Python 3.11's standard library, PSF licence (libpython3.11-stdlib): the modules named below.

Nothing of examples/text is in it.
"""
import gzip
import pathlib
import random
import re

WEBSTER = "/usr/share/dictd/gcide.dict.dz"
WORDNET = "/usr/share/wordnet/data.%s"
PYTHON = "/usr/lib/python3.11/%s.py"

# What an entry is about: the dictionary's own label, the file of the lexicographers, or words.
LABEL = {"sea": r"Naut\.|Shipbuilding|Navigation|Mar\.", "kitchen": r"Cookery|Cooking|Brewing",
         "numbers": r"Math\.|Arith\.|Alg\.|Geom\.|Trig\.|Mensuration|Logic|Statistics"}
NOUNS = {"13": "kitchen"}  # noun.food
WORDS = {
    "sea":
        "ships? sails? sailors? seas? seamen boats? anchors? harbou?rs? tides? tidal masts? "
        "decks? rigging fleet mariners? voyages? shore coast port keel rudder wharf quay "
        "pilot waves rowing oars? lighthouse fog gale storm ocean moored hull cabin aboard "
        "ashore overboard cargo",
    "kitchen":
        "cook(s|ed|ing)? bak(e|ed|ing) boil(ed|ing)? fr(y|ied|ying) roast(ed|ing)? dough "
        "flour butter sugar sauces? soups? bread cakes? meat cheese spoon oven kitchen "
        "dish(es)? stew(ed)? eggs? cream onions? pepper garlic salted pastry vegetables? "
        "salad milk dessert eaten flavou?r food dinner knife fruit rice honey syrup vinegar",
    "numbers":
        "numbers? equal equations? squares? triangles? sum integers? divided? divisors? "
        "digits? angles? algebra(ic)? arithmetic(al)? calculat(e|ion) computers? fractions? "
        "quantit(y|ies) polygon ratio multipl(y|ied) mathematic(s|al)? decimal percent "
        "counting variable programs? theorem probability statistic(s|al)? plus minus zero "
        "compute"}
MODULES = """statistics fractions heapq bisect random numbers colorsys calendar datetime textwrap
    string difflib copy operator functools collections/__init__ contextlib json/decoder
    json/encoder csv
    shlex argparse configparser ast tokenize queue sched timeit turtle graphlib enum dataclasses
    base64 gettext glob fnmatch struct types typing _pydecimal""".split()
FIND = {d: re.compile(r"\b(%s)\b" % "|".join(w.split()), re.I) for d, w in WORDS.items()}


def about(text, hint=None):
    """The domain whose words are in the text; None where two are, or none."""
    n = {d: len(f.findall(text)) + 2 * (d == hint) for d, f in FIND.items()}
    best, other = sorted(n.values())[:-3:-1]
    return max(n, key=n.get) if best > other + (other > 0) else None


def webster():
    text = gzip.open(WEBSTER).read().decode("latin-1")
    for sense in re.finditer(r"(.*?)\[([^\]\[]*(?:Webster|PJC|WordNet)[^\]\[]*)\]\n", text, re.S):
        if "1913" not in sense[2]:
            continue
        hint = next((d for d, label in LABEL.items()
                     if re.search(r"\((%s)\)" % label, sense[1])), None)
        s = re.sub(r"(?m)^\S.*\\.*\n?", "", sense[1])    # the head word, how it is spoken
        s = re.sub(r"\[[^]]*\]|\([A-Z][^)]*\)|\{|\}|--[A-Z].*|^\s*\d+\.|\([a-z]\)", "", s,
                   flags=re.M)
        s = re.sub(r"^.*?\]", "", s, flags=re.S)         # what is left of where it comes from
        yield " ".join(s.replace("Note:", "").split()), hint


def wordnet():
    for part in "noun", "verb", "adj":
        for line in open(WORDNET % part):
            if line.startswith(" "):
                continue
            fields, gloss = line.split(" | ")
            fields = fields.split()
            hint = NOUNS.get(fields[1])
            definition = re.sub(r'; *".*', "", gloss).strip()
            yield "%s: %s." % (re.sub(r"_", " ", fields[4]).split("(")[0], definition), hint
            for example in re.findall(r'"([^"]{25,})"', gloss):
                yield example[0].upper() + example[1:].rstrip(".") + ".", hint


def source(name):
    """Functions and classes of a module, doctests with them."""
    text = open(PYTHON % name).read()
    for part in re.split(r"\n(?=(?:def|class|@|    def) ?)", text):
        yield re.sub(r"\n\s*\n+", "\n", part).rstrip()


def documents(seed=1):
    """{domain: documents}: a document is about ten entries, or one function."""
    rng = random.Random(seed)
    entries = {d: [] for d in WORDS}
    for text, hint in [*webster(), *wordnet()]:
        domain = about(text, hint)
        if domain and text.isascii() and 25 < len(text) < 500:
            entries[domain].append(text)
    out = {}
    for d, all_of_it in entries.items():
        all_of_it = sorted(set(all_of_it))
        rng.shuffle(all_of_it)
        out[d] = ["\n".join(all_of_it[i:i + 10]) for i in range(0, len(all_of_it), 10)]
    out["numbers"] += [s for m in MODULES for s in source(m) if s.isascii() and 80 < len(s) < 2000]
    for docs in out.values():
        rng.shuffle(docs)
    return out


def shipped():
    """{name: sentences} of examples/text, which no model has seen."""
    import json
    here = pathlib.Path(__file__).resolve().parent.parent / "text"
    return {f.stem: [json.loads(l)["text"] for l in open(f)] for f in sorted(here.glob("*.jsonl"))}


if __name__ == "__main__":
    for d, docs in documents().items():
        print(d, len(docs), "documents", sum(map(len, docs)), "characters")
