#!/usr/bin/env python3
"""Write tests/data/text/: small tokenizers of every supported family and the ids that the reference gives hostile texts.

    python3 tests/tools/make_tokenizer_fixtures.py [--models DIRECTORY]

Needs the packages tokenizers, transformers, sentencepiece and gguf. The ids of the two real models are recorded too when DIRECTORY
(default: the user's model cache) has them; their vocabularies are not.
"""

import argparse
import io
import json
import random
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as spm_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = Path(__file__).resolve().parents[1] / "data" / "text"
SEED = 20240607

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CORPUS = """
The kettle sang in the kitchen while the rain ran down the window. "I've never seen it so wet," she said; "it's as if they'd
opened the sky." He didn't answer. We'll go tomorrow, I'm sure, if you're ready and it isn't too late for the 7:45 train.
In 1987 there were 12 houses, 340 people and 1 shop; by 2015 the 2,048 inhabitants had 3 schools and a railway.
def merge(left, right):
    for i in range(len(left)):
        if left[i] != right[i]:
            return None  # not the same
    return left + right
int main(int argc, char** argv) { std::vector<float> x(1024, 0.5f); return x.size() == 0x400 ? 0 : 1; }
Ein Bär läuft über die Brücke, während die Mädchen süße Äpfel essen. Où est la bibliothèque ? Ça va très bien, merci.
El niño mañana comerá una piña. Привет, мир! Как дела? Γειά σου Κόσμε. 日本語のテキストと漢字。中文字符测试。한국어 문장입니다.
مرحبا بالعالم، كيف حالك؟ שלום עולם. नमस्ते दुनिया। สวัสดีชาวโลก Việt Nam đẹp lắm. 😀👍🏽👨‍👩‍👧‍👦🏳️‍🌈
the the the and and and of of to to in in that that with with house houses housing running runner ran rain raining
"""

HOSTILE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", "\t", "\t\t", " \t\n ", "Hello", " Hello", "Hello ",
    "  Hello   world  ", "The kettle isn't 12345 years old.", "I'm you're he'd we'LL THEY'VE IT'S 'S 'T '\u017f don'T 'Re 'rE 'x '",
    "1234567890", "1 22 333 4444 55555", "3.14159e-10", "\u0661\u0662\u0663\u0664 \u09eb\u09ec\u09ed \u216f \u00b2 \u00bd \u2460\u2461",
    "日本語のテキスト、漢字かな交じり文。", "中文字符测试", "한국어 문장", "العربية مرحبا", "שלום", "\u200fRTL\u200e \u202eabc\u202c",
    "👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷", "e\u0301 \u00e9 a\u0308\u0323 Z\u0338\u0322\u0360a\u0328", "ｆｕｌｌ ﬁ ﷺ ™ Å Ω Ⅷ ㍿",
    "\x00", "a\x00b", "\x01\x02\x1f\x7f\u0080\u009f", "\u0085\u00a0\u1680\u180e\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeffx",
    "\u2581", "\u2581\u2581", " \u2581 ", "a\u2581b", "\u2581Hello\u2581world", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>",
    "text<|endoftext|>text", " <|im_end|> ", "<s> </s> <unk> <pad>", "<s>[INST] hi [/INST]</s>", "<|im_end", "<<|im_end|>>",
    "<0x41><0x0A>", "<0x4", "<extra_id_0> and <extra_id_1>", "<start_of_turn>user\nhi<end_of_turn>\n", "a<mask>b <mask> c", "x<word>y <word> z",
    "def f(x):\n    return x  +  1\n\n\n\tif x:\r\n\t\tpass", "http://a.b/c?d=e&f=%20#g", "!!!???...,,,---", "((()))[[]]{{}}",
    "CamelCase snake_case SCREAMING", "\u01c5 \u02b0 \u00aa \u1e9e \ufb00 st", "\U00011f02\U00011f04 \U00031350 \U0001e4d0 \U0001e4f1 \U00016130",
    "\U0010ffff \ue000 \ufffd \ufffe", "𝕳𝖊𝖑𝖑𝖔 𝟘𝟙𝟚", "नमस्ते दुनिया", "สวัสดี", "Привет Ё ё Й", "Γειά", "Việt", "İ ı ğ",
    "\u1e9b\u0323", "\u1100\u1161\u11a8 \uac00", "\uff41\u0301", "a\u0301\u0327b", "\u0301\u0301a", " \u0301x", "a\u200db", "\u3000全角",
    "x\u00b2+y\u00b2", "…—–“”‘’«»", "soft\u00adhyphen", "\x1b[31mred", " " * 17, "a" + " " * 33 + "b", "\n" * 35, "\t" * 33, "=" * 80,
    "ab" * 150, "é" * 100, "字" * 100, "😀" * 60, " \n" * 60, "'s" * 50, "    indented\n        more", "the house", " the", "running rain", "ｒａｉｎ other",
]  # fmt: skip

# The same unit many times: a word of 26,000 letters must take no time. [unit, count]
RUNS = [["x", 26000], [" ", 26000], ["\n", 26000], ["1", 26000], ["字", 9000], [" \n", 13000], ["th", 13000], ["\u0301", 9000]]

ALPHABET = list("abcdeilmnorst THEIS0123456789'\".,!?-_/\\\n\r\t  ") + list(
    "éüßñ漢字かなカ한글العربשלדив٣५²½ⅷ😀👍🏽\u200d\u0301\u0308\u3000\u00a0\u2028\u200b\u2581’“—<>|[]{}()@#$%^&*+=~`:;\x00\x7f\u180e\u0085ǅſİﬁ\u202e"
)
FRAGMENTS = ["the ", " rain", "'s", "'LL", " I'm", "<|im_end|>", "<s>", "  ", "\n\n", "\r\n", "123", "    ", "ing", " \n ", "\u2581", "<0x0A>"]


def all_texts():
    chance = random.Random(SEED)
    texts = list(HOSTILE)
    for _ in range(50):
        size = chance.choice([3, 8, 20, 40])
        texts.append("".join(chance.choice(FRAGMENTS if chance.random() < 0.2 else ALPHABET) for _ in range(size)))
    for _ in range(20):
        ranges = [(0, 0x2FF), (0x300, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x323AF)]
        texts.append("".join(chr(chance.randint(*chance.choice(ranges))) for _ in range(chance.choice([1, 4, 15]))))
    return texts


def packed(ids):
    """Short lists as they are; long ones as their length, beginning and FNV-1a hash."""
    if len(ids) <= 60:
        return ids
    digest = 0xCBF29CE484222325
    for i in ids:
        digest = ((digest ^ i) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return {"count": len(ids), "first": ids[:12], "hash": f"{digest:016x}"}


def record(name, encode, decode=None, **fields):
    texts = all_texts()
    fixture = dict(fields)
    encoded = [encode(text) for text in texts]
    fixture["ids"] = [packed(ids) for ids in encoded]
    fixture["run_ids"] = [packed(encode(unit * count)) for unit, count in RUNS]
    if decode:
        decoded = [decode(ids) for ids in encoded]
        fixture["decoded"] = [None if got == text else got for got, text in zip(decoded, texts)]
    write(name, fixture)


def write(name, value):
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def record_tokenizer(name, tokenizer, config=None, **fields):
    record(
        name,
        lambda text: tokenizer.encode(text).ids,
        lambda ids: tokenizer.decode(ids),
        tokenizer_json=tokenizer.to_str(),
        tokenizer_config=json.dumps(config or {}),
        **fields,
    )


def corpus_lines():
    return [line for line in CORPUS.splitlines() if line] + [text for text in HOSTILE if len(text) < 60]


def byte_level(pre_tokenizer, specials, normalizer=None, vocabulary=600):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus_lines() * 4, trainer)
    return tokenizer


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def reload_with(tokenizer, change):
    document = json.loads(tokenizer.to_str())
    change(document)
    return Tokenizer.from_str(json.dumps(document))


def make_byte_level():
    gpt2 = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    record_tokenizer("gpt2", gpt2, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"})

    spaced = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), ["<|endoftext|>"], vocabulary=500)
    record_tokenizer("gpt2_prefix_space", spaced)

    llama3 = byte_level(split_then_bytes(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|im_end|>", "<|im_start|>"])
    llama3.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="$A $B", special_tokens=[("<|begin_of_text|>", 0)]),
        ]
    )

    # Whole words which no merge makes: only ignore_merges finds them. Merges as strings, the older style.
    def old_style(document):
        vocabulary = document["model"]["vocab"]
        for word in ("\u0120kettle", "window", "\u0120\u0120\u0120"):
            vocabulary.setdefault(word, len(vocabulary))
        document["model"]["ignore_merges"] = True

    llama3 = reload_with(llama3, old_style)
    document = json.loads(llama3.to_str())
    document["model"]["merges"] = [" ".join(merge) for merge in document["model"]["merges"]]
    config = {"bos_token": {"content": "<|begin_of_text|>", "__type": "AddedToken"}, "eos_token": "<|end_of_text|>"}
    record(
        "llama3",
        lambda text: llama3.encode(text).ids,
        lambda ids: llama3.decode(ids),
        tokenizer_json=json.dumps(document),
        tokenizer_config=json.dumps(config),
    )

    qwen2 = byte_level(split_then_bytes(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizers.NFC())
    record_tokenizer("qwen2", qwen2, {"eos_token": "<|im_end|>", "bos_token": None, "add_bos_token": False})

    digits = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    smollm = byte_level(digits, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    record_tokenizer("smollm", smollm, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"})

    flags = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"], normalizers.NFKC(), vocabulary=500)
    flags.add_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False, special=True)])
    flags.add_tokens([AddedToken("<word>", single_word=True, normalized=False), AddedToken("rain", normalized=True)])
    flags.add_tokens([AddedToken("the house", normalized=True), AddedToken("the", normalized=False, rstrip=True)])
    record_tokenizer("added_token_flags", flags)


def train_sentencepiece(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus_lines() * 4), model_writer=model, minloglevel=2, num_threads=1, **options
    )
    return model.getvalue()


def pieces_of(model):
    proto = spm_pb2.ModelProto()
    proto.ParseFromString(model)
    return proto.pieces


def scored_merges(pieces):
    scores = {piece.piece: piece.score for piece in pieces}
    merges = []
    for text, score in scores.items():
        splits = [(text[:i], text[i:]) for i in range(1, len(text))]
        merges += [(score, left, right) for left, right in splits if left in scores and right in scores]
    merges.sort(key=lambda merge: -merge[0])
    return [(left, right) for _, left, right in merges]


def make_sentencepiece_bpe():
    model = train_sentencepiece(
        model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.98, split_digits=True, allow_whitespace_only_pieces=True, user_defined_symbols=["<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    (OUT / "sentencepiece_bpe.model").write_bytes(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = pieces_of(model)
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece.piece: i for i, piece in enumerate(pieces)}, merges=scored_merges(pieces), unk_token="<unk>", fuse_unk=True,
            byte_fallback=True,
        )  # fmt: skip
    )
    special = [AddedToken(piece.piece, normalized=False, special=True) for piece in pieces if piece.type in (2, 3)]
    defined = [AddedToken(piece.piece, normalized=False, special=False) for piece in pieces if piece.type == 4]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(defined)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="$A $B", special_tokens=[("<s>", 1)])
    back = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    vocabulary = {
        "tokens": [piece.piece for piece in pieces],
        "scores": [piece.score for piece in pieces],
        "types": [piece.type for piece in pieces],
    }

    # Llama 2's published form; the same vocabulary as GGUF stores it must give the same ids.
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)])
    config = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    record_tokenizer("llama2", tokenizer, config, vocabulary=vocabulary)

    # Gemma's: no space in front.
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence(back)
    record_tokenizer("gemma", tokenizer, config)

    # transformers 5's Llama: the space in front comes from Metaspace, only at the very beginning.
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)])
    record_tokenizer("llama2_metaspace", tokenizer, config)

    # SentencePiece itself, on texts without names of control tokens (which it does not parse).
    record("sentencepiece_bpe", lambda text: processor.encode(text))


def make_unigram():
    model = train_sentencepiece(
        model_type="unigram", vocab_size=400, normalization_rule_name="nmt_nfkc", character_coverage=0.98, pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1,
    )  # fmt: skip
    (OUT / "unigram.model").write_bytes(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    proto = spm_pb2.ModelProto()
    proto.ParseFromString(model)
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in proto.pieces], unk_id=2, byte_fallback=False))
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<pad>", "</s>", "<unk>")])
    tokenizer.add_special_tokens([f"<extra_id_{i}>" for i in range(3)])
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always", split=True)]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A $B", special_tokens=[("</s>", 1)])
    document = json.loads(tokenizer.to_str())
    document["normalizer"]["precompiled_charsmap"] = "@CHARSMAP@"  # the one of unigram.model, which is large
    record(
        "t5",
        lambda text: tokenizer.encode(text).ids,
        lambda ids: tokenizer.decode(ids),
        tokenizer_json=json.dumps(document),
        tokenizer_config=json.dumps({"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}),
    )
    record("sentencepiece_unigram", lambda text: processor.encode(text))


def make_normal_forms():
    texts = [text for text in all_texts() if len(text) < 80]
    forms = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD()}
    write("normal_forms", {"texts": texts, **{name: [form.normalize_str(t) for t in texts] for name, form in forms.items()}})


def gguf_fields(path):
    from gguf import GGUFReader

    reader = GGUFReader(path)
    return {name.removeprefix("tokenizer."): field.contents() for name, field in reader.fields.items() if name.startswith("tokenizer.")}


def make_real_models(directory):
    smollm = directory / "smollm2-135m.gguf"
    if smollm.exists():
        fields = gguf_fields(smollm)
        merges = [tuple(merge.split(" ", 1)) for merge in fields["ggml.merges"]]
        tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(fields["ggml.tokens"])}, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        names = [text for text, kind in zip(fields["ggml.tokens"], fields["ggml.token_type"]) if kind == 3]
        tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
        record("real_smollm2", lambda text: tokenizer.encode(text).ids)
    gemma = directory / "gemma3-270m.gguf"
    if gemma.exists():
        from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer

        fields = gguf_fields(gemma)
        tokenizer, _ = convert_gguf_tokenizer(
            "gemma3",
            {
                "tokenizer_type": fields["ggml.model"],
                "tokens": fields["ggml.tokens"],
                "scores": fields["ggml.scores"],
                "token_type": fields["ggml.token_type"],
            },
        )
        record("real_gemma3", lambda text: [2, *tokenizer.encode(text, add_special_tokens=False).ids])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "regroup" / "models")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    write("texts", {"texts": all_texts(), "runs": RUNS})
    make_byte_level()
    make_sentencepiece_bpe()
    make_unigram()
    make_normal_forms()
    make_real_models(arguments.models)


if __name__ == "__main__":
    main()
