"""Tokens by the Tokenizers library, on one thread.
usage: tokens.py train DIR TEXT SIZE      DIR/t5 and DIR/qwen of a text
       tokens.py encode TOKENIZER TEXT"""
import os, sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

CUT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def save(t, name):
    os.makedirs(name, exist_ok=True)
    t.save(name + "/tokenizer.json")


if sys.argv[1] == "train":
    sys.dont_write_bytecode = True
    from charsmap import charsmap
    top, size, lines = sys.argv[2], int(sys.argv[4]), open(sys.argv[3]).read().split("\n")
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Precompiled(charsmap())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=size, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"]))
    t.add_special_tokens(["<extra_id_%d>" % i for i in range(100)])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    save(t, top + "/t5")
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CUT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    save(t, top + "/qwen")
else:
    t = Tokenizer.from_file(sys.argv[2] + "/tokenizer.json")
    lines = open(sys.argv[3]).read().split("\n")[:-1]
    n = 0
    for i in range(0, len(lines), 1000):
        n += sum(len(e.ids) for e in t.encode_batch_fast(lines[i:i + 1000]))
    print(n)
