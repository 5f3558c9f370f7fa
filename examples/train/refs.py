"""What t/tiny-models.t compares with, into t/gold: ids of HF's tokenizers, logits of torch."""
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import qwen
import switch
import text
import tiny

GOLD = tiny.DIR.parent / "t" / "gold"


def save(name, lines):
    (GOLD / name).write_text("".join(line + "\n" for line in lines))


def encoded(name):
    t = Tokenizer.from_file(str(tiny.DIR / name / "tokenizer.json"))
    ids = {d: [t.encode(s).ids for s in sentences] for d, sentences in text.shipped().items()}
    save(name + ".ids", ["%s\t%s" % (d, " ".join(map(str, i)))
                         for d, rows in ids.items() for i in rows])
    return ids


with torch.no_grad():
    model = switch.Switch().eval().double()
    tiny.read("tiny-switch", model)
    ids = torch.tensor([encoded("tiny-switch")["harbour"][0]])
    save("tiny-switch.logits", ["%.6f" % x for told in model(ids, ids[:, :1])[1][:4]
                                for x in told[0].flatten()])

    model, lines = qwen.Qwen().eval(), []
    tiny.read("tiny-qwen", model)
    sets = encoded("tiny-qwen")
    for name, rows in sets.items():
        loss = torch.cat([F.cross_entropy(model(torch.tensor([r]))[0][0, :-1], torch.tensor(r[1:]),
                                          reduction="none") for r in rows])
        lines.append("%s %.3f" % (name, loss.mean()))
    for name, (ids, *_) in sets.items():
        for _ in range(16):
            ids.append(int(model(torch.tensor([ids]))[0][0, -1].argmax()))
        lines.append("%s %s" % (name, " ".join(map(str, ids[-16:]))))
    save("tiny-qwen.text", lines)
