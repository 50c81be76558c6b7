"""Finds how llama.cpp must be told to split text, by trying: equal token ids, or no conversion.

Writes a vocabulary-only GGUF for each candidate, has llama.cpp tokenize the probes in a process of
its own, and holds the ids against the `tokenizers` library's. Nothing is ever guessed: a wrong
pre-tokenizer makes a model that works, and is a little worse at everything. Called by `job.py`.
"""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tokenizers

from wiz_kernel_ext.errors import ConversionFailed
from wiz_kernel_ext.making.convert.checkpoint import MAX_TOKENIZER_BYTES, Checkpoint
from wiz_kernel_ext.making.convert.probes import composed, probes
from wiz_kernel_ext.making.convert.vocabulary import (
    AddedToken,
    Vocabulary,
    composes,
    pre_tokenizer_candidates,
    uses_metaspace,
)

MAX_SPECIAL_PROBED = 64
TIMEOUT_S = 120.0
_FRAMES = ("{0}{0}", "a{0}b", "{0} b", "a {0}", "{0}\nb", "{0}  b\n{0}\n")

WriteVocabulary = Callable[[Path, str | None], object]
Tokenize = Callable[[Path, list[str]], list[list[int]]]


@dataclass(frozen=True)
class Limit:
    """Text on which llama.cpp's form of a pre-tokenizer is known to differ from the original."""

    notice: str
    concerns: Callable[[str], bool]


_MARKS = Limit(
    "llama.cpp splits letters from combining marks, which the original keeps together",
    lambda text: any(unicodedata.category(c).startswith("M") for c in text),
)
_LEADING_SPACE = Limit(
    "llama.cpp puts a space before text that begins with one, as the original does not",
    lambda text: text.startswith(" "),
)
_HANGUL_AND_MARKS = Limit(
    "llama.cpp does not take Hangul and spacing marks apart, as the original does",
    lambda text: any(
        "\uac00" <= c <= "\ud7a3" or unicodedata.category(c) in ("Mc", "Me") for c in text
    ),
)


@dataclass(frozen=True)
class Verified:
    """The pre-tokenizer that gave equal ids (None where a model has none), on how many probes."""

    pre: str | None
    n_probes: int
    notices: list[str]


class Reference:
    """The checkpoint's own tokenizer, as the `tokenizers` library runs it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        data = checkpoint.read("tokenizer.json", MAX_TOKENIZER_BYTES) or b""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(data.decode())
        except Exception as error:  # the library raises plain Exception for what it cannot read
            raise checkpoint.refusal(
                f"its tokenizer.json is not readable ({error})",
                "Download that file again.",
                file="tokenizer.json",
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Each text's token ids, nothing put around them."""
        return [e.ids for e in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def affixes(self) -> tuple[list[int], list[int]]:
        """The ids it puts before and after a text."""
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole = self._tokenizer.encode("a").ids
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
        return [], []


def llama_cpp_ids(vocabulary: Path, texts: list[str]) -> list[list[int]]:
    """Each text's token ids by llama.cpp, in a child process; ConversionFailed if that fails."""
    command = [sys.executable, "-m", "wiz_kernel_ext.engine.llama.tokenize", str(vocabulary)]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(texts),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConversionFailed(
            f"llama.cpp did not finish tokenizing within {TIMEOUT_S:.0f} s.",
            hint="Try again when the machine is less busy.",
        ) from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise ConversionFailed(
            f"llama.cpp did not take the vocabulary: {lines[-1]}", log=lines[-12:]
        )
    return msgspec.json.decode(done.stdout, type=list[list[int]])


def verify(
    checkpoint: Checkpoint,
    vocabulary: Vocabulary,
    reference: Reference,
    write: WriteVocabulary,
    file: Path,
    tokenize: Tokenize,
) -> Verified:
    """The pre-tokenizer with which llama.cpp splits every probe as the checkpoint's tokenizer does.

    `write` makes a vocabulary-only GGUF at `file`, with a pre-tokenizer, and `tokenize` has
    llama.cpp read texts by it. Raises ConversionRefused with the first difference when none is
    equal everywhere.
    """
    source = checkpoint.read_json("tokenizer.json", MAX_TOKENIZER_BYTES) or {}
    notices: list[str] = []
    texts = probes()
    if composes(source):
        texts = composed(texts)
        notices.append(
            "The tokenizer composes letters and accents (NFC) first, which llama.cpp does not: "
            "decomposed text is split differently."
        )
    if any(token.single_word for token in vocabulary.added):
        raise checkpoint.refusal("it has added tokens that match whole words only")
    some = vocabulary.added[:MAX_SPECIAL_PROBED]
    alone = [token for token in some if reference.ids([token.text])[0] == [token.id]]
    framed = [frame.format(token.text) for token in alone for frame in _FRAMES]
    must = [*texts, *(token.text for token in alone)]
    expected = reference.ids(must)
    expected_framed = reference.ids(framed)
    candidates: list[str | None] = [None]
    if vocabulary.model == "gpt2":
        candidates = [*pre_tokenizer_candidates(source)]
    difference = ""
    for candidate in candidates:
        write(file, candidate)
        try:
            found = tokenize(file, [*must, *framed])
        except ConversionFailed as error:
            if len(candidates) == 1:
                raise
            difference = difference or error.message  # this llama.cpp may not know that one
            continue
        finally:
            file.unlink(missing_ok=True)
        different = _differences(must, expected, found)
        limit = _limit(vocabulary, candidate, source)
        excused = [text for text in different if limit is not None and limit.concerns(text)]
        if len(different) == len(excused):
            if limit is not None and excused:
                notices.append(f"{limit.notice}, for example {excused[0][:40]!r}.")
            if swallowed := _differences(framed, expected_framed, found[len(must) :]):
                notices.append(_about_special(swallowed[0], alone))
            return Verified(candidate, len(must) - len(excused), notices)
        wrong = next(text for text in different if text not in excused)
        difference = difference or f"{wrong!r}" + (f" with {candidate!r}" if candidate else "")
    tried = f" with any of {len(candidates)} pre-tokenizers" if len(candidates) > 1 else ""
    raise checkpoint.refusal(
        f"llama.cpp does not split text as its tokenizer does{tried}; the first difference: "
        f"{difference}",
        file="tokenizer.json",
    )


def _differences(texts: list[str], expected: list[list[int]], found: list[list[int]]) -> list[str]:
    return [t for t, ids, others in zip(texts, expected, found, strict=False) if ids != others]


def _limit(vocabulary: Vocabulary, pre: str | None, source: dict[str, object]) -> Limit | None:
    """The text llama.cpp is known to split otherwise, though the pre-tokenizer is the right one.

    Only for tokenizers identified beyond doubt: by their expression, or by their kind.
    """
    if vocabulary.model == "bert" and vocabulary.strip_accents:
        return _HANGUL_AND_MARKS
    if vocabulary.adds_space_prefix and uses_metaspace(source):
        return _LEADING_SPACE
    if pre in ("gpt-4o", "tekken") and pre_tokenizer_candidates(source)[0] == pre:
        return _MARKS
    return None


def _about_special(text: str, tokens: list[AddedToken]) -> str:
    why = (
        "some of them swallow white space in the original"
        if any(token.strips for token in tokens)
        else "llama.cpp puts a space there, or the original does"
    )
    return (
        f"Text beside special tokens is split differently, for example {text!r}: {why}. "
        "Plain text and the special tokens themselves are equal."
    )
