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


# Each is rendered by transformers' own environment with CONTEXT; what it does with an error is recorded as null.
SNIPPETS = [
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 1.5 + 1 }} {{ 2 ** -1 }}",
    "{{ 1e3 }} {{ 1_000 }} {{ 3.0 }} {{ 0.1 + 0.2 }} {{ 10 / 5 }} {{ -x }} {{ +x }} {{ - x ** 2 }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 2.5 }} {{ 'ab' * 3 }} {{ [1] * 2 + [3] }} {{ 'a' 'b' \"c\" }}", "{{ 'a' + 1 }}", "{{ 'a' < 'b' < 'c' }} {{ 1 < 2 > 1 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }}",
    "{{ 1 < 'a' }}", "{{ 'ell' in 'hello' }} {{ 'x' not in 'hello' }} {{ 2 in [1, 2] }} {{ 'role' in messages[0] }} {{ 'q' in d }} {{ 'a' in nothing }}",
    "{{ not true and false or true }} {{ not (true or false) }} {{ none or 'x' }} {{ 0 and 1 }} {{ [] or 'empty' }}",
    "{{ 'yes' if x > 2 else 'no' }} {{ 'only' if false }}| {{ 1 if x else 2 if y else 3 }}", "{{ true }} {{ True }} {{ none }} {{ None }} {{ [1, 'a', none, 2.0, true] }} {{ {'k': [1], 2: 'v'} }} {{ \"it's\" }} {{ [\"it's\"] }}",
    "{{ undefined_thing }}|{{ undefined_thing is defined }}|{{ messages.nope }}|{{ messages[0].nope is undefined }}", "{{ undefined_thing.attribute }}", "{{ undefined_thing + 1 }}", "{{ undefined_thing() }}",
    "{{ messages[0].role }} {{ messages[0]['content'] }} {{ messages[-1].content }} {{ messages[99] is defined }} {{ d.items is callable }} {{ d['q'] }} {{ d.get('nope', 7) }} {{ d.get('nope') }}",
    "{{ text[1:4] }} {{ text[:-1] }} {{ text[::-1] }} {{ text[::2] }} {{ text[-3:] }} {{ text[5:2] }} {{ text[10:0:-3] }} {{ numbers[1:] }} {{ numbers[:0] }} {{ numbers[-2::-1] }} {{ text[0] }}{{ text[-1] }}",
    "{{ numbers[::0] }}", "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ m.role }};{% endfor %}",
    "{% for n in numbers if n > 1 %}{{ loop.index }}:{{ n }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}", "{% for n in [] %}x{% else %}empty{% endfor %}",
    "{% for n in numbers %}{% if n == 2 %}{% continue %}{% endif %}{% if n == 4 %}{% break %}{% endif %}{{ n }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for k, v in d | dictsort %}{{ k }}{% endfor %}{% for c in 'héy' %}{{ c }}.{% endfor %}",
    "{% for a in numbers %}{% for b in 'xy' %}{{ a }}{{ b }}{{ loop.index }} {% endfor %}{{ loop.index }}|{% endfor %}{{ loop is defined }}",
    "{% for n in numbers %}{{ loop.previtem }}-{{ loop.nextitem }} {{ loop.cycle('odd', 'even') }};{% endfor %}",
    "{% set a = 1 %}{% for n in numbers %}{% set a = a + n %}{{ a }} {% endfor %}{{ a }}", "{% set ns = namespace(total=0, found=false) %}{% for n in numbers %}{% set ns.total = ns.total + n %}{% endfor %}{{ ns.total }}{{ ns.found }}",
    "{% if true %}{% set inner = 5 %}{% endif %}{{ inner }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set pair = (3, 4) %}{% set c, e = pair %}{{ c }}{{ e }}", "{% set block %}  text {{ x }}\n{% endset %}[{{ block }}]{% set up | upper | trim %} abc {% endset %}{{ up }}",
    "{% macro greet(name, mark='!') %}Hello {{ name }}{{ mark }}{% endmacro %}{{ greet('A') }} {{ greet('B', mark='?') }} {{ greet(name='C') }}{{ greet() }}",
    "{% macro greet(name) %}{{ name }}{% endmacro %}{{ greet('a', 'b') }}", "{% macro greet(name) %}{{ name }}{% endmacro %}{{ greet(other=1) }}",
    "{% macro outer(n) %}{% if n > 0 %}{{ n }}{{ outer(n - 1) }}{% endif %}{% endmacro %}{{ outer(5) }}", "{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{{ x }}{% endcall %}",
    "{% set late = 'set before' %}{% macro see() %}{{ late }}{{ x }}{% endmacro %}{{ see() }}{% set late = 'changed' %}{{ see() }}", "{% filter upper %}abc {{ x }}{% endfilter %}",
    "{{ '  trim me  ' | trim }}| {{ 'xxaxx' | trim('x') }} {{ 'a,b' | replace(',', ';') }} {{ 'abc' | upper }} {{ 'ABC' | lower }} {{ 'some words here' | title }} {{ 'hELLO' | capitalize }}",
    "{{ numbers | length }} {{ text | length }} {{ d | length }} {{ 'é漢😀' | length }} {{ numbers | first }} {{ numbers | last }} {{ [] | first }}| {{ numbers | sum }} {{ numbers | join('-') }} {{ messages | join(', ', attribute='role') }}",
    "{{ nothing | default('d') }} {{ '' | default('d') }} {{ '' | default('d', true) }} {{ none | default('d') }} {{ x | default(1) }} {{ d.q.z | default('deep') }}",
    "{{ d | tojson }} {{ messages | tojson(indent=2) }} {{ 'é\"\\n\\t\\\\</script>\x7f\u2028' | tojson }} {{ [1.0, 1e20, true, none] | tojson }} {{ {} | tojson(indent=4) }}{{ d | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 'é😀' | tojson(ensure_ascii=true) }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='content') | list }} {{ messages | selectattr('content') | list | length }} {{ numbers | select('odd') | list }} {{ numbers | reject('>', 2) | list }} {{ ['a', 'b'] | map('upper') | join }}",
    "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(reverse=true) }} {{ messages | sort(attribute='content') | map(attribute='content') | join(',') }} {{ [1, 2, 1, 3] | unique | list }} {{ numbers | max }} {{ numbers | min }} {{ numbers | reverse | list }} {{ 'abc' | reverse }}",
    "{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.7 | int }} {{ '2.5' | float }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.567 | round(2) }} {{ -3 | abs }} {{ 5 | string + 'x' }} {{ 'abc' | list }} {{ d | items | map('first') | list }}",
    "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(width=1, blank=true) }}", "{{ '<a href=\"x\">&' | escape }} {{ 'x' | safe }} {{ '%s and %d' | format('a', 3) }} {{ '%s%%' % 5 }} {{ '{} {n} {{}}'.format('p', n='q') }}",
    "{{ x | no_such_filter }}", "{{ x is no_such_test }}", "{{ x is defined and x is number and not (x is string) }} {{ x is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ none is none }} {{ d is mapping }} {{ text is string }} {{ numbers is sequence }} {{ d is iterable }} {{ x is iterable }} {{ 1.5 is float }} {{ true is boolean }} {{ 1 is integer }} {{ true is integer }} {{ x is eq 3 }} {{ 2 is in numbers }} {{ 'a' is lower }} {{ true is true }} {{ 1 is not none }} {{ x is ge 3 }}",
    "{{ ' ab '.strip() }}{{ 'xab'.lstrip('x') }}{{ 'abx'.rstrip('x') }} {{ 'abc'.startswith('ab') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'a b  c'.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b '.split(none, 1) }} {{ '-'.join(['a', 'b']) }} {{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abcabc'.count('b') }} {{ 'aXb'.upper() }}{{ 'aXb'.lower() }} {{ 'ab cd'.title() }} {{ 'ab'.capitalize() }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ '12'.isdigit() }} {{ 'prefix-x'.removeprefix('prefix-') }}",
    "{{ text.nope() }}", "{{ 'abc'.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ messages.__init__ }}|", "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {% for i in range(2) %}{{ i }}{% endfor %}", "{{ dict(a=1, b='x') }} {{ dict({'k': 1}) }}",
    "{{ raise_exception('no ' ~ x) }}", "{# a comment {{ x }} #}after", "a\n{# comment #}\nb\n  {% if true %}\n  c\n  {% endif %}\nd", "a  {%- if true -%}  b  {%- endif -%}  c", "a {{- ' b ' -}} c\n{{ x }}\n\n{{- x }}", "  {%+ if true +%}\n x {% endif %}\n",
    "{% raw %}{{ not run }}{% endraw %}{{ x }}", "{{ '}}' }}{{ \"%}\" }}{{ {'a': {'b': 1}} }}", "line\r\nnext\r\n", "no newline at the end is kept\n\n", "{{ 'tab\\tnew\\nquote\\'uni\\u00e9hex\\x41' }}",
    "{% generation %}marked{% endgeneration %} text", "{% if x == 1 %}one{% elif x == 3 %}three{% else %}other{% endif %}{% if nothing %}{% elif false %}{% else %}else{% endif %}", "{% if x %}never ended", "{{ x", "{% endif %}", "{% include 'file' %}", "{% import 'os' as os %}", "{% for x in %}{% endfor %}", "{{ x.append(1) }}", "{{ numbers.append(1) }}", "{{ [1,2,] }} {{ (1,) | list }} {{ () | length }} {{ {'a': 1,} }}",
    "{{ messages[0].content | trim | upper ~ '!' }} {{ (x + 1) | string ~ 'a' }} {{ x + 1 | string | int }}", "{{ 1 if true else undefined_thing.foo }} {{ true or undefined_thing.foo }}", "{{ strftime_now is defined }} {{ tools is none }} {{ tools is defined }} {{ namespace is defined }}",
    "{% set m = messages[1:] %}{{ m | length }}{{ (messages | first).role }}{{ messages[0]['con' ~ 'tent'] }}{{ d['k' ~ '1'] }}", "{{ x > 1 and x < 5 }}{{ (1, 2) == (1, 2) }}{{ 'A' < 'a' }}{{ [1, 2] < [1, 3] }}",
]  # fmt: skip

CONTEXT = {
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi é\n"}, {"role": "assistant", "content": ""}],
    "x": 3, "y": 0, "text": "héllo wörld", "numbers": [1, 2, 3, 4], "d": {"k1": 1, "q": "two", "z": None}, "tools": None,
    "bos_token": "<s>", "eos_token": "</s>",
}  # fmt: skip

# The forms in which the models' makers publish them (shortened where they serve tools).
ALTERNATE = "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
PUBLISHED = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}" + ALTERNATE
    + "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first_user_prefix = messages[0]['content'] + '\n\n' %}"
    "{% set loop_messages = messages[1:] %}{% else %}{% set first_user_prefix = '' %}{% set loop_messages = messages %}{% endif %}"
    "{% for message in loop_messages %}" + ALTERNATE + "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    "mistral": "{{ bos_token }}{% for message in messages %}" + ALTERNATE + "{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}",
}  # fmt: skip

CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be  kind. "), ("user", " Hello\n")],
    [("user", "Hi"), ("assistant", " Hello there \n"), ("user", "How are you?")],
    [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "日本 😀 <|im_end|> 'x' \"y\" {{ x }}")],
    [("user", "a"), ("assistant", "b")],
    [("user", "a"), ("user", "b")],
]


def make_templates():
    from transformers.utils.chat_template_utils import _compile_jinja_template

    def render(source, context):
        try:
            return _compile_jinja_template(source).render(**context)
        except Exception:
            return None

    snippets = [{"template": source, "output": render(source, CONTEXT)} for source in SNIPPETS]
    chats = []
    for name, source in PUBLISHED.items():
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            for prompt in (False, True):
                context = {"messages": messages, "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>"}
                output = render(source, {**context, "tools": None, "documents": None})
                chats.append({"format": name, "messages": messages, "add_generation_prompt": prompt, "output": output})
    write("templates", {"context": CONTEXT, "snippets": snippets, "published": PUBLISHED, "chats": chats})


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
    make_templates()
    make_real_models(arguments.models)


if __name__ == "__main__":
    main()
