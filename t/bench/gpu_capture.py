"""What t/bench/gpu --capture needs beside router-capture:

gpu_capture.py make DIR FAMILY LAYERS CUT   a checkpoint of that family's true shape, as many
                                            layers of it, random bf16; widths divided by CUT
gpu_capture.py layers FAMILY BYTES          how many layers of it fit, all at most; and all
gpu_capture.py tokens DIR N SEQS LENGTH     N batches of random ids, JSON lines for jsonl2trace
gpu_capture.py ours ROW N COMMAND...        its output comes in N equal parts, the first of which
                                            waits for the checkpoint: the others are timed
gpu_capture.py hf ROW DIR N SEQS LENGTH [cpu]   the forward pass of transformers, without a head

A measured line as gpu_peers.py has it: ROW, who, mean, p10 and p90 in microseconds, "-", check;
the mean, since what writes may put two parts out at once.
Made without numpy.  Weights are normal numbers over the root of their columns, cut out of a
block of them at places that differ, so that tokens go to many experts as of a trained model."""
import array
import json
import os
import random
import statistics
import subprocess
import sys
import time

YARN = dict(type="yarn", factor=40, beta_fast=32, beta_slow=1, mscale=.707, mscale_all_dim=.707,
            original_max_position_embeddings=4096)
# Published config.json files; widths that --try divides are those that end a line of WIDE.
FAMILIES = {
    "deepseek_v2": dict(
        architectures=["DeepseekV2ForCausalLM"], vocab_size=102400, hidden_size=2048,
        intermediate_size=10944, moe_intermediate_size=1408, num_hidden_layers=27,
        num_attention_heads=16, num_key_value_heads=16, q_lora_rank=None, kv_lora_rank=512,
        qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, head_dim=64, n_routed_experts=64,
        n_shared_experts=2, num_experts_per_tok=6, first_k_dense_replace=1, moe_layer_freq=1,
        topk_method="greedy", scoring_func="softmax", norm_topk_prob=False, n_group=1, topk_group=1,
        routed_scaling_factor=1.0, rms_norm_eps=1e-6, rope_theta=10000, rope_scaling=YARN,
        max_position_embeddings=163840, attention_bias=False, hidden_act="silu"),
    "qwen3_moe": dict(
        architectures=["Qwen3MoeForCausalLM"], vocab_size=151936, hidden_size=2048,
        intermediate_size=6144, moe_intermediate_size=768, num_hidden_layers=48,
        num_attention_heads=32, num_key_value_heads=4, head_dim=128, num_experts=128,
        num_experts_per_tok=8, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[],
        rms_norm_eps=1e-6, rope_theta=1000000, rope_scaling=None, max_position_embeddings=40960,
        attention_bias=False, hidden_act="silu"),
}
WIDE = ("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "kv_lora_rank")
BLOCK = 1 << 17


def config(family, layers, cut):
    c = dict(FAMILIES[family], model_type=family, torch_dtype="bfloat16", tie_word_embeddings=False,
             num_hidden_layers=layers, bos_token_id=0, eos_token_id=1)
    c.update({k: c[k] // cut for k in WIDE if k in c})
    return c


def tensors(c):
    """Name and shape of each, of no head."""
    d, heads, kv = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
    mla = c["model_type"] == "deepseek_v2"

    def mlp(at, width):
        yield at + "gate_proj", (width, d)
        yield at + "up_proj", (width, d)
        yield at + "down_proj", (d, width)

    yield "model.embed_tokens", (c["vocab_size"], d)
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}."
        yield at + "input_layernorm", (d,)
        if mla:
            nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
            yield at + "self_attn.q_proj", (heads * (nope + rope), d)
            yield at + "self_attn.kv_a_proj_with_mqa", (c["kv_lora_rank"] + rope, d)
            yield at + "self_attn.kv_a_layernorm", (c["kv_lora_rank"],)
            yield at + "self_attn.kv_b_proj", (heads * (nope + v), c["kv_lora_rank"])
            yield at + "self_attn.o_proj", (d, heads * v)
        else:
            wide = c["head_dim"]
            yield at + "self_attn.q_proj", (heads * wide, d)
            yield at + "self_attn.k_proj", (kv * wide, d)
            yield at + "self_attn.v_proj", (kv * wide, d)
            yield at + "self_attn.o_proj", (d, heads * wide)
            yield at + "self_attn.q_norm", (wide,)
            yield at + "self_attn.k_norm", (wide,)
        yield at + "post_attention_layernorm", (d,)
        if mla and i < c["first_k_dense_replace"]:
            yield from mlp(at + "mlp.", c["intermediate_size"])
            continue
        experts = c["n_routed_experts"] if mla else c["num_experts"]
        yield at + "mlp.gate", (experts, d)
        for e in range(experts):
            yield from mlp(f"{at}mlp.experts.{e}.", c["moe_intermediate_size"])
        if mla:
            yield from mlp(at + "mlp.shared_experts.",
                           c["moe_intermediate_size"] * c["n_shared_experts"])
    yield "model.norm", (d,)


def size_of(shape):
    n = 2
    for s in shape:
        n *= s
    return n


def bf16(numbers):
    f = array.array("f", numbers).tobytes()  # little-endian wherever there is CUDA
    out = bytearray(len(f) // 2)
    out[0::2], out[1::2] = f[2::4], f[3::4]
    return bytes(out)


def make(d, family, layers, cut):
    c = config(family, layers, cut)
    all_ = [(name + ".weight", shape) for name, shape in tensors(c)]
    header, at, blocks = {}, 0, {}
    draw = random.Random(1)
    for name, shape in all_:
        header[name] = dict(dtype="BF16", shape=shape, data_offsets=[at, at + size_of(shape)])
        at += size_of(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + (64 - 8))  # data lie at a multiple of 64
    os.makedirs(d, exist_ok=True)
    with open(d + "/model.safetensors", "wb", buffering=1 << 24) as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in all_:
            n, cols = size_of(shape), shape[-1]
            if len(shape) == 1:
                f.write(bf16([1.0] * cols))
                continue
            if cols not in blocks:
                blocks[cols] = bf16(draw.gauss(0, cols ** -.5) for _ in range(BLOCK)) * 2
            while n:
                from_, some = 2 * draw.randrange(BLOCK), min(n, 2 * BLOCK)
                f.write(memoryview(blocks[cols])[from_:from_ + some])
                n -= some
    with open(d + "/config.json", "w") as f:
        json.dump(c, f)


def layers_of(family, room):
    most = FAMILIES[family]["num_hidden_layers"]

    def size(n):
        return sum(size_of(s) for _, s in tensors(config(family, n, 1)))
    n = max([n for n in range(2, most + 1) if size(n) <= room], default=0)
    print(n, most)


def drawn(d, batch, seqs, length):
    with open(d + "/config.json") as f:
        vocab = json.load(f)["vocab_size"]
    r = random.Random(batch + 2)
    return [[r.randrange(2, vocab) for _ in range(length)] for _ in range(seqs)]


def tokens(d, n, seqs, length):
    print(json.dumps(dict(kind="trace", v=1, layers=0, experts=0, topk=0)))
    for b in range(n):
        print(json.dumps(dict(
            kind="tok", batch=b, rows=seqs * length, cols="tok:u32,seq:u32,pos:u32,phase:u8",
            tok=sum(drawn(d, b, seqs, length), []), pos=list(range(length)) * seqs,
            seq=[b * seqs + i for i in range(seqs) for _ in range(length)],
            phase=[0] * (seqs * length))))
    print(json.dumps(dict(kind="end", frames=n)))


def say(row, who, seconds, check):
    us = sorted(1e6 * s for s in seconds)
    at = [statistics.fmean(us), us[len(us) // 10], us[-1 - len(us) // 10]] if us else []
    print(row, who, *([f"{x:.4g}" for x in at] or ["absent"] * 3), "-",
          " ".join(check.split())[:200], sep="\t", flush=True)


def ours(row, n, command):
    p = subprocess.Popen(command, stdout=subprocess.PIPE)
    came, all_ = [], 0
    while part := os.read(p.stdout.fileno(), 1 << 20):
        all_ += len(part)
        came.append((all_, time.monotonic()))
    if p.wait() or not came:
        return say(row, "ours", [], f"absent: exit {p.returncode}")
    ends = [next(t for size, t in came if size >= all_ * (i + 1) // n) for i in range(n)]
    say(row, "ours", [b - a for a, b in zip(ends, ends[1:])], "ok")


def hf(row, d, n, seqs, length, cpu):
    try:
        import torch
        import transformers
    except ImportError:  # no lines: what is not told is absent
        return
    device = "cpu" if cpu else "cuda"
    print("#", "transformers", transformers.__version__, "torch", torch.__version__)
    took = []
    try:
        m = transformers.AutoModel.from_pretrained(d, torch_dtype=torch.bfloat16,
                                                   low_cpu_mem_usage=True).to(device).eval()
        with torch.inference_mode():
            for i in range(n + 2):  # two to warm up
                ids = torch.tensor(drawn(d, i, seqs, length), device=device)
                if not cpu:
                    torch.cuda.synchronize()
                start = time.monotonic()
                m(ids, use_cache=False)
                if not cpu:
                    torch.cuda.synchronize()
                took.append(time.monotonic() - start)
    except Exception as e:
        return say(row, "eager", [], f"absent: {type(e).__name__}: {e}")
    say(row, "eager", took[2:], "ok")


def main(what, *a):
    if what == "make":
        make(a[0], a[1], int(a[2]), int(a[3]))
    elif what == "layers":
        layers_of(a[0], int(a[1]))
    elif what == "tokens":
        tokens(a[0], *map(int, a[1:4]))
    elif what == "ours":
        ours(a[0], int(a[1]), a[2:])
    elif what == "hf":
        hf(a[0], a[1], *map(int, a[2:5]), cpu="cpu" in a[5:])


if __name__ == "__main__":
    main(*sys.argv[1:])
