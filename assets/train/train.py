"""Trains the bundled model for a fixed wall-clock time of one's choice.

The learning rate follows the elapsed share of --minutes: a short warm-up, then a cosine to zero.
So the same command fits a slow and a fast machine; what differs is the number of steps.
--resume goes on from OUT/model.pt with a new schedule of --minutes; the record adds both up.
Reads OUT/train.npz and OUT/tokenizer.json, writes OUT/model.pt (every few minutes and at the end).
"""

import argparse
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from model import Config, Llama
from muon import Muon
from train_tokenizer import BOS_ID

WARM_UP_SHARE = 0.02
# (from this share of the time on, windows of so many tokens): short ones cost less
WINDOW_TOKENS = [(0.0, 256), (0.85, 1024)]
MATRIX_LEARNING_RATE = 4e-3  # Muon, scaled to AdamW's update size
OTHER_LEARNING_RATE = 4e-3  # AdamW: embedding and norms
WEIGHT_DECAY = 0.05
VALIDATION_CONTEXT = 512


class Windows:
    """Random training windows: <s>, then the text from some paragraph's beginning on."""

    def __init__(self, file, seed):
        data = np.load(file)
        self.ids = torch.from_numpy(data["ids"].astype(np.int64))
        self.starts = torch.from_numpy(data["starts"])
        self.random = torch.Generator().manual_seed(seed)

    def draw(self, batch, tokens):
        """Inputs and targets [batch, tokens]."""
        starts = self.starts[self.starts < len(self.ids) - tokens]
        chosen = starts[torch.randint(len(starts), (batch,), generator=self.random)]
        text = torch.stack([self.ids[s : s + tokens] for s in chosen.tolist()])
        bos = torch.full((batch, 1), BOS_ID)
        return torch.cat([bos, text[:, :-1]], dim=1), text


def validation_chunks(tokenizer, file, context):
    """The held-out text cut into rows of <s> and context - 1 tokens, the rest at the end dropped."""
    ids = torch.tensor(tokenizer.encode(file.read_text(encoding="utf-8")).ids)
    rows = ids[: len(ids) // (context - 1) * (context - 1)].view(-1, context - 1)
    return torch.cat([torch.full((len(rows), 1), BOS_ID), rows], dim=1)


@torch.no_grad()
def validation_loss(model, chunks):
    """Mean negative log likelihood (nats) of every token but the <s> of each chunk."""
    total = 0.0
    for rows in chunks.split(8):
        logits = model(rows[:, :-1])
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum").item()
    return total / chunks[:, 1:].numel()


def learning_rate_scale(share):
    return min(1.0, share / WARM_UP_SHARE) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def make_optimizers(model, weight_decay):
    """Muon for the layers' matrices, AdamW for the rest; each remembers its own peak rate."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and name.startswith("layers.")]
    chosen = set(map(id, matrices))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        (Muon(matrices, weight_decay=weight_decay), MATRIX_LEARNING_RATE),
        (torch.optim.AdamW(rest, weight_decay=0.0, betas=(0.9, 0.95)), OTHER_LEARNING_RATE),
    ]


def save(model, file, record):
    part = file.with_suffix(".part")
    torch.save({"config": asdict(model.config), "weights": model.state_dict(), "record": record}, part)
    os.replace(part, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/model"))
    parser.add_argument("--validation", type=Path, default=Path(__file__).resolve().parents[1] / "validation.txt")
    parser.add_argument("--minutes", type=float, default=65.0)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/model.pt")
    parser.add_argument("--peak", type=float, default=1.0, help="scales the peak learning rates (less when resuming)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; on cuda products are rounded to bfloat16")
    parser.add_argument("--tokens-per-step", type=int, default=4096)
    parser.add_argument("--weight-decay", type=float, default=WEIGHT_DECAY)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="compile the step (takes a minute, then a sixth faster)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=float, default=4.0, metavar="MINUTES")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")  # only CUDA knows a difference
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    model = Llama(Config()).to(options.device)
    earlier = {"steps": 0, "tokens": 0, "seconds": 0}
    if options.resume:
        trained = torch.load(options.out / "model.pt", map_location="cpu", weights_only=True)
        model.load_state_dict(trained["weights"])
        earlier = trained["record"]
    windows = Windows(options.out / "train.npz", options.seed + earlier["steps"])
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    held_out = validation_chunks(tokenizer, options.validation, VALIDATION_CONTEXT).to(options.device)
    optimizers = make_optimizers(model, options.weight_decay)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {held_out[:, 1:].numel()} held-out tokens", flush=True)

    def window_loss(inputs, targets):
        with torch.autocast(options.device, torch.bfloat16, enabled=options.device == "cuda"):
            logits = model(inputs)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    if options.compile:
        window_loss = torch.compile(window_loss, dynamic=False)
    began = saved = time.monotonic()
    step, smooth = 0, None

    def record_now():
        return {
            "steps": earlier["steps"] + step,
            "tokens": earlier["tokens"] + step * options.tokens_per_step,
            "seconds": earlier["seconds"] + round(time.monotonic() - began),
            "validation_context": VALIDATION_CONTEXT,
            "validation_tokens": held_out[:, 1:].numel(),
            "validation_loss": validation_loss(model, held_out),
        }

    while (share := (time.monotonic() - began) / (60 * options.minutes)) < 1.0:
        tokens = [tokens for since, tokens in WINDOW_TOKENS if share >= since][-1]
        inputs, targets = windows.draw(options.tokens_per_step // tokens, tokens)
        loss = window_loss(inputs.to(options.device), targets.to(options.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, peak in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = options.peak * peak * learning_rate_scale(share)
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        if step % 20 == 0:  # asking for a loss waits for the device
            smooth = loss.item() if smooth is None else 0.7 * smooth + 0.3 * loss.item()
        if step % 200 == 0:
            print(f"step {step} {time.monotonic() - began:.0f} s, training loss {smooth:.3f}", flush=True)
        if time.monotonic() - saved > 60 * options.save_every:
            saved = time.monotonic()
            record = record_now()
            save(model, options.out / "model.pt", record)
            print(f"step {step}: validation loss {record['validation_loss']:.4f}", flush=True)

    record = record_now()
    record["validation_perplexity"] = math.exp(record["validation_loss"])
    save(model, options.out / "model.pt", record)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
