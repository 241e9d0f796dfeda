#!/usr/bin/env python3
"""Write normal_form_tables.inc beside this file, from Python's own unicodedata (needs nothing else).

    python3 runtime/text/unicode/make_tables.py
"""

import sys
import unicodedata
from pathlib import Path

HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic


def lines(numbers, per_line=15):
    for i in range(0, len(numbers), per_line):
        yield "    " + " ".join(f"0x{n:x}," for n in numbers[i : i + per_line])


def main():
    canonical, compatible, classes, compositions = [], [], [], []
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        combining = unicodedata.combining(char)
        if combining:
            classes += [code, combining]
        mapping = unicodedata.decomposition(char).split()
        if not mapping or code in HANGUL:
            continue
        if mapping[0].startswith("<"):
            parts = [int(m, 16) for m in mapping[1:]]
            compatible += [code, len(parts), *parts]
        else:
            parts = [int(m, 16) for m in mapping]
            canonical += [code, *parts, *([0] * (2 - len(parts)))]
            if len(parts) == 2 and unicodedata.normalize("NFC", char) == char:
                compositions += [*parts, code]
    triples = sorted(zip(compositions[::3], compositions[1::3], compositions[2::3]))
    compositions = [n for triple in triples for n in triple]

    out = [f"// Unicode {unicodedata.unidata_version} normal forms. Written by make_tables.py; do not edit.", ""]
    for name, comment, numbers in (
        ("kCanonical", "code point, first, second or 0: by code point", canonical),
        ("kCompatible", "code point, n, n code points: by code point", compatible),
        ("kCombiningClasses", "code point, class: by code point", classes),
        ("kCompositions", "first, second, code point: by first, second", compositions),
    ):
        out += [f"// {comment}", f"constexpr std::uint32_t {name}[] = {{", *lines(numbers), "};", ""]
    Path(__file__).with_name("normal_form_tables.inc").write_text("\n".join(out))


if __name__ == "__main__":
    main()
