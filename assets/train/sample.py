"""Lets the trained model write: greedy and sampled continuations of a prompt, in PyTorch."""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model import Config, Llama
from train_tokenizer import BOS_ID, EOS_ID


@torch.no_grad()
def write(model, ids, count, temperature, random):
    """Appends up to `count` tokens to `ids`; temperature 0 always takes the likeliest."""
    ids = list(ids)
    for _ in range(count):
        logits = model(torch.tensor([ids[-model.config.context :]]))[0, -1]
        if temperature == 0:
            token = logits.argmax().item()
        else:
            token = torch.multinomial((logits / temperature).softmax(0), 1, generator=random).item()
        if token == EOS_ID:
            break
        ids.append(token)
    return ids


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/model"))
    parser.add_argument("-p", "--prompt", action="append", help="may be given several times")
    parser.add_argument("-n", "--count", type=int, default=120)
    parser.add_argument("--temp", type=float, nargs="+", default=[0.0, 0.8])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained = torch.load(options.out / "model.pt", map_location="cpu", weights_only=True)
    model = Llama(Config(**trained["config"])).eval()
    model.load_state_dict(trained["weights"])
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    for prompt in options.prompt or ["Once upon a time"]:
        for temperature in options.temp:
            random = torch.Generator().manual_seed(options.seed)
            ids = write(model, [BOS_ID] + tokenizer.encode(prompt).ids, options.count, temperature, random)
            print(f"--- temperature {temperature}\n{tokenizer.decode(ids, skip_special_tokens=True)}\n", flush=True)


if __name__ == "__main__":
    main()
