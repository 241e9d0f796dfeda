"""Writes the seeds of the fuzz targets to tests/data/fuzz/<target>/: small right files, from which libFuzzer goes on.

usage: python3 tests/tools/make_fuzz_seeds.py    (Python's standard library only; the same bytes every time)
"""
import json
import pathlib
import struct

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
OUT = DATA / "fuzz"


def write(target, name, content):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# GGUF value types.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def value(kind, content):
    if kind == STRING:
        content = content.encode()
        return struct.pack("<Q", len(content)) + content
    if kind == ARRAY:
        element, items = content
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, item) for item in items)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<B"}[kind], content)


def gguf(pairs, tensors):
    """tensors: name, dimensions innermost first, type (0: f32, 2: q4_0)."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, kind, content in pairs:
        out += value(STRING, key) + struct.pack("<I", kind) + value(kind, content)
    data = b""
    for name, dimensions, kind in tensors:
        elements = 1
        for dimension in dimensions:
            elements *= dimension
        size = elements * 4 if kind == 0 else elements // 32 * 18
        out += value(STRING, name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions)
        out += struct.pack("<IQ", kind, len(data))
        data += bytes(size) + bytes(-size % 32)
    return out + bytes(-len(out) % 32) + data


def model(vocabulary):
    """A llama of one layer and 32 channels, the smallest that loads."""
    tokens = len(vocabulary[0][2][1])
    shape = [("general.architecture", STRING, "llama"), ("llama.block_count", U32, 1), ("llama.context_length", U32, 64),
             ("llama.embedding_length", U32, 32), ("llama.feed_forward_length", U32, 32),
             ("llama.attention.head_count", U32, 1), ("llama.attention.head_count_kv", ARRAY, (I32, [1])),
             ("llama.rope.freq_base", F32, 10000.0), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5)]
    matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    tensors = [("token_embd.weight", [32, tokens], 2), ("output_norm.weight", [32], 0)]
    tensors += [(f"blk.0.{name}.weight", [32, 32], 2) for name in matrices]
    tensors += [("blk.0.attn_norm.weight", [32], 0), ("blk.0.ffn_norm.weight", [32], 0)]
    return gguf(shape + vocabulary, tensors)


def write_gguf():
    byte_level = [("tokenizer.ggml.tokens", ARRAY, (STRING, ["<s>", "</s>", "H", "e", "l", "o", "He", "ll"])),
                  ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "smollm"),
                  ("tokenizer.ggml.token_type", ARRAY, (I32, [3, 3, 1, 1, 1, 1, 1, 1])),
                  ("tokenizer.ggml.merges", ARRAY, (STRING, ["H e", "l l"])),
                  ("tokenizer.ggml.bos_token_id", U32, 0), ("tokenizer.ggml.add_bos_token", BOOL, 1),
                  ("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m.content }}{% endfor %}")]
    pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "H", "e", "He"]
    sentencepiece = [("tokenizer.ggml.tokens", ARRAY, (STRING, pieces)), ("tokenizer.ggml.model", STRING, "llama"),
                     ("tokenizer.ggml.scores", ARRAY, (F32, [0, 0, 0, 0, -1, -2, -3, -4])),
                     ("tokenizer.ggml.token_type", ARRAY, (I32, [2, 3, 3, 6, 1, 1, 1, 1])),
                     ("tokenizer.ggml.unknown_token_id", U32, 0)]
    unigram = [(key, kind, "t5" if content == "llama" else content) for key, kind, content in sentencepiece]
    write("gguf", "byte-level", model(byte_level))
    write("gguf", "sentencepiece", model(sentencepiece))
    write("gguf", "unigram", model(unigram))
    write("gguf", "nothing", gguf([], []))


def safetensors(header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write_safetensors():
    header = {"__metadata__": {"format": "pt"}, "a": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]},
              "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
              "c.bias": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]}}
    write("safetensors", "three", safetensors(header, bytes(24)))
    write("safetensors", "nothing", safetensors({}, b""))


def write_configs():
    for number, name in enumerate(["llama-mqa-4-1", "llama-minimal-config", "gemma3-pattern-6", "mistral-window"]):
        write("config", f"{number}-{name}", (DATA / "checkpoints" / name / "config.json").read_bytes())


def write_tokenizers():
    for name in ["gpt2", "llama2", "t5", "qwen2", "added_token_flags"]:
        fixture = json.loads((DATA / "text" / f"{name}.json").read_text())
        write("tokenizer_json", name, fixture["tokenizer_json"])
        write("tokenizer_json", f"{name}-config", "1" + fixture["tokenizer_config"])
    # The beginning of a model: whole pieces, cut between two of them.
    pieces = (DATA / "text" / "sentencepiece_bpe.model").read_bytes()
    end = 0
    while end < 600:
        end += 2 + pieces[end + 1]
    write("sentencepiece", "pieces", pieces[:end])
    write("sentencepiece", "whole", pieces)


def write_texts():
    templates = json.loads((DATA / "text" / "templates.json").read_text())
    for name, text in templates["published"].items():
        write("chat_template", name.replace("/", "-"), text if isinstance(text, str) else text["template"])
    snippets = "\n".join(snippet["template"] for snippet in templates["snippets"][:40])
    write("chat_template", "snippets", snippets)
    texts = json.loads((DATA / "text" / "texts.json").read_text())["texts"]
    write("text", "recorded", "\n".join(texts)[:4000])
    write("text", "bytes", bytes(range(256)))


def write_own_files():
    trace = {
        "schema": 1, "kind": "regroup-trace",
        "model": {"name": "m", "path": "m.gguf", "architecture": "llama", "layers": 1, "query_heads": 2, "kv_heads": [2],
                  "head_dim": 32, "vocabulary": 8, "hidden": 64, "parameters": 10, "weights_bytes": 20},
        "device": "d", "driver": "v", "kernels": "k", "cache_type": "f16", "positions": 64, "prefill_ms": 1.5,
        "bytes_per_second": 1e9,
        "groupings": [{"groups": [1], "method": "mean", "kv_bytes_per_token": 128, "layer_bytes_per_token": [128],
                       "kv_bytes": 8192}],
        "tokens": [{"id": 1, "text": "a", "grouping": 0, "prompt": True},
                   {"id": 2, "text": "b", "grouping": 0, "probability": 0.5, "ms": 3, "split_ms": [1, 1, 1],
                    "alternatives": [[2, 0.5, "b"], [3, 0.25, "c"]], "quality": {"kl": 0.1, "same_top": True},
                    "layers": [[1.5, -2.5]]}],
        "sweep": [{"groups": 1, "depth": 0, "mean_ms": 3, "deviation_ms": 0.1, "runs": 5, "kv_bytes_per_token": 128}],
    }
    write("trace", "small", json.dumps(trace))
    data = struct.pack("<IIII", 32, 1, 0x10005, 0) + bytes(16) + b"compiled"
    write("pipeline_cache", "small", struct.pack("<IIQQ", 0x43504752, 1, len(data), 0) + data)


if __name__ == "__main__":
    write_gguf()
    write_safetensors()
    write_configs()
    write_tokenizers()
    write_texts()
    write_own_files()
