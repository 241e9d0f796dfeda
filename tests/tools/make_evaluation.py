#!/usr/bin/env python3
"""Records what transformers says of the bundled model's predictions of a text, for tests/decode/evaluate_test.cpp.

    make_evaluation.py --program build/release/bin/regroup --out tests/data/evaluation.json

The first bytes of assets/validation.txt, cut into chunks of CHUNK tokens, BOS in front of each; every token of a chunk but its
first is scored. Logits in float32 by transformers on the dequantised weights, sums in float64 by numpy: perplexity, Kullback-Leibler divergence
from the model with all its key/value heads (mean and 99th percentile), and the share of equal top tokens, for each number of
groups (means of neighbouring heads). The program turns the text into tokens (its tokenizers have tests of their own).
Needs torch, transformers and gguf; nothing at run time does.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch

from make_golden import MODEL, SOURCE, load, program

BYTES = 1500
CHUNK = 96
GROUPS = (8, 4, 1)


@torch.no_grad()
def log_probabilities(model, chunk):
    """[tokens - 1, vocabulary] in float64: what follows each token of the chunk but the last."""
    logits = model(torch.tensor([chunk[:-1]]), use_cache=False).logits[0].double()
    return torch.log_softmax(logits, dim=-1).numpy()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True, help="the built regroup")
    p.add_argument("--out", type=Path, required=True, help="the file to write")
    a = p.parse_args()
    torch.set_num_threads(1)
    text = (SOURCE / "assets" / "validation.txt").read_bytes()[:BYTES].decode("utf-8", "ignore")
    bos, *ids = program(a.program, "tokenize", "-m", str(MODEL), "-p", text)["tokens"]
    chunks = [[bos] + ids[i:i + CHUNK - 1] for i in range(0, len(ids), CHUNK - 1)]
    baseline = [log_probabilities(load(max(GROUPS)), c) for c in chunks]
    results = []
    for groups in GROUPS:
        model = load(groups)
        nll, divergence, same = [], [], []
        for chunk, log_p in zip(chunks, baseline):
            log_q = log_probabilities(model, chunk)
            nll += list(-log_q[np.arange(len(chunk) - 1), chunk[1:]])
            divergence += list((np.exp(log_p) * (log_p - log_q)).sum(axis=1))
            same += list(log_p.argmax(axis=1) == log_q.argmax(axis=1))
        results.append({"groups": groups, "tokens": len(nll), "perplexity": float(np.exp(np.mean(nll))), "kl_mean": float(np.mean(divergence)),
                        "kl_p99": float(np.percentile(divergence, 99)), "same_top": float(np.mean(same))})
        print(results[-1], flush=True)
    document = {"chunk_tokens": CHUNK, "text": text, "chunks": chunks, "results": results}
    a.out.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")


if __name__ == "__main__":
    main()
