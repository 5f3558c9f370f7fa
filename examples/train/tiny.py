"""What both models share: training, the experts' part, the files of a checkpoint."""
import json
import pathlib
import random
import struct
import sys

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

import text

DECAY = 600  # steps at the end in which the rate falls
DIR = pathlib.Path(__file__).resolve().parent.parent


def config(name):
    return json.loads((DIR / name / "config.json").read_text())


class Norm(nn.Module):
    """x / rms(x) * weight"""

    def __init__(self, n, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def linear(n, m):
    layer = nn.Linear(n, m, bias=False)
    nn.init.normal_(layer.weight, std=n ** -0.5)
    return layer


def routed(x, logits, k, renormalise, experts, told):
    """Sum of the best k experts of each row of x [T][d], by the softmax of logits [T][E].

    told takes (logits, ids) and the balance loss of Switch Transformers (eq. 4): E sum f_i P_i, 1
    where all is even, over the whole batch, so that one domain may well have experts of its own.
    """
    p = logits.softmax(-1)
    w, ids = p.topk(k)
    picked = F.one_hot(ids, p.shape[1]).sum(1).float().mean(0) / k
    told.append((logits.detach(), ids, p.shape[1] * (picked * p.mean(0)).sum()))
    if renormalise:
        w = w / w.sum(-1, keepdim=True)
    y = torch.zeros_like(x)
    for e, expert in enumerate(experts):
        rows, rank = (ids == e).nonzero(as_tuple=True)
        y = y.index_add(0, rows, expert(x[rows]) * w[rows, rank, None])
    return y


def streams(tokenizer, end):
    """{domain: (to learn, to test)}: ids of documents, end after each; 1 of 20 is kept to test"""
    out = {}
    for domain, docs in text.documents().items():
        ids = [tokenizer.encode(d, add_special_tokens=False).ids + [end] for d in docs]
        cut = len(ids) // 20
        out[domain] = torch.tensor(sum(ids[cut:], [])), torch.tensor(sum(ids[:cut], []))
    return out


def windows(streams, n, length, rng, test=False):
    """n windows of each domain, [n * domains][length]"""
    return torch.stack([s[test][i:i + length] for s in streams.values()
                        for i in (rng.randrange(len(s[test]) - length) for _ in range(n))])


def train(model, loss, steps, lr):
    """AdamW; the rate rises, stays and falls; loss() is (cross entropy, balance)."""
    flat = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1]},
              {"params": flat, "weight_decay": 0}]
    adam = torch.optim.AdamW(groups, lr=lr, betas=(.9, .98), weight_decay=.05)
    mean = 0
    for step in range(steps):
        for g in adam.param_groups:
            g["lr"] = lr * min(1, (step + 1) / 100, (steps - step) / DECAY)
        ce, balance = loss()
        adam.zero_grad()
        (ce + .01 * balance).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()
        mean += (ce.item() - mean) * max(.02, 1 / (step + 1))
        if step % 100 == 0:
            print("step %d loss %.3f balance %.3f" % (step, mean, balance), flush=True)


def report(told, experts):
    """{domain: what each of its sentences told}: of each layer the mutual information of expert and
    domain, the largest load, and the experts of no pick, domains counting the same."""
    for layer in range(len(next(iter(told.values()))[0])):
        ids = [torch.cat([s[layer][1].flatten() for s in sentences]) for sentences in told.values()]
        joint = torch.stack([torch.bincount(i, minlength=experts) / len(i) for i in ids]) / len(ids)
        load = joint.sum(0)
        bits = torch.nan_to_num(joint * (joint * len(ids) / load).log2()).sum()
        idle = (load == 0).sum()
        print("router %d: %.3f bits, most %.2f, idle %d" % (layer, bits, load.max(), idle))


def write(name, model, tokenizer):
    """tokenizer.json and model.safetensors (bfloat16) of examples/NAME"""
    tokenizer.save(str(DIR / name / "tokenizer.json"), pretty=False)
    head, body = {"__metadata__": {"format": "pt"}}, b""
    for key, x in model.state_dict().items():
        data = x.bfloat16().view(torch.int16).numpy().tobytes()
        head[key] = {"dtype": "BF16", "shape": list(x.shape),
                     "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(head, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    (DIR / name / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + body)


def read(name, model):
    """The parameters of examples/NAME into model, f32"""
    data = (DIR / name / "model.safetensors").read_bytes()
    n, = struct.unpack("<Q", data[:8])
    state = {}
    for key, x in json.loads(data[8:8 + n]).items():
        if key != "__metadata__":
            b, e = x["data_offsets"]
            bits = torch.frombuffer(bytearray(data[8 + n + b:8 + n + e]), dtype=torch.int16)
            state[key] = bits.view(torch.bfloat16).reshape(x["shape"]).float()
    model.load_state_dict(state)


def main(name, model, tokenizer, end, step, n, ask):
    """Trains for argv[1] steps and writes; without it tells of the files that are there.

    step(streams, n, rng, test) is (cross entropy, balance) of n windows a domain; ask(tokenizer,
    sentence) the told of all routers."""
    torch.set_num_threads(1)
    if sys.argv[1:]:
        t, rng = tokenizer(), random.Random(1)
        s = streams(t, end)
        train(model, lambda: step(s, n, rng, False), int(sys.argv[1]), 6e-3)
        write(name, model, t)
    read(name, model.eval())
    t = Tokenizer.from_file(str(DIR / name / "tokenizer.json"))
    with torch.no_grad():
        print("test loss %.3f" % step(streams(t, end), 100, random.Random(2), True)[0])
        report({d: [ask(t, s) for s in sentences] for d, sentences in text.shipped().items()},
               config(name)["num_experts"])
    return t
