"""Trains the bundled model's tokenizer: byte-level BPE behind GPT-2's pre-tokenizer, 2048 tokens.

All 256 bytes are tokens, so that any text can be written down. Reads OUT/train.txt, writes
OUT/tokenizer.json and OUT/train.npz: `ids` (every chapter as <s> text </s>) and `starts` (where a
paragraph begins in them), the places at which a training window may start.
"""

import argparse
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 2048
BOS, EOS = "<s>", "</s>"
BOS_ID, EOS_ID = 0, 1


def train_tokenizer(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # GPT-2's
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert (tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)) == (BOS_ID, EOS_ID)
    return tokenizer


def encode(tokenizer, chapters):
    # GPT-2's pre-tokenizer cuts at a line's end, so paragraphs can be encoded one by one.
    newline = tokenizer.encode("\n").ids
    ids, starts = [], []
    for chapter in chapters:
        ids.append(BOS_ID)
        for number, line in enumerate(tokenizer.encode_batch(chapter.split("\n"))):
            ids += newline if number else []
            starts.append(len(ids))
            ids += line.ids
        ids.append(EOS_ID)
    return np.array(ids, dtype=np.uint16), np.array(starts, dtype=np.int64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/model"))
    options = parser.parse_args()
    chapters = (options.out / "train.txt").read_text(encoding="utf-8").split("\0")
    tokenizer = train_tokenizer(chapters)
    tokenizer.save(str(options.out / "tokenizer.json"))
    ids, starts = encode(tokenizer, chapters)
    np.savez(options.out / "train.npz", ids=ids, starts=starts)
    print(f"{ids.size} tokens, {sum(map(len, chapters)) / ids.size:.2f} characters a token, {starts.size} paragraphs")


if __name__ == "__main__":
    main()
