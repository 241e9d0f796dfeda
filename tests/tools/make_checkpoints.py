#!/usr/bin/env python3
"""Writes small random checkpoints and the logits that transformers computes from them in float32.

    make_checkpoints.py --out tests/data/checkpoints                the recorded cases (seed 0)
    make_checkpoints.py --seed 7 --vary --all --out unseen          fresh weights, other shapes, also the larger cases
    make_checkpoints.py --only yarn --out x                         the cases whose name contains a word

Each case is a directory: a Hugging Face checkpoint (config.json + safetensors) or model.gguf (or shards), tokens.json (a list of
token ids) and logits.npy (float32 [tokens, vocab]); cases.json lists them. The reference of a Hugging Face case is computed from
the files as written, through AutoModelForCausalLM; that of a GGUF case from the weights dequantised out of the file as written.
Needs torch, transformers, safetensors and gguf; nothing at run time does.
"""
import argparse
import json
import math
import shutil
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType, Keys
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

K_QUANTS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
TORCH_TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


# ---------------------------------------------------------------- the cases

@dataclass(frozen=True)
class Case:
    """One checkpoint: sizes, what `config` sets and `drop` removes in the family's base config.json, and how it is stored."""
    name: str
    note: str
    family: str = "llama"  # llama, mistral, qwen2 or gemma3_text
    H: int = 4
    G: int = 2
    head_dim: int = 32
    hidden: int = 20
    ffn: int = 44
    vocab: int = 101
    layers: int = 2
    length: int = 24
    config: dict = field(default_factory=dict)
    drop: tuple = ()
    style: int = 4  # config.json as transformers 4 or 5 writes it
    types: str | tuple = "f32"  # safetensors: f32, f16, bf16. GGUF: one type for all matrices, or several dealt out in turn
    shards: int = 1
    kind: str = "hf"
    version: int = 3  # GGUF header
    large: bool = False  # written only with --all


def rope4(theta=10000.0, **scaling):
    return {"rope_theta": theta, "rope_scaling": scaling or None}


def rope5(theta=10000.0, kind="default", **scaling):
    return {"rope_parameters": {"rope_theta": theta, "rope_type": kind, **scaling}}


# Chosen so that 24 positions meet untouched, blended and fully scaled frequencies.
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
YARN = {"factor": 4.0, "original_max_position_embeddings": 512}
TINY = {"H": 2, "G": 1, "layers": 1}
QUANT = {"kind": "gguf", "hidden": 32, "ffn": 64, "vocab": 96}
K_SHAPE = {"kind": "gguf", "H": 4, "G": 2, "head_dim": 64, "hidden": 256, "ffn": 256, "vocab": 96, "layers": 1}
GEMMA = {"family": "gemma3_text", "H": 2, "G": 1, "hidden": 20, "ffn": 40, "layers": 3, "length": 28}

CASES = [
    # Heads, embeddings, biases, sizes.
    Case("llama-mha-4-4", "MHA; num_key_value_heads absent means H", G=4, hidden=20, drop=("num_key_value_heads",)),
    Case("llama-gqa-9-3", "H/G equals G; tied", H=9, G=3, hidden=18, ffn=52, layers=1, style=5, config={"tie_word_embeddings": True}),
    Case("llama-gqa-14-2", "H/G = 7", H=14, G=2, hidden=14, layers=1),
    Case("llama-gqa-12-4", "H/G = 3; a large rms_norm_eps", H=12, G=4, hidden=12, layers=1, style=5, config={"rms_norm_eps": 0.01}),
    Case("llama-gqa-6-2-odd-sizes", "hidden 18, ffn 47, vocab 103: no multiple of 4", H=6, G=2, hidden=18, ffn=47, vocab=103),
    Case("llama-mqa-4-1", "MQA; tied", G=1, config={"tie_word_embeddings": True}),
    Case("llama-biased", "attention_bias and mlp_bias", config={"attention_bias": True, "mlp_bias": True}),
    Case("llama-minimal-config", "every optional key absent: head_dim = hidden/H, rope_theta 10000, eps 1e-6, untied", H=2, G=2, hidden=64, ffn=20, layers=1,
         drop=("head_dim", "num_key_value_heads", "rope_theta", "rope_scaling", "rms_norm_eps", "tie_word_embeddings", "attention_bias", "mlp_bias",
               "max_position_embeddings", "torch_dtype")),
    Case("llama-head-dim-null", "head_dim null means hidden/H; tied", hidden=64, ffn=24, config={"head_dim": None, "tie_word_embeddings": True}, **TINY),
    Case("llama-head-dim-8", "the smallest", G=4, head_dim=8, layers=1),
    Case("llama-head-dim-16", "H/G = 3", H=6, G=2, head_dim=16, hidden=24, style=5),
    Case("llama-head-dim-24", "8 times an odd number", H=3, G=1, head_dim=24, hidden=18, layers=1),
    Case("llama-head-dim-80", "rope_theta 500000, transformers 5 style", head_dim=80, style=5, config=rope5(500000.0), **TINY),
    Case("llama-head-dim-96", "", H=2, G=2, head_dim=96, layers=1),
    Case("llama-head-dim-128", "", head_dim=128, **TINY),
    # RoPE.
    Case("llama-linear", "transformers 4 style with the old key `type`", config=rope4(type="linear", factor=2.5), **TINY),
    Case("llama-linear-5", "transformers 5 style", style=5, config=rope5(kind="linear", factor=4.0), **TINY),
    Case("llama-llama3", "transformers 4 style", config=rope4(500000.0, rope_type="llama3", **LLAMA3), head_dim=64, **TINY),
    Case("llama-llama3-5", "transformers 5 style", style=5, config=rope5(10000.0, "llama3", **LLAMA3), **TINY),
    Case("llama-yarn", "transformers 4 style; attention factor from `factor`", config=rope4(rope_type="yarn", **YARN), head_dim=64, **TINY),
    Case("llama-yarn-explicit", "transformers 5 style; beta_fast, beta_slow, attention_factor given", style=5,
         config=rope5(10000.0, "yarn", beta_fast=16.0, beta_slow=2.0, attention_factor=1.3, **YARN), **TINY),
    Case("llama-yarn-mscale", "attention factor is mscale(factor) / mscale_all_dim(factor); correction range not rounded (truncate false)",
         config=rope4(rope_type="yarn", mscale=1.5, mscale_all_dim=0.5, truncate=False, **YARN), **TINY),
    # Storage.
    Case("llama-sharded", "two safetensors shards and their index", shards=2),
    Case("llama-f16", "float16 weights", types="f16"),
    Case("llama-bf16", "bfloat16 weights, tied", types="bf16", config={"tie_word_embeddings": True}),
    # Mistral.
    Case("mistral-plain", "sliding_window null", family="mistral", layers=1, config={"sliding_window": None}),
    Case("mistral-window", "sliding_window 7 in every layer", family="mistral", G=1, length=28, config={"sliding_window": 7}),
    # Qwen 2: biases on Q, K and V whatever the config says.
    Case("qwen2-gqa-6-2", "untied; use_sliding_window false, so that sliding_window does not count", family="qwen2", H=6, G=2, hidden=18, layers=1, length=28,
         config={"sliding_window": 7}),
    Case("qwen2-mha-tied", "transformers 5 style; tied; num_key_value_heads null means H", family="qwen2", H=2, G=2, style=5, config={"tie_word_embeddings": True,
         "num_key_value_heads": None, **rope5(1000000.0)}),
    Case("qwen2-head-dim-derived", "head_dim absent means hidden/H; bfloat16", family="qwen2", H=2, G=1, hidden=64, ffn=20, layers=1, types="bf16", drop=("head_dim",)),
    Case("qwen2-window", "use_sliding_window; max_window_layers 1: layer 0 sees everything, layers 1 and 2 slide", family="qwen2", H=2, G=1, layers=3, length=28,
         config={"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}),
    Case("qwen2-layer-types", "transformers 5 style; layer_types overrule max_window_layers; yarn", family="qwen2", H=2, G=1, length=28, style=5,
         config={"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2, "layer_types": ["sliding_attention", "full_attention"],
                 **rope5(10000.0, "yarn", **YARN)}),
    # Gemma 3.
    Case("gemma3-pattern-6", "transformers 4 style, no layer_types: layers 0-4 slide, layer 5 does not, layer 6 slides",
         **{**GEMMA, "hidden": 16, "ffn": 24, "layers": 7}, drop=("layer_types",)),
    Case("gemma3-layer-types", "transformers 5 style, irregular layer_types, query_pre_attn_scalar 50, large rms_norm_eps, untied", **GEMMA, style=5,
         config={"layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "query_pre_attn_scalar": 50, "rms_norm_eps": 0.001, "tie_word_embeddings": False,
                 "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 200000.0},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}}),
    Case("gemma3-linear", "rope_scaling linear 8 on the full layers only", **GEMMA,
         config={"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "sliding_window_pattern": 3}),
    Case("gemma3-softcap", "final_logit_softcapping 4; attn_logit_softcapping is set but transformers' Gemma 3 never applies it", **GEMMA,
         config={"final_logit_softcapping": 4.0, "attn_logit_softcapping": 0.5, "sliding_window_pattern": 2}),
    Case("gemma3-head-dim-16", "QK-norm over 16 elements", **{**GEMMA, "head_dim": 16}),
    Case("gemma3-head-dim-256", "bfloat16, 2 query heads of 256 on hidden 16", **{**GEMMA, "hidden": 16, "head_dim": 256, "layers": 2}, types="bf16",
         config={"sliding_window_pattern": 2}, drop=("layer_types",)),
    # GGUF.
    Case("gguf-llama-f32", "untied", kind="gguf", types="F32"),
    Case("gguf-llama-f16", "linear scaling, tied", types="F16", config={"tie_word_embeddings": True, **rope4(rope_type="linear", factor=2.5)}, **QUANT),
    Case("gguf-llama-bf16", "yarn scaling", types="BF16", config=rope4(rope_type="yarn", **YARN), **QUANT),
    Case("gguf-llama3-f32", "rope_freqs.weight", types="F32", config=rope4(500000.0, rope_type="llama3", **LLAMA3), kind="gguf", **TINY),
    Case("gguf-biased-f32", "bias tensors, Q and K biases permuted like their rows", types="F32", kind="gguf", H=2, G=2,
         layers=1, config={"attention_bias": True, "mlp_bias": True}),
    Case("gguf-head-dim-96-f16", "", types="F16", kind="gguf", head_dim=96, **TINY),
    Case("gguf-split-f32", "two shards", types="F32", kind="gguf", shards=2, **TINY),
    Case("gguf-v2-f16", "header version 2", types="F16", kind="gguf", version=2, **TINY),
    *(Case(f"gguf-llama-{t.lower()}", "tied" if t == "Q8_0" else "", types=t, config={"tie_word_embeddings": t == "Q8_0"}, **QUANT)
      for t in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")),
    Case("gguf-llama-k-mix", "the K-quants dealt out over the matrices", types=K_QUANTS, **K_SHAPE),
    *(Case(f"gguf-llama-{t.lower()}", "", types=t, large=True, **K_SHAPE) for t in K_QUANTS),
    Case("gguf-qwen2-f32", "untied; Q and K rows half-split as in Hugging Face files", kind="gguf", family="qwen2", types="F32", H=6, G=2, hidden=18),
    Case("gguf-qwen2-q8_0-tied", "tied; yarn", family="qwen2", types="Q8_0", **QUANT, config={"tie_word_embeddings": True, **rope4(rope_type="yarn", **YARN)}),
    Case("gguf-gemma3-f32", "pattern 6 implied, local base 10000 implied", **{**GEMMA, "hidden": 16, "ffn": 24, "layers": 7}, kind="gguf", types="F32"),
    Case("gguf-gemma3-f16-linear", "rope.scaling on full layers, rope.freq_base_swa and sliding_window_pattern given", kind="gguf", types="F16", **GEMMA,
         config={"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "sliding_window_pattern": 2, "rope_local_base_freq": 5000.0}),
    Case("gguf-gemma3-mix", "Q8_0, Q5_0, Q4_0 dealt out; MQA 4/1; final soft-cap", types=("Q8_0", "Q5_0", "Q4_0"),
         **{**GEMMA, "H": 4, "hidden": 32, "ffn": 32, "vocab": 96}, kind="gguf", config={"final_logit_softcapping": 6.0, "sliding_window_pattern": 3}),
]


def varied(case, rng):
    """The same case in other sizes: what unseen checkpoints may look like."""
    if isinstance(case.types, tuple) or case.types in K_QUANTS:
        return replace(case, length=int(rng.integers(9, 40)), vocab=32 * int(rng.integers(3, 7)))
    quantised = case.kind == "gguf" and case.types not in ("F32", "F16", "BF16")
    step = 32 if quantised else 1
    hidden, head_dim, heads, groups = case.hidden, case.head_dim, case.H, case.G
    if "head_dim" in case.drop or case.config.get("head_dim", 0) is None:
        hidden = case.hidden  # tied to head_dim
    else:
        heads, groups = [(case.H, case.G), (case.G * 3, case.G), (case.H * 2, case.G * 2)][int(rng.integers(3))]
        head_dim = case.head_dim if case.head_dim > 128 else int(rng.choice([32, 48, 64, 80, 96, 128]))
        hidden = heads * int(rng.integers(math.ceil(20 / heads), 8 + math.ceil(20 / heads))) if not quantised else math.lcm(heads, 32) * int(rng.integers(1, 3))
    if "num_key_value_heads" in case.drop:
        groups = heads
    return replace(case, H=heads, G=groups, head_dim=head_dim, hidden=hidden, ffn=step * max(1, int(rng.integers(30, 120)) // step),
                   vocab=step * (int(rng.integers(64, 200)) // step), length=int(rng.integers(9, 40)))


# ---------------------------------------------------------------- config and weights

def config_of(case):
    """The config.json of a case, in the style of transformers 4 or 5."""
    c = {"model_type": case.family, "hidden_size": case.hidden, "intermediate_size": case.ffn, "num_hidden_layers": case.layers,
         "num_attention_heads": case.H, "num_key_value_heads": case.G, "head_dim": case.head_dim, "vocab_size": case.vocab,
         "max_position_embeddings": 2048, "bos_token_id": 1, "eos_token_id": 2, "use_cache": True}
    if case.family == "gemma3_text":
        c |= {"architectures": ["Gemma3ForCausalLM"], "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "attention_bias": False,
              "query_pre_attn_scalar": case.head_dim, "sliding_window": 8, "attn_logit_softcapping": None, "final_logit_softcapping": None,
              "tie_word_embeddings": True}
        if case.style == 4:
            c |= {"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": None, "sliding_window_pattern": 6}
    else:
        c |= {"architectures": [{"mistral": "Mistral", "qwen2": "Qwen2"}.get(case.family, "Llama") + "ForCausalLM"], "hidden_act": "silu",
              "rms_norm_eps": 1e-5, "tie_word_embeddings": False, **(rope4() if case.style == 4 else rope5())}
        if case.family == "llama":
            c |= {"attention_bias": False, "mlp_bias": False}
        if case.family == "qwen2":
            c |= {"rms_norm_eps": 1e-6, "use_sliding_window": False, "sliding_window": None, "max_window_layers": case.layers}
    stored = {"f16": "float16", "bf16": "bfloat16"}.get(case.types, "float32")
    c |= {"torch_dtype": stored, "transformers_version": "4.51.3"} if case.style == 4 else {"dtype": stored, "transformers_version": "5.2.0"}
    c |= case.config
    return {k: v for k, v in c.items() if k not in case.drop}


def empty_model(config, directory):
    """A float32 model of this config.json; `directory` receives the file, since only from there do all styles of config load alike."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    loaded = AutoConfig.from_pretrained(directory)
    return AutoModelForCausalLM.from_config(loaded, dtype=torch.float32, attn_implementation="eager").eval()


def random_weights(model, rng):
    """Lively weights: attention neither uniform nor one-hot, logits of several units, one weight in 200 an outlier five times as large."""
    gemma = model.config.model_type == "gemma3_text"
    gains = {"q_proj": 1.5, "k_proj": 1.5, "v_proj": 1.2, "o_proj": 1.3, "gate_proj": 1.3, "up_proj": 1.3, "down_proj": 1.6, "lm_head": 2.2}
    tied = model.config.tie_word_embeddings
    out = {}
    for name, p in model.state_dict().items():
        if name == "lm_head.weight" and tied:
            continue
        w = rng.normal(size=tuple(p.shape))
        kind = name.split(".")[-2]
        if "norm" in name:
            w = 0.25 * w + (0.0 if gemma else 1.0)
        elif name.endswith(".bias"):
            w *= 0.3
        else:
            w[rng.random(w.shape) < 0.005] *= 5.0
            # A tied embedding stays small beside what the layers add, or every token would predict itself.
            w *= (0.3 if tied else 1.0 / math.sqrt(case_scale(model))) if kind == "embed_tokens" else gains[kind] / math.sqrt(p.shape[1])
        out[name] = torch.from_numpy(w.astype(np.float32))
    return out


def case_scale(model):
    """Gemma multiplies embeddings by sqrt(hidden); divide it out so that untied ones start at one."""
    return model.config.hidden_size if model.config.model_type == "gemma3_text" else 1


@torch.no_grad()
def logits_of(model, tokens):
    """Float32 logits, checked against the same model with float64 weights and products: a case must be well conditioned."""
    ids = torch.tensor([tokens])
    single = model(ids, use_cache=False).logits[0].float().numpy()
    double = model.double()(ids, use_cache=False).logits[0].double().numpy()
    error = float(np.abs(single - double).max())
    if not np.isfinite(single).all() or error > 2e-4:
        raise SystemExit(f"float32 and float64 logits differ by {error}: choose other weights")
    return double.astype(np.float32), error


# ---------------------------------------------------------------- Hugging Face directories

def write_hf(case, directory, rng, tokens):
    model = empty_model(config_of(case), directory)
    weights = {k: v.to(TORCH_TYPES[case.types]).contiguous() for k, v in random_weights(model, rng).items()}
    names = sorted(weights)
    if case.shards == 1:
        save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    else:
        index = {}
        for s in range(case.shards):
            file = f"model-{s + 1:05d}-of-{case.shards:05d}.safetensors"
            part = {n: weights[n] for i, n in enumerate(names) if i * case.shards // len(names) == s}
            save_file(part, directory / file, metadata={"format": "pt"})
            index |= {n: file for n in part}
        total = sum(w.numel() * w.element_size() for w in weights.values())
        (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2) + "\n")
    loaded, report = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        raise SystemExit(f"{case.name}: transformers did not take the file as written: {report}")
    return "", logits_of(loaded.eval(), tokens)


# ---------------------------------------------------------------- GGUF

def permuted(rows, heads):
    """Rows of Q and K as GGUF's `llama` holds them: Hugging Face pairs (p, p + d/2) become neighbours (2p, 2p + 1), per head."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def unpermuted(rows, heads):
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def gguf_name(name, gemma):
    """GGUF's name of a Hugging Face tensor."""
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in whole:
        return whole[name]
    parts = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
             "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    parts |= ({"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
              if gemma else {"post_attention_layernorm": "ffn_norm"})
    _, _, layer, rest = name.split(".", 3)
    module, suffix = rest.rsplit(".", 1)
    return f"blk.{layer}.{parts[module]}.{suffix}"


def random_k_blocks(shape, kind, rng):
    """Random valid blocks of a K-quant whose weights have about the spread 1.3 / sqrt(columns): random bits, sane d and dmin."""
    d_at, dmin_at, dmin_ratio = {"Q2_K": (80, 82, 1.5), "Q3_K": (108, None, 0), "Q4_K": (0, 2, 7.5), "Q5_K": (0, 2, 15.5), "Q6_K": (208, None, 0)}[kind]
    block, size = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    count = shape[0] * shape[1] // block
    raw = rng.integers(0, 256, size=(count, size), dtype=np.uint8)

    def put(at, values):
        raw[:, at:at + 2] = values.astype(np.float16).reshape(count, 1).view(np.uint8)

    put(d_at, np.full(count, 2.0 ** -8))
    if dmin_at is not None:
        put(dmin_at, np.full(count, dmin_ratio * 2.0 ** -8))
    spread = gguf.dequantize(raw, GGMLQuantizationType[kind]).std(axis=1)
    d = 2.0 ** -8 * 1.3 / math.sqrt(shape[1]) / spread * rng.uniform(0.6, 1.6, count)
    if dmin_at is None:
        d *= rng.choice([-1.0, 1.0], count)  # real files hold negative d here
    else:
        put(dmin_at, dmin_ratio * d * rng.uniform(0.9, 1.1, count))
    put(d_at, d)
    return raw.reshape(shape[0], -1)


def write_metadata(w, case, config):
    """The keys that llama.cpp's converter writes (tokenizer: none)."""
    p = config.rope_parameters
    full = p.get("full_attention", p)
    w.add_type("model")
    w.add_name(case.name)
    w.add_block_count(case.layers)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(case.hidden)
    w.add_feed_forward_length(case.ffn)
    w.add_head_count(case.H)
    w.add_head_count_kv(case.G)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_key_length(case.head_dim)
    w.add_value_length(case.head_dim)
    w.add_rope_freq_base(full["rope_theta"])
    if full["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(full["factor"])
    elif full["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(full["factor"])
        w.add_rope_scaling_orig_ctx_len(full["original_max_position_embeddings"])
    if case.family == "gemma3_text":
        if config.query_pre_attn_scalar != case.head_dim or config.attn_logit_softcapping:
            raise SystemExit(f"{case.name}: GGUF's gemma3 has no key for this")
        w.add_sliding_window(config.sliding_window)
        if config.final_logit_softcapping:
            w.add_final_logit_softcapping(config.final_logit_softcapping)
        if p["sliding_attention"]["rope_theta"] != 10000.0:
            w.add_rope_freq_base_swa(p["sliding_attention"]["rope_theta"])
        if case.config.get("sliding_window_pattern", 6) != 6:
            w.add_uint32(Keys.Attention.SLIDING_WINDOW_PATTERN.format(arch="gemma3"), case.config["sliding_window_pattern"])
    elif case.family == "llama":
        w.add_vocab_size(case.vocab)
        w.add_rope_dimension_count(case.head_dim)
    w.add_string("tokenizer.ggml.model", "none")
    w.add_quantization_version(2)


def llama3_factors(p, head_dim):
    """rope_freqs.weight: what each frequency is divided by under llama3 scaling."""
    freq = 1.0 / p["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    turns = p["original_max_position_embeddings"] * freq / (2 * math.pi)
    smooth = np.clip((turns - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"]), 0, 1)
    return (1.0 / ((1.0 - smooth) / p["factor"] + smooth)).astype(np.float32)


def write_gguf(case, directory, rng, tokens):
    model = empty_model(config_of(case), directory)
    (directory / "config.json").unlink()
    gemma, half_split = case.family == "gemma3_text", case.family in ("gemma3_text", "qwen2")
    types = case.types if isinstance(case.types, tuple) else (case.types,)
    w = gguf.GGUFWriter(directory / "model.gguf", {"gemma3_text": "gemma3", "qwen2": "qwen2"}.get(case.family, "llama"))
    write_metadata(w, case, model.config)
    used, tensors, matrices = {}, [], 0
    if model.config.rope_parameters.get("rope_type") == "llama3":
        tensors.append(("rope_freqs.weight", llama3_factors(model.config.rope_parameters, case.head_dim), GGMLQuantizationType.F32))
    for name, tensor in random_weights(model, rng).items():
        value, heads = tensor.numpy(), case.H if ".q_proj." in name else case.G if ".k_proj." in name else 0
        if gemma and "norm" in name:
            value = value + np.float32(1.0)
        if heads and not half_split:
            value = permuted(value, heads)
        kind = "F32" if value.ndim == 1 else types[matrices % len(types)]
        matrices += value.ndim == 2
        qtype = GGMLQuantizationType[kind]
        stored = random_k_blocks(value.shape, kind, rng) if kind in K_QUANTS else gguf.quantize(np.ascontiguousarray(value), qtype)
        tensors.append((gguf_name(name, gemma), stored, qtype))
        exact = gguf.dequantize(stored, qtype).reshape(value.shape)
        exact = unpermuted(exact, heads) if heads and not half_split else exact
        used[name] = torch.from_numpy(np.array(exact - np.float32(1.0) if gemma and "norm" in name else exact, dtype=np.float32))
    if case.shards > 1:
        w.split_max_tensors = math.ceil(len(tensors) / case.shards)
    for name, stored, qtype in tensors:
        w.add_tensor(name, stored, raw_dtype=qtype)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    files = sorted(f.name for f in directory.glob("model*.gguf"))
    if case.version != 3:  # versions 2 and 3 differ in this number only (3 allows big-endian files)
        with open(directory / files[0], "r+b") as f:
            f.seek(4)
            f.write(case.version.to_bytes(4, "little"))
    missing, unexpected = model.load_state_dict(used, strict=False)
    if unexpected or [m for m in missing if m != "lm_head.weight"]:
        raise SystemExit(f"{case.name}: tensors do not fit the model: {missing} {unexpected}")
    model.tie_weights()
    return files[0], logits_of(model, tokens)


# ---------------------------------------------------------------- command line

def tolerance(case):
    exact = case.types in ("f32", "F32")
    return "f32" if exact else "f16"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, required=True, help="the folder that receives one directory per case and cases.json")
    p.add_argument("--seed", type=int, default=0, help="other weights and tokens (0: the recorded ones)")
    p.add_argument("--vary", action="store_true", help="draw sizes and head counts from the seed, too")
    p.add_argument("--all", action="store_true", help="also the larger cases that are not kept in the repository")
    p.add_argument("--only", default="", help="only cases whose name contains this; cases.json then lists only these")
    a = p.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    index = []
    for case in CASES:
        if (case.large and not a.all) or a.only not in case.name:
            continue
        rng = np.random.default_rng([a.seed, zlib.crc32(case.name.encode())])
        if a.vary:
            case = varied(case, rng)
        directory = a.out / case.name
        shutil.rmtree(directory, ignore_errors=True)
        tokens = [int(t) for t in rng.integers(0, case.vocab, case.length)]
        tokens[case.length // 2] = tokens[0]  # a repeated token: position must tell the two apart
        file, (logits, error) = (write_gguf if case.kind == "gguf" else write_hf)(case, directory, rng, tokens)
        (directory / "tokens.json").write_text(json.dumps(tokens) + "\n")
        np.save(directory / "logits.npy", logits)
        index.append({"name": case.name, "path": f"{case.name}/{file}" if file else case.name, "kind": case.kind,
                      "architecture": {"gemma3_text": "gemma3"}.get(case.family, case.family), "layers": case.layers, "hidden": case.hidden,
                      "H": case.H, "G": case.G, "head_dim": case.head_dim, "vocab": case.vocab, "tokens": f"{case.name}/tokens.json",
                      "logits": f"{case.name}/logits.npy", "tolerance": tolerance(case), "note": case.note})
        size = sum(f.stat().st_size for f in directory.iterdir())
        top = np.sort(logits, axis=1)
        print(f"{case.name:26s} {size / 1024:6.0f} KiB  logits std {logits.std():5.2f} max {np.abs(logits).max():5.2f}  "
              f"mean top-2 margin {(top[:, -1] - top[:, -2]).mean():.2f}  distinct argmax {len(set(logits.argmax(1)))}/{len(tokens)}  f32-f64 {error:.1e}", flush=True)
    (a.out / "cases.json").write_text("[\n" + ",\n".join("  " + json.dumps(c) for c in index) + "\n]\n")
    total = sum(f.stat().st_size for c in index for f in (a.out / c["name"]).iterdir())
    print(f"{len(index)} cases, {total / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
