"""Writes the trained model and its tokenizer as one GGUF file: matrices in F16, norms in F32."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from train_tokenizer import BOS_ID, EOS_ID

NAME = "regroup 3M stories"
DESCRIPTION = (
    "A small multi-head Llama (4 layers, 8 query and 8 key/value heads) trained from scratch on "
    "public-domain English stories, to show grouped-query attention on. It writes English-looking sentences and knows nothing."
)
LICENSE = "CC0-1.0"
TENSORS = {  # PyTorch module of a layer -> GGUF tensor
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def interleave_pairs(matrix, heads):
    """Reorders Q or K rows from half-split rotary pairs (p, p + D/2) to GGUF's neighbours (2p, 2p + 1)."""
    rows, columns = matrix.shape
    return matrix.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def add_tokenizer(writer, file):
    model = json.loads(file.read_text(encoding="utf-8"))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    assert [model["vocab"][token] for token in tokens] == list(range(len(tokens)))
    types = [gguf.TokenType.CONTROL if i in (BOS_ID, EOS_ID) else gguf.TokenType.NORMAL for i in range(len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(EOS_ID)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def add_tensors(writer, weights, config):
    def add(name, tensor):
        kind = np.float16 if tensor.dim() == 2 else np.float32
        writer.add_tensor(name + ".weight", np.ascontiguousarray(tensor.numpy().astype(kind)))

    add("token_embd", weights["embedding.weight"])  # also the output matrix: there is no output.weight
    for layer in range(config["layers"]):
        for module, name in TENSORS.items():
            tensor = weights[f"layers.{layer}.{module}.weight"]
            add(f"blk.{layer}.{name}", interleave_pairs(tensor, config["heads"]) if module in "qk" else tensor)
    add("output_norm", weights["output_norm.weight"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/model"), help="where model.pt and tokenizer.json are")
    parser.add_argument("--gguf", type=Path, default=Path(__file__).resolve().parents[1] / "regroup-3m.gguf")
    options = parser.parse_args()
    trained = torch.load(options.out / "model.pt", map_location="cpu", weights_only=True)
    config = trained["config"]

    writer = gguf.GGUFWriter(str(options.gguf), "llama")
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license(LICENSE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(config["vocabulary"])
    writer.add_context_length(config["context"])
    writer.add_embedding_length(config["hidden"])
    writer.add_block_count(config["layers"])
    writer.add_feed_forward_length(config["ffn"])
    writer.add_head_count(config["heads"])
    writer.add_head_count_kv(config["heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["norm_eps"])
    add_tokenizer(writer, options.out / "tokenizer.json")
    add_tensors(writer, trained["weights"], config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{options.gguf}: {options.gguf.stat().st_size} bytes; {trained['record']}")


if __name__ == "__main__":
    main()
