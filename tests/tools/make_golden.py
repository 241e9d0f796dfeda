#!/usr/bin/env python3
"""Records greedy text of the bundled model, agreed on by transformers (float32, dequantised GGUF) and by regroup.

    make_golden.py --program build/release/bin/regroup --out tests/data/golden

For each prompt and each number of groups: the tokens that transformers chooses one after the other, the lead of each over
the runner-up, and `checked`, the steps before the first lead below `close` (0.1). The program must choose the same `checked`
tokens; `text` is what it makes of them. Given the tokens, every step with a larger lead can be compared, too. Fewer groups are the means of neighbouring heads, taken by numpy.
Needs torch, transformers and gguf; nothing at run time does.
"""
import argparse
import json
import subprocess
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers

SOURCE = Path(__file__).resolve().parents[2]
MODEL = SOURCE / "assets" / "regroup-3m.gguf"
PROMPTS = {"garden": "In the middle of the garden stood", "child": "\"My dear child,\" said the old woman"}
GROUPS = (8, 4, 2, 1)
STEPS = 48
CLOSE = 0.1  # a smaller lead may be lost to rounding


def field(reader, key):
    return reader.fields[key].contents()


def unpermuted(rows, heads):
    """GGUF's `llama` holds planes of Q and K as neighbours (2p, 2p + 1), transformers as (p, p + d/2)."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def pooled(rows, heads, groups):
    """Mean of neighbouring heads: head h goes to group floor(h * groups / heads)."""
    head_dim = rows.shape[0] // heads
    return rows.reshape(groups, heads // groups, head_dim, rows.shape[1]).mean(axis=1, dtype=np.float32).reshape(groups * head_dim, rows.shape[1])


def load(groups):
    """The bundled model in float32 with `groups` key/value heads."""
    reader = gguf.GGUFReader(MODEL)
    get = lambda key: field(reader, "llama." + key)
    heads, kv_heads = get("attention.head_count"), get("attention.head_count_kv")
    head_dim = get("embedding_length") // heads
    tensors = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in t.shape][::-1]) for t in reader.tensors}
    config = transformers.LlamaConfig(
        hidden_size=get("embedding_length"), intermediate_size=get("feed_forward_length"), num_hidden_layers=get("block_count"),
        num_attention_heads=heads, num_key_value_heads=groups, head_dim=head_dim, vocab_size=tensors["token_embd.weight"].shape[0],
        max_position_embeddings=get("context_length"), rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": get("rope.freq_base")}, tie_word_embeddings="output.weight" not in tensors)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    weights = {"model.embed_tokens.weight": tensors.pop("token_embd.weight"), "model.norm.weight": tensors.pop("output_norm.weight")}
    parts = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj"}
    for name, value in tensors.items():
        if name == "output.weight":
            weights["lm_head.weight"] = value
            continue
        _, layer, part, _ = name.split(".")
        if part == "attn_q":
            value = unpermuted(value, heads)
        if part == "attn_k":
            value = unpermuted(value, kv_heads)
        if part in ("attn_k", "attn_v"):
            value = pooled(value, kv_heads, groups)
        weights[f"model.layers.{layer}.{parts[part]}.weight"] = value
    missing, unexpected = model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()}, strict=False)
    if unexpected or [m for m in missing if m != "lm_head.weight"]:
        raise SystemExit(f"tensors do not fit the model: {missing} {unexpected}")
    model.tie_weights()
    return model


@torch.no_grad()
def greedy(model, prompt):
    """STEPS tokens chosen one after the other, and the lead of each over the runner-up."""
    ids, tokens, leads = list(prompt), [], []
    for _ in range(STEPS):
        best = model(torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        tokens.append(int(best.indices[0]))
        leads.append(round(float(best.values[0] - best.values[1]), 4))
        ids.append(tokens[-1])
    return tokens, leads


def program(path, *arguments):
    return json.loads(subprocess.run([path, *arguments, "--json"], check=True, capture_output=True, text=True).stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True, help="the built regroup")
    p.add_argument("--out", type=Path, required=True, help="the folder that receives one file per prompt and number of groups")
    a = p.parse_args()
    torch.set_num_threads(1)
    for groups in GROUPS:
        model = load(groups)
        for name, prompt in PROMPTS.items():
            ids = program(a.program, "tokenize", "-m", str(MODEL), "-p", prompt)["tokens"]
            tokens, leads = greedy(model, ids)
            checked = next((i for i, lead in enumerate(leads) if lead < CLOSE), STEPS)
            if checked == 0:
                raise SystemExit(f"{name}, {groups} groups: the first step is too close to call; choose another prompt")
            ran = program(a.program, "run", "-q", "-m", str(MODEL), "-p", prompt, "--temp", "0", "-n", str(checked), "--kv", "f32", "--groups", str(groups))
            if ran["prompt_tokens"] != ids or ran["tokens"] != tokens[:checked]:
                raise SystemExit(f"{name}, {groups} groups: regroup chose {ran['tokens']}, transformers {tokens[:checked]}")
            document = {"prompt": prompt, "groups": groups, "prompt_tokens": ids, "close": CLOSE, "checked": checked, "text": ran["text"], "tokens": tokens, "leads": leads}
            (a.out / f"{name}-{groups}.json").write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")
            print(f"{name}-{groups}: {checked} of {STEPS} steps checked: {ran['text']!r}")


if __name__ == "__main__":
    main()
