#!/usr/bin/env python3
"""Records what the gguf package decodes and encodes, for tests/formats.

Usage: make_format_fixtures.py [OUTPUT_DIR]     (default: tests/data/formats beside this script; needs numpy and gguf)

Files, all little-endian:
  <format>.blocks    file blocks of one row
  <format>.values    that row as gguf.dequantize decodes it, float32
  input.values       float32 rows of 32 columns to encode, one block each
  <format>.encoded   input.values as gguf.quantize encodes them
"""
import pathlib
import sys

import gguf
import numpy as np

random = np.random.default_rng(20240607)

# format: (elements per block, bytes per block, byte offsets of the halves in a block)
BLOCKS = {
    "q8_0": (32, 34, [0]),
    "q4_0": (32, 18, [0]),
    "q4_1": (32, 20, [0, 2]),
    "q5_0": (32, 22, [0]),
    "q5_1": (32, 24, [0, 2]),
    "q2_k": (256, 84, [80, 82]),
    "q3_k": (256, 110, [108]),
    "q4_k": (256, 144, [0, 2]),
    "q5_k": (256, 176, [0, 2]),
    "q6_k": (256, 210, [208]),
}
ENCODED = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"]


def qtype(name):
    return gguf.GGMLQuantizationType[name.upper()]


def halves(count):
    """Finite halves of every kind: common scales, any bit pattern, subnormals, extremes, both signs."""
    kinds = [
        np.abs(random.normal(0, 0.01, count)).astype(np.float16).view(np.uint16),
        random.integers(0, 1 << 16, count).astype(np.uint16),
        random.integers(1, 1 << 10, count).astype(np.uint16) | (random.integers(0, 2, count) << 15).astype(np.uint16),
        random.choice(np.array([0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0x0000], np.uint16), count),
    ]
    bits = np.choose(random.integers(0, len(kinds), count), kinds).astype(np.uint16)
    finite = (bits & 0x7C00) != 0x7C00
    return np.where(finite, bits, bits & 0xBFFF).astype(np.uint16)


def blocks_of(name):
    if name == "f32":
        bits = random.integers(0, 1 << 32, 512, dtype=np.uint64).astype(np.uint32)
        return np.where((bits & 0x7F800000) == 0x7F800000, bits & 0xBFFFFFFF, bits).astype(np.uint32).view(np.uint8)
    if name == "bf16":
        bits = random.integers(0, 1 << 16, 512).astype(np.uint16)
        return np.where((bits & 0x7F80) == 0x7F80, bits & 0xBFFF, bits).astype(np.uint16).view(np.uint8)
    if name == "f16":
        return halves(512).view(np.uint8)
    elements, size, offsets = BLOCKS[name]
    count = 4096 // elements // (1 if elements == 256 else 2)
    blocks = random.integers(0, 256, (count, size)).astype(np.uint8)
    for offset in offsets:
        blocks[:, offset:offset + 2] = halves(count).reshape(-1, 1).view(np.uint8)
    return blocks.reshape(-1)


def rows_to_encode():
    """Blocks that quantisers find hard: outliers, one sign, constants, zeros, tiny and large ranges, values in the middle between two levels."""
    rows = [random.normal(0, 0.02, 32) for _ in range(16)]
    for _ in range(8):
        row = random.normal(0, 0.02, 32)
        row[random.integers(0, 32)] = random.choice([-1, 1]) * 10.0 ** random.uniform(-1, 3)
        rows.append(row)
    rows += [np.abs(random.normal(0, 1, 32)), -np.abs(random.normal(0, 1, 32))]
    rows += [np.zeros(32), np.full(32, 0.37), np.full(32, -2.5), np.where(np.arange(32) == 17, 3.0, 0.0)]
    rows += [random.normal(0, 10.0 ** power, 32) for power in (-9, -7, -6, -5, -4, 2, 4)]
    rows += [np.arange(32) - 15.5, np.arange(32) / 2 - 4, np.linspace(-127, 127, 32), (np.arange(32) % 16 - 8) * 0.5 + 0.25]
    rows += [np.where(np.arange(32) % 2 == 0, 1.0, -1.0), np.where(np.arange(32) % 2 == 0, -1.0, 1.0)]
    return np.stack(rows).astype(np.float32)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "data" / "formats"
    out.mkdir(parents=True, exist_ok=True)
    for name in ["f32", "f16", "bf16", *BLOCKS]:
        blocks = blocks_of(name)
        values = gguf.dequantize(blocks.reshape(1, -1), qtype(name)).astype(np.float32)
        assert np.isfinite(values).all(), name
        (out / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name}.values").write_bytes(values.tobytes())
    rows = rows_to_encode()
    (out / "input.values").write_bytes(rows.tobytes())
    for name in ENCODED:
        (out / f"{name}.encoded").write_bytes(gguf.quantize(rows, qtype(name)).tobytes())


if __name__ == "__main__":
    main()
