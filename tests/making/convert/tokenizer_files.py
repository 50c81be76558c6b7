"""Trains small tokenizers of every kind the converter takes, on text of our own.

Each function returns the tokenizer.json that transformers would have written, as an object.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from wiz_kernel_ext.making.convert.probes import probes

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + _REST
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + _REST
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_SLASH_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*"
    rf"|\p{{N}}|{_SLASH_REST}"
)
GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{CONTRACTIONS}?|\p{{N}}{{1,3}}|{_SLASH_REST}"
)
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
N_TOKENS = 1200


@functools.cache
def corpus() -> tuple[str, ...]:
    """Text to train on: the probes (so that merges exist where splits matter) and plain prose."""
    prose = (
        "The converter reads a checkpoint and writes a file that llama.cpp can run. "
        "Every tensor is read once, in blocks, and nothing is kept in memory. "
        "Il était une fois un petit modèle qui parlait plusieurs langues. "
        "Era uma vez um modelo pequeno que falava várias línguas. 今日は良い天気ですね。"
    )
    return (*probes(), *([prose] * 8))


def byte_level(
    expression: str | None = None,
    *,
    digits: bool = False,
    special: list[str] | None = None,
    added: list[str] | None = None,
    n_tokens: int = N_TOKENS,
    nfc: bool = False,
) -> dict[str, Any]:
    """Byte-level BPE that splits by `expression` (default: GPT-2's own)."""
    tokenizer = Tokenizer(models.BPE())
    steps: list[Any] = []
    if expression is not None:
        steps.append(pre_tokenizers.Split(Regex(expression), "isolated"))
    if digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=expression is None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens,
        special_tokens=CHATML if special is None else special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens(["<tool_call>", "</tool_call>"] if added is None else added)
    return _object(tokenizer)


def sentence_piece(
    *, prefix: bool = True, gemma: bool = False, metaspace: bool = False, phi3: bool = False
) -> dict[str, Any]:
    """SentencePiece's BPE as its conversion to tokenizer.json looks: ▁ for spaces, fallback bytes.

    Like there, every pair of tokens that makes a token is a merge, in the order of the tokens.
    """
    special = ["<unk>", "<s>", "</s>"]
    if gemma:
        special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    steps: list[Any] = [normalizers.Replace(" ", "▁")]
    if prefix:
        steps.insert(0, normalizers.Prepend("▁"))
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.normalizer = normalizers.Sequence(steps)
    learner.pre_tokenizer = pre_tokenizers.Split(Regex("▁+[^▁]*|[^▁]+"), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=900, limit_alphabet=220, show_progress=False)
    learner.train_from_iterator(corpus(), trainer)
    learnt = json.loads(learner.to_str())["model"]
    merged = ["".join(pair) for pair in learnt["merges"]]
    letters = [t for t in sorted(learnt["vocab"], key=learnt["vocab"].get) if t not in set(merged)]
    runs = ["▁" * n for n in (2, 3, 4)] if gemma else []
    texts = [*special, *(f"<0x{b:02X}>" for b in range(256)), *runs, *merged, *letters]
    vocabulary = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    pairs = [
        (left, right)
        for text in [*runs, *merged]
        for cut in range(1, len(text))
        if (left := text[:cut]) in vocabulary and (right := text[cut:]) in vocabulary
    ]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary, merges=pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True
        )
    )
    if metaspace:  # as newer conversions have it
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence(steps)
    if gemma:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(special)
    if phi3:
        names = ["<|endoftext|>", "<|user|>", "<|end|>"]
        tokenizer.add_special_tokens([AddedToken(n, rstrip=n != names[0]) for n in names])
        tokenizer.add_special_tokens([AddedToken("</s>", rstrip=True)])
    return _object(tokenizer)


def word_piece(*, lowercase: bool = True) -> dict[str, Any]:
    """BERT's WordPiece."""
    from tokenizers import processors

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=N_TOKENS, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return _object(tokenizer)


def unigram() -> dict[str, Any]:
    """A kind the converter refuses."""
    vocabulary = [("<unk>", 0.0), ("a", -1.0), ("b", -2.0)]
    return _object(Tokenizer(models.Unigram(vocabulary, unk_id=0)))


def _object(tokenizer: Tokenizer) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(tokenizer.to_str())
    return loaded
