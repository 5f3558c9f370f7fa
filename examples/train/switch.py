"""tiny-switch: a Switch Transformer that fills in blanked spans, as T5 does."""
import math
import tempfile
import unicodedata

import sentencepiece
import torch
import torch.nn.functional as F
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, processors, trainers
from tokenizers.decoders import Metaspace as Unspaced
from tokenizers.pre_tokenizers import Metaspace, Sequence, WhitespaceSplit
from torch import nn

import text
import tiny

# 61 tokens go in, so that no expert's capacity is passed
SENTINELS, WINDOW, BLANK, SPANS = 16, 72, 18, 6
C = tiny.config("tiny-switch")
D, INNER, E = C["d_model"], C["num_heads"] * C["d_kv"], C["num_experts"]
BUCKETS, FAR = C["relative_attention_num_buckets"], C["relative_attention_max_distance"]


class Attention(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.q, self.k, self.v = (tiny.linear(D, INNER) for _ in range(3))
        self.o = tiny.linear(INNER, D)
        nn.init.normal_(self.q.weight, std=(D * C["d_kv"]) ** -0.5)  # T5 does not scale the scores
        if table:
            self.relative_attention_bias = nn.Embedding(BUCKETS, C["num_heads"])
            nn.init.normal_(self.relative_attention_bias.weight, std=D ** -0.5)

    def forward(self, x, other, bias):
        q, k, v = (w(y).unflatten(-1, (C["num_heads"], -1)).transpose(1, 2)
                   for w, y in ((self.q, x), (self.k, other), (self.v, other)))
        return self.o(((q @ k.transpose(2, 3) + bias).softmax(-1) @ v).transpose(1, 2).flatten(2))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.wi, self.wo = tiny.linear(D, C["d_ff"]), tiny.linear(C["d_ff"], D)

    def forward(self, x, told=None):
        return self.wo(F.relu(self.wi(x)))


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.ModuleDict({"classifier": tiny.linear(D, E)})
        self.experts = nn.ModuleDict({"expert_%d" % e: Dense() for e in range(E)})

    def forward(self, x, told):
        h = x.flatten(0, 1)
        noisy = h * torch.empty_like(h).uniform_(.99, 1.01) if self.training else h
        logits = self.router["classifier"](noisy)
        return tiny.routed(h, logits, 1, False, self.experts.values(), told).view_as(x)


class Block(nn.Module):
    def __init__(self, i, decoder):
        super().__init__()
        parts = [("SelfAttention", Attention(i == 0))]
        parts += [("EncDecAttention", Attention(False))] * decoder
        parts += [("mlp", Sparse() if i % 2 else Dense())]
        self.layer = nn.ModuleList(nn.ModuleDict({name: part, "layer_norm": tiny.Norm(D)})
                                   for name, part in parts)

    def forward(self, x, bias, other, told):
        for part in self.layer:
            h = part["layer_norm"](x)
            if "SelfAttention" in part:
                x = x + part["SelfAttention"](h, h, bias)
            elif "EncDecAttention" in part:
                x = x + part["EncDecAttention"](h, other, 0)
            else:
                x = x + part["mlp"](h, told)
        return x


class Stack(nn.Module):
    def __init__(self, n, decoder):
        super().__init__()
        self.block, self.decoder = nn.ModuleList(Block(i, decoder) for i in range(n)), decoder
        self.final_layer_norm = tiny.Norm(D)

    def forward(self, x, other, told):
        n = x.shape[1]
        r = torch.arange(n)[None] - torch.arange(n)[:, None]  # key - query
        half = BUCKETS if self.decoder else BUCKETS // 2
        d = (-r).clamp_min(0) if self.decoder else r.abs()
        near = half // 2
        log = (d.clamp_min(1).double() / near).log() / math.log(FAR / near) * (half - near)
        bucket = torch.where(d < near, d, (near + log.long()).clamp_max(half - 1))
        if not self.decoder:
            bucket = bucket + half * (r > 0)
        bias = self.block[0].layer[0]["SelfAttention"].relative_attention_bias(bucket)
        bias = bias.permute(2, 0, 1)
        if self.decoder:
            bias = bias + torch.full((n, n), -1e30).triu(1)
        for b in self.block:
            x = b(x, bias, other, told)
        return self.final_layer_norm(x)


class Switch(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(C["vocab_size"], D)
        self.encoder, self.decoder = Stack(C["num_layers"], 0), Stack(C["num_decoder_layers"], 1)

    def forward(self, source, target):
        """Logits of what follows each of target; every router's (logits, picks, balance)"""
        told = []
        seen = self.encoder(self.shared(source), None, told)
        y = self.decoder(self.shared(target), seen, told)
        return y * D ** -0.5 @ self.shared.weight.T, told


def charsmap():
    """What sentencepiece makes of the rules of NFKC for the Latin, Greek and Cyrillic scripts,
    signs and full width; controls vanish.  Its own table for all scripts has 240 KB."""
    rules = {}
    for c in [*range(1, 9), 11, 12, *range(14, 32), *range(127, 0x590), *range(0x1E00, 0x2200),
              *range(0xFB00, 0xFB07), 0xFEFF, *range(0xFF01, 0xFF5F)]:
        gone = unicodedata.category(chr(c)) in ("Cc", "Cf")
        rules[chr(c)] = "" if gone else unicodedata.normalize("NFKC", chr(c))
        apart = unicodedata.normalize("NFD", chr(c))
        rules.setdefault(apart, rules[chr(c)])
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/rules", "w") as f:
            for a, b in rules.items():
                if a != b:
                    print(*(" ".join("%X" % ord(x) for x in s) for s in (a, b)), sep="\t", file=f)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"]), model_prefix=d + "/m", vocab_size=8, minloglevel=2,
            normalization_rule_tsv=d + "/rules", hard_vocab_limit=False)
        model = sentencepiece_model_pb2.ModelProto.FromString(open(d + "/m.model", "rb").read())
    return model.normalizer_spec.precompiled_charsmap


def tokenizer():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Precompiled(charsmap())
    t.pre_tokenizer = Sequence([WhitespaceSplit(), Metaspace()])
    t.decoder = Unspaced()
    t.train_from_iterator(sum(text.documents().values(), []), trainers.UnigramTrainer(
        vocab_size=C["vocab_size"] - SENTINELS, special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>", show_progress=False))
    t.add_special_tokens(["<extra_id_%d>" % i for i in reversed(range(SENTINELS))])
    t.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return t


def blanked(rows, rng):
    """Rows with SPANS spans taken out, and what the decoder is to say (T5, section 3.1.4)"""
    sources, targets = [], []
    for row in rows.tolist():
        at, keep = 0, WINDOW - BLANK
        cuts = sorted(rng.sample(range(keep), SPANS))
        source, target = [], []
        for i, (a, b) in enumerate(zip([0] + cuts, cuts + [keep])):
            source += row[at:at + b - a]
            at += b - a
            if i < SPANS:
                mark = C["vocab_size"] - 1 - i
                source.append(mark)
                target += [mark] + row[at:at + BLANK // SPANS]
                at += BLANK // SPANS
        sources.append(source + [1])
        targets.append([0] + target + [1])
    return torch.tensor(sources), torch.tensor(targets)


def step(streams, n, rng, test):
    source, target = blanked(tiny.windows(streams, n, WINDOW, rng, test), rng)
    y, told = model(source, target[:, :-1])
    return F.cross_entropy(y.flatten(0, 1), target[:, 1:].flatten()), sum(t[2] for t in told)


if __name__ == "__main__":
    torch.manual_seed(1)
    model = Switch()
    tiny.main("tiny-switch", model, tokenizer, C["eos_token_id"], step, 6,
              lambda t, s: model(torch.tensor([t.encode(s).ids]), torch.tensor([[0]]))[1][:4])
