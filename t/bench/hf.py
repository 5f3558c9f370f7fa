"""Checkpoints of a useful size with random weights, and transformers over them.

hf.py make switch|qwen DIR	about 300 M parameters, bf16 (needs numpy)
hf.py ids DIR N T		N sequences of T random tokens, a line each
hf.py have			exit 0 where torch and transformers are
hf.py run DIR IDS BATCH [hook]	forward of all but the head, f32, BATCH sequences at once; hook: with the routers'
	inputs watched, as a collector does.  Writes tokens/s of the forward passes alone, peak MiB
"""
import json
import os
import resource
import struct
import sys
import time

import numpy as np

SWITCH = dict(
    model_type="switch_transformers", architectures=["SwitchTransformersForConditionalGeneration"], vocab_size=32128,
    d_model=768, d_kv=64, num_heads=12, d_ff=3072, num_layers=12, num_decoder_layers=12, num_sparse_encoder_layers=6,
    num_sparse_decoder_layers=6, encoder_sparse_step=2, decoder_sparse_step=2, num_experts=8, expert_capacity=64,
    router_bias=False, router_jitter_noise=0.0, router_dtype="float32", relative_attention_num_buckets=32,
    relative_attention_max_distance=128, dropout_rate=0.0, layer_norm_epsilon=1e-6, is_encoder_decoder=True,
    tie_word_embeddings=True, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
QWEN = dict(
    model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], vocab_size=32000, hidden_size=1024, num_hidden_layers=8,
    num_attention_heads=16, num_key_value_heads=4, head_dim=64, intermediate_size=3072, moe_intermediate_size=512,
    num_experts=16, num_experts_per_tok=4, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[],
    hidden_act="silu", rms_norm_eps=1e-6, rope_theta=1e6, rope_scaling=None, attention_bias=False,
    max_position_embeddings=4096, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1, use_sliding_window=False)


def switch(c):
    d, inner = c["d_model"], c["d_kv"] * c["num_heads"]
    yield "shared.weight", (c["vocab_size"], d), 1
    for i in range(c["num_layers"]):
        p = "encoder.block.%d.layer." % i
        for m, shape in ("q", (inner, d)), ("k", (inner, d)), ("v", (inner, d)), ("o", (d, inner)):
            yield p + "0.SelfAttention.%s.weight" % m, shape, 0.25 if m == "q" else 1
        if i == 0:
            yield p + "0.SelfAttention.relative_attention_bias.weight", (32, c["num_heads"]), 1
        yield p + "0.layer_norm.weight", (d,), 0
        yield p + "1.layer_norm.weight", (d,), 0
        experts = [""]
        if i % c["encoder_sparse_step"] == 1:
            yield p + "1.mlp.router.classifier.weight", (c["num_experts"], d), 2
            experts = [".experts.expert_%d" % e for e in range(c["num_experts"])]
        for e in experts:
            yield p + "1.mlp%s.wi.weight" % e, (c["d_ff"], d), 1
            yield p + "1.mlp%s.wo.weight" % e, (d, c["d_ff"]), 1
    yield "encoder.final_layer_norm.weight", (d,), 0


def qwen(c):
    d, h, n, kv = c["hidden_size"], c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
    yield "model.embed_tokens.weight", (c["vocab_size"], d), 1
    for l in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % l
        for m, shape in ("q", (n * h, d)), ("k", (kv * h, d)), ("v", (kv * h, d)), ("o", (d, n * h)):
            yield p + "self_attn.%s_proj.weight" % m, shape, 1
        for name, size in ("self_attn.q_norm", h), ("self_attn.k_norm", h), ("input_layernorm", d), ("post_attention_layernorm", d):
            yield p + name + ".weight", (size,), 0
        yield p + "mlp.gate.weight", (c["num_experts"], d), 2
        for e in range(c["num_experts"]):
            for m in "gate", "up":
                yield p + "mlp.experts.%d.%s_proj.weight" % (e, m), (c["moe_intermediate_size"], d), 1
            yield p + "mlp.experts.%d.down_proj.weight" % e, (d, c["moe_intermediate_size"]), 1
    yield "model.norm.weight", (d,), 0


def make(family, to):
    """by 0: a norm, ones; else normal numbers of by over the root of the row's length."""
    c, rng = (SWITCH, np.random.default_rng(1)) if family == "switch" else (QWEN, np.random.default_rng(2))
    tensors = list((switch if family == "switch" else qwen)(c))
    head, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _ in tensors:
        n = 2 * int(np.prod(shape))
        head[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(to, exist_ok=True)
    with open(os.path.join(to, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape, by in tensors:
            x = rng.standard_normal(shape, dtype="f4") * by / shape[-1] ** 0.5 if by else np.ones(shape, "f4")
            f.write((x.astype("f4").view("u4") >> 16).astype("u2").tobytes())
    with open(os.path.join(to, "config.json"), "w") as f:
        json.dump(c, f)
    print("%.0f M parameters" % (at / 2e6), file=sys.stderr)


def run(d, file, batch, hook):
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    import transformers
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    config = transformers.AutoConfig.from_pretrained(d)
    kind = transformers.SwitchTransformersEncoderModel if config.is_encoder_decoder else transformers.AutoModel
    model = kind.from_pretrained(d, dtype=torch.float32).eval()
    seen = []
    for name, m in model.named_modules():
        if hook and name.endswith((".gate", ".router")):
            m.register_forward_hook(lambda m, x, y: seen.append(x[0].shape[0]))
    ids = torch.tensor(np.loadtxt(file, dtype="i8", ndmin=2))
    t = time.monotonic()
    for i in range(0, len(ids), batch):
        model(ids[i : i + batch], **({} if config.is_encoder_decoder else {"use_cache": False}))
    t = time.monotonic() - t
    print("%g %g" % (ids.numel() / t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "ids":
    size = json.load(open(os.path.join(sys.argv[2], "config.json")))["vocab_size"]
    np.savetxt(sys.stdout, np.random.default_rng(3).integers(2, size, (int(sys.argv[3]), int(sys.argv[4]))), fmt="%d")
elif sys.argv[1] == "have":
    import torch
    import transformers
elif sys.argv[1] == "run":
    run(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:] == ["hook"])
