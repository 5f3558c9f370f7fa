"""Tokenizers that the Tokenizers library trains, texts of many scripts, and the ids that it
makes of them.  usage: mktokens.py DIR [SEED]; folders NAME/ with tokenizer.json, and text
files: lines.txt, and of each folder NAME.ids (a line a text), NAME.cut (7 tokens at most), NAME.plain
(decoded) and NAME.special (with special tokens); NAME.multi is of multi.jsonl, frames of texts of
several lines."""
import json, os, random, sys, unicodedata
from tokenizers import Tokenizer, AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
sys.dont_write_bytecode = True
from charsmap import charsmap

top, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
random.seed(seed)

SCRIPTS = """The quick brown fox jumps over the lazy dog, and it's what they'll've done: I'D say WE'RE 12345 times 3.14.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Ça va? Où est l'œuvre naïve…
Příliš žluťoučký kůň úpěl ďábelské ódy; łódź, ąęśćż, İstanbul ığdır, ñandú ¿qué? ¡sí!
Съешь же ещё этих мягких французских булок, да выпей чаю. Їжак і ґанок — 100%.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία, ὦ ξεῖν᾽ ἀγγέλλειν Λακεδαιμονίοις.
דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם
صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت ١٢٣٤ — گچپژ
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश १२३ क्षत्रिय
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
いろはにほへと ちりぬるを。カタカナも、ﾊﾝｶｸも、漢字もある。ガギグゲゴ ｶﾞｷﾞ ㍿ ㌔
天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。「你好！」2024年12月31日 Ａｂｃ１２３
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 한글 ᄒᆞᆫ글
მხედრული და ასომთავრული Ⴀსო; Հայերեն այբուբեն։ ኢትዮጵያ አማርኛ። ᏣᎳᎩ
Emoji 😀👍🏽👨‍👩‍👧‍👦🇩🇪🇯🇵 ✊🏾 and ﬁligree ﬀ ½ ² Ⅷ ℃ ™ ① ㎏ ∑∂ €£¥
combining: é à ñ ü q̣̇ ạ̈ Å ﷺ zero\u200bwidth nb\u00a0sp em\u2003sp ideo\u3000sp
code: if (x != y) { return f(a->b, "c\\n"); } // #include <stdio.h> == && || ++ -- <<= 0xFF
\tTabs\tand    many     blanks   at the end   
mixed don't DON'T it's IT'S we'Re 'tis 'S 'ſ 'LL rock'n'roll y'all'd've 1,000,000.00 x2y3 ٣٤٥ Ⅻ²³
"""
lines = [l for l in SCRIPTS.split("\n")]
words = " ".join(lines).split(" ")
chars = sorted(set("".join(lines)))
# characters whose classes are of use, from all planes; those of Unicode 13 and before
for lo, hi in (0x20, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x5d0, 0x6ff), (0x900, 0x97f), (0xe00, 0xe5b), (0x1100, 0x11ff), \
        (0x1680, 0x1680), (0x1e00, 0x206f), (0x2070, 0x218b), (0x2460, 0x24ff), (0x3000, 0x30ff), (0x3300, 0x33ff), (0x4e00, 0x4eff), \
        (0xac00, 0xacff), (0xf900, 0xf9ff), (0xfb00, 0xfb4f), (0xff00, 0xffef), (0x1d400, 0x1d4ff), (0x1f300, 0x1f6d0), (0x20000, 0x200ff):
    chars += [chr(c) for c in range(lo, hi + 1) if unicodedata.category(chr(c)) != "Cn" and c != 0x180e]
chars = [c for c in chars if c not in "\n\x85"]


def noise():
    kind = random.random()
    if kind < .4:
        return "".join(random.choice(chars) for _ in range(random.randrange(1, 40)))
    if kind < .7:
        return " ".join(random.choice(words) for _ in range(random.randrange(1, 30)))
    pieces = words + ["  ", "   ", "'", "\r", "\t", "\u3000", "\u00a0", "\u0301", "<extra_id_0>", " <extra_id_1>  ", "<s>", "</s>", "<unk>",
                      "<|endoftext|>", "<pad>", "word", "▁", "▁▁", "<0x41>", "xword", "        ", "\x01", "\u200d", "1", "22", "a"]
    return "".join(random.choice(pieces) for _ in range(random.randrange(1, 20)))


texts = [l for l in lines if l] + [noise() for _ in range(1500)] + ["", " ", "  ", "a", "\u0301", " \u0301a", "x" * 3000, "ab" * 700, "天" * 400]
texts = [t for t in texts if t and "\n" not in t and t[-1] != "\r"]
multi = ["a\nb\r\n\r\nc  \n d\n\n\n  e \r\n", "\n", "\r\n\r\n", "x \n", "  \n\n x", "tail  \n   \n", "1\n2\r3", "end.\n\n", "a\u0301\n\u0301", "'s\n't"]
multi += ["\n".join(noise() for _ in range(4)) for _ in range(100)]
corpus = lines * 20


def save(name, t, edit=None):
    os.makedirs(top + "/" + name, exist_ok=True)
    f = top + "/" + name + "/tokenizer.json"
    t.save(f)
    if edit:
        j = json.load(open(f))
        edit(j)
        json.dump(j, open(f, "w"), ensure_ascii=random.random() < .5)
    t = Tokenizer.from_file(f)
    t.no_truncation()
    enc = [t.encode(x).ids for x in texts]
    with open(top + "/" + name + ".ids", "w") as o:
        for e in enc:
            o.write(" ".join(map(str, e)) + "\n")
    with open(top + "/" + name + ".multi", "w") as o:
        for x in multi:
            o.write(" ".join(map(str, t.encode(x).ids)) + "\n")
    for special in (0, 1):
        with open(top + "/" + name + (".special" if special else ".plain"), "w") as o:
            for e in enc:
                o.write(json.dumps(t.decode(e, skip_special_tokens=not special)) + "\n")
    t.enable_truncation(7)
    with open(top + "/" + name + ".cut", "w") as o:
        for x in texts:
            o.write(" ".join(map(str, t.encode(x).ids)) + "\n")


def bpe(normalizer, pre, size=900, special=(), added=(), post=None, decoder=None, alphabet=True, model=None, **kw):
    t = Tokenizer(model or models.BPE(**kw))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=list(special),
                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else []))
    t.add_tokens(list(added))
    t.decoder = decoder or decoders.ByteLevel()
    if post:
        t.post_processor = post
    return t


def template(t, single, *names):
    return processors.TemplateProcessing(single=single, special_tokens=[(n, t.token_to_id(n)) for n in names])


os.makedirs(top, exist_ok=True)
open(top + "/lines.txt", "w").write("".join(t + "\n" for t in texts))
with open(top + "/multi.jsonl", "w") as o:
    o.write('{"kind":"trace","v":1,"layers":0,"experts":0,"topk":0}\n')
    for i, x in enumerate(multi):
        o.write(json.dumps({"kind": "text", "batch": i // 3, "seq": i, "text": x}) + "\n")
    o.write('{"kind":"end","frames":%d}\n' % len(multi))

CUT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
split = lambda p, b="isolated", **k: pre_tokenizers.Split(Regex(p), b, **k)

# T5 as it was published, and as converters write it today
pieces = lambda n: trainers.UnigramTrainer(vocab_size=n, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"])
for name in "t5", "t5new":
    t = Tokenizer(models.Unigram())
    if name == "t5":
        t.normalizer = normalizers.Precompiled(charsmap())
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    else:
        t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap()), normalizers.Strip(left=False, right=True),
                                             normalizers.Replace(Regex(" {2,}"), "▁")])
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    t.train_from_iterator(corpus, pieces(700))
    t.add_special_tokens(["<extra_id_%d>" % i for i in range(3)])
    t.post_processor = template(t, "$A </s>", "</s>")
    t.decoder = decoders.Metaspace()
    save(name, t)

for name, digits in ("qwen", r"\p{N}"), ("llama3", r"\p{N}{1,3}"):
    t = bpe(normalizers.NFC() if name == "qwen" else None, pre_tokenizers.Sequence([split(CUT + digits + REST), byte]), added=[
        AddedToken("<|endoftext|>", special=True, normalized=False), AddedToken("<pad>", normalized=False)])
    if name == "llama3":
        t.add_special_tokens(["<s>"])
        t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template(t, "<s> $A", "<s>")])
        save(name, t, lambda j: j["model"].update(ignore_merges=True))
    else:
        save(name, t)

t = bpe(normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False), added=[AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)] +
        [AddedToken("<|endoftext|>", special=True), AddedToken("word", single_word=True), AddedToken("<pad>", lstrip=True, rstrip=True),
         AddedToken("<s>", rstrip=True, normalized=False)])
save("neox", t)
t = bpe(normalizers.NFKC(), pre_tokenizers.ByteLevel(add_prefix_space=True), special=["<s>", "</s>"])
t.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
# merges as they were written before they were pairs
save("roberta", t, lambda j: j["model"].update(merges=[" ".join(m) for m in j["model"]["merges"]]))

LETTERS = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-Ⴥ" + "\u1c90-\u1cba\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f5f-\u1f7d\u1fe0-\u1fec" + r"ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ]+"
for name, one in ("deepseek", True), ("deepseek2", False):
    t = bpe(None, pre_tokenizers.Sequence([split("[\r\n]"), split(LETTERS), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"),
            split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(individual_digits=one), byte]), special=["<s>", "</s>"], added=[AddedToken("<pad>", normalized=True)])
    t.post_processor = template(t, "<s> $A", "<s>")
    save(name, t)

# Llama: words by no pre-tokenizer, bytes for what is not there
fall = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
llama = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
for name in "llama", "mistral", "unk", "cross":
    first = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t = bpe(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]) if name != "mistral" else None,
            None if name != "mistral" else first, size=700, special=fall if name != "unk" else ["<unk>", "<s>"], decoder=llama, alphabet=False,
            byte_fallback=name != "unk", unk_token="<unk>", fuse_unk=name in ("llama", "unk"))
    if name == "llama":  # merges within words alone, as they were trained there
        pre = Tokenizer.from_str(t.to_str())
        pre.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
        pre.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=700, show_progress=False, special_tokens=fall))
        pre.pre_tokenizer = None
        t = Tokenizer.from_str(json.dumps(dict(json.loads(pre.to_str()), pre_tokenizer=None)))
    t.post_processor = template(t, "<s> $A", "<s>")
    save(name, t)

# patterns that are not among the usual ones, and all that can become of a match
for i, (pattern, behavior, invert) in enumerate([(r"\d+|[^\d\s]+?(?=\s)", "isolated", False), (r"\p{Lu}", "merged_with_next", False), (r"[aeiou]{2}|,", "merged_with_previous", False),
                                                 (r"\s+|[.,]", "contiguous", False), (r"\p{L}+|\p{N}+", "removed", True), (r"\p{P}", "removed", False)]):
    save("odd%d" % i, bpe(normalizers.NFD() if i % 2 else normalizers.NFKD(), pre_tokenizers.Sequence([split(pattern, behavior, invert=invert), byte]), special=["<s>"]))
