"""tiny-qwen: a decoder as Qwen3-MoE's that says the next token."""
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn

import text
import tiny

WINDOW = 96
C = tiny.config("tiny-qwen")
H, HD, HEADS = C["hidden_size"], C["head_dim"], C["num_attention_heads"]
KV, E = C["num_key_value_heads"], C["num_experts"]
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"  # Qwen's
           r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (tiny.linear(H, n * HD) for n in (HEADS, KV, KV))
        self.o_proj = tiny.linear(HEADS * HD, H)
        self.q_norm, self.k_norm = tiny.Norm(HD), tiny.Norm(HD)

    def forward(self, x, turn):
        q, k, v = (w(x).unflatten(-1, (-1, HD)) for w in (self.q_proj, self.k_proj, self.v_proj))
        q = rotated(self.q_norm(q), turn).transpose(1, 2)
        k = rotated(self.k_norm(k), turn).transpose(1, 2)
        k, v = (y.repeat_interleave(HEADS // KV, 1) for y in (k, v.transpose(1, 2)))
        scores = q @ k.transpose(2, 3) * HD ** -0.5 + torch.full((x.shape[1],) * 2, -1e30).triu(1)
        return self.o_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def rotated(x, turn):
    """x [B][T][heads][HD]; turn: cosine and sine [T][1][HD / 2]"""
    a, b = x.chunk(2, -1)
    c, s = turn
    return torch.cat([a * c - b * s, b * c + a * s], -1)


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        n = C["moe_intermediate_size"]
        self.gate_proj, self.up_proj = tiny.linear(H, n), tiny.linear(H, n)
        self.down_proj = tiny.linear(n, H)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = tiny.Norm(H), tiny.Norm(H)
        self.self_attn = Attention()
        self.mlp = nn.ModuleDict({"gate": tiny.linear(H, E),
                                  "experts": nn.ModuleList(Expert() for _ in range(E))})

    def forward(self, x, turn, told):
        x = x + self.self_attn(self.input_layernorm(x), turn)
        h = self.post_attention_layernorm(x).flatten(0, 1)
        y = tiny.routed(h, self.mlp["gate"](h), C["num_experts_per_tok"], True,
                        self.mlp["experts"], told)
        return x + y.view_as(x)


class Qwen(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(C["vocab_size"], H),
            "layers": nn.ModuleList(Layer() for _ in range(C["num_hidden_layers"])),
            "norm": tiny.Norm(H)})
        nn.init.normal_(self.model["embed_tokens"].weight, std=H ** -0.5)

    def forward(self, ids):
        """Logits of what follows each of ids [B][T]; every router's (logits, picks, balance)"""
        x, told = self.model["embed_tokens"](ids), []
        speed = C["rope_theta"] ** (-torch.arange(0, HD, 2) / HD)
        angle = torch.arange(ids.shape[1])[:, None, None] * speed
        for layer in self.model["layers"]:
            x = layer(x, (angle.cos(), angle.sin()), told)
        return self.model["norm"](x) @ self.model["embed_tokens"].weight.T, told


def tokenizer():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(sum(text.documents().values(), []), trainers.BpeTrainer(
        vocab_size=C["vocab_size"] - 1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    t.add_special_tokens(["<|endoftext|>"])
    return t


def step(streams, n, rng, test):
    rows = tiny.windows(streams, n, WINDOW + 1, rng, test)
    y, told = model(rows[:, :-1])
    return F.cross_entropy(y.flatten(0, 1), rows[:, 1:].flatten()), sum(t[2] for t in told)


def continued(t, start, n):
    ids = t.encode(start).ids
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids]))[0][0, -1].argmax()))
    return t.decode(ids)


if __name__ == "__main__":
    torch.manual_seed(1)
    model = Qwen()
    t = tiny.main("tiny-qwen", model, tokenizer, C["bos_token_id"], step, 4,
                  lambda t, s: model(torch.tensor([t.encode(s).ids]))[1])
    for sentences in text.shipped().values():
        print(repr(continued(t, sentences[0], 32)))
