"""The model's byte-level BPE tokenizer (GPT-2 pre-tokenization), trained on the corpus.

Copying is what a model this small finds hardest, so the vocabulary is built for it: while merges
are learned, every space and every digit stands alone, and a word has the same tokens wherever it
stands. Merges of a space with a frequent word come last: they shorten the prompts and break no
other merge.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY_SIZE = 1536
END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL = [END_OF_TEXT, START, END]
USER_DEFINED = ["<tool_call>", "</tool_call>"]  # printed, unlike control tokens
_SPACED_WORDS = 230


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Return a tokenizer of `VOCABULARY_SIZE` tokens trained on rendered conversations."""
    marks = re.compile("|".join(re.escape(mark) for mark in CONTROL + USER_DEFINED))
    plain = [marks.sub("\n", text) for text in texts]
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" "), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    marked = len(CONTROL) + len(USER_DEFINED)
    learner.train_from_iterator(
        plain,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY_SIZE - marked - _SPACED_WORDS - 3,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            min_frequency=3,
            show_progress=False,
        ),
    )
    model = json.loads(learner.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    for left, right in (("Ġ", "Ġ"), ("ĠĠ", "ĠĠ"), ("ĠĠ", "Ġ")):  # indentation
        merges.append((left, right))
        tokens.append(left + right)
    known = set(tokens)
    for word in _frequent_words(plain):
        if len(tokens) + marked == VOCABULARY_SIZE:
            break
        if word in known:
            merges.append(("Ġ", word))
            tokens.append("Ġ" + word)
    vocabulary = {token: i for i, token in enumerate(CONTROL + USER_DEFINED + tokens)}
    if len(vocabulary) != VOCABULARY_SIZE:
        raise ValueError(f"the corpus gave {len(vocabulary)} tokens instead of {VOCABULARY_SIZE}")
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in USER_DEFINED])
    return tokenizer


def _frequent_words(texts: Iterable[str]) -> list[str]:
    """Return lower-case words that follow a space, the most frequent first, as byte-level text."""
    count = Counter(word for text in texts for word in re.findall(r" ([a-zà-ÿ]+)\b", text))
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return [to_bytes.pre_tokenize_str(word)[0][0] for word, _ in count.most_common(2000)]
