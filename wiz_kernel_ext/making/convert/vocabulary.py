"""A tokenizer as llama.cpp wants it: from tokenizer.json and its companions to GGUF keys.

Knows byte-level BPE, SentencePiece-style BPE and WordPiece; refuses the others by name. Which
pre-tokenizer llama.cpp must be told is left open here: `verification.py` finds it by trying.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.making.convert.checkpoint import MAX_TOKENIZER_BYTES, Checkpoint

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MAX_TOKENS = 2_000_000
_FILE = "tokenizer.json"
_SPACE = "\u2581"


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in the text before anything else."""

    id: int
    text: str
    special: bool
    strips: bool
    single_word: bool


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id with their types; `model` is "gpt2", "llama" (SentencePiece) or "bert"."""

    model: str
    tokens: list[str]
    types: list[int]
    added: list[AddedToken]
    merges: list[str] | None = None
    scores: list[float] | None = None
    adds_space_prefix: bool | None = None
    lowercase: bool | None = None
    strip_accents: bool | None = None


def read_vocabulary(checkpoint: Checkpoint, n_rows: int) -> Vocabulary:
    """The vocabulary of `checkpoint`, as long as its embedding has rows (`n_rows`).

    Tokens added beyond the embedding are left out, missing ones are filled with unused tokens.
    Raises ConversionRefused for a tokenizer llama.cpp cannot be given faithfully.
    """
    source = checkpoint.read_json(_FILE, MAX_TOKENIZER_BYTES)
    if source is None:
        raise checkpoint.refusal(
            "there is no tokenizer.json",
            "Write one with transformers (AutoTokenizer.from_pretrained(…).save_pretrained(…)).",
            file=_FILE,
        )
    model = source.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if kind is None and isinstance(model, dict) and "merges" in model:
        kind = "BPE"  # old files do not say it
    if not isinstance(model, dict) or kind not in ("BPE", "WordPiece"):
        raise checkpoint.refusal(
            f"its tokenizer is of the kind {kind!r}; only BPE and WordPiece can be carried over",
            file=_FILE,
        )
    added = list(_added(checkpoint, source))
    texts = _texts(checkpoint, model, added, n_rows)
    added = [token for token in added if token.id < n_rows]
    vocabulary = _by_kind(checkpoint, source, model, texts, added, kind)
    if len(set(vocabulary.tokens)) < n_rows:  # llama.cpp ends the process then
        raise checkpoint.refusal("two of its tokens have the same text", file=_FILE)
    return vocabulary


def _by_kind(
    checkpoint: Checkpoint,
    source: dict[str, Any],
    model: dict[str, Any],
    texts: list[str | None],
    added: list[AddedToken],
    kind: str,
) -> Vocabulary:
    if kind == "WordPiece":
        return _word_piece(checkpoint, source, model, texts, added)
    merges = _merges(checkpoint, model)
    if any(step.get("type") == "ByteLevel" for step in _steps(source.get("pre_tokenizer"))):
        types = [UNUSED if text is None else NORMAL for text in texts]
        tokens = _with_added(texts, types, added)
        return Vocabulary("gpt2", tokens, types, added, merges=[" ".join(pair) for pair in merges])
    return _sentence_piece(checkpoint, source, model, texts, added, merges)


def _sentence_piece(
    checkpoint: Checkpoint,
    source: dict[str, Any],
    model: dict[str, Any],
    texts: list[str | None],
    added: list[AddedToken],
    merges: list[tuple[str, str]],
) -> Vocabulary:
    known = {text: i for i, text in enumerate(texts) if text is not None}
    if not model.get("byte_fallback") or any(f"<0x{b:02X}>" not in known for b in range(256)):
        raise checkpoint.refusal(
            "its BPE tokenizer is neither byte-level nor does it fall back to bytes", file=_FILE
        )
    types = [UNUSED if text is None else NORMAL for text in texts]
    for byte in range(256):
        types[known[f"<0x{byte:02X}>"]] = BYTE
    # llama.cpp joins the neighbours whose joint token has the highest score: the earliest merge.
    scores = [-1e9] * len(texts)
    for rank, (left, right) in reversed(list(enumerate(merges))):
        token = known.get(left + right)
        if token is not None:
            scores[token] = -float(rank)
    plain = [
        AddedToken(t.id, t.text.replace(_SPACE, " "), t.special, t.strips, t.single_word)
        if not t.special
        else t
        for t in added
    ]
    tokens = _with_added(texts, types, plain)
    unknown = known.get(str(model.get("unk_token")))
    if unknown is not None:
        types[unknown] = UNKNOWN
    return Vocabulary(
        "llama", tokens, types, added, scores=scores, adds_space_prefix=_adds_prefix(source)
    )


def _word_piece(
    checkpoint: Checkpoint,
    source: dict[str, Any],
    model: dict[str, Any],
    texts: list[str | None],
    added: list[AddedToken],
) -> Vocabulary:
    if model.get("continuing_subword_prefix", "##") != "##":
        raise checkpoint.refusal("its WordPiece tokenizer does not mark pieces by ##", file=_FILE)
    normalizer = next(
        (s for s in _steps(source.get("normalizer")) if s.get("type") == "BertNormalizer"), None
    )
    if normalizer is None or not normalizer.get("handle_chinese_chars", True):
        raise checkpoint.refusal("its WordPiece tokenizer has no BertNormalizer", file=_FILE)
    lowercase = bool(normalizer.get("lowercase"))
    accents = normalizer.get("strip_accents")
    types = [UNUSED if text is None else NORMAL for text in texts]
    # llama.cpp marks the beginning of a word, where WordPiece marks its continuation.
    marked = [
        text if text is None else text[2:] if text.startswith("##") else _SPACE + text
        for text in texts
    ]
    return Vocabulary(
        "bert",
        _with_added(marked, types, added),
        types,
        added,
        lowercase=lowercase,
        strip_accents=lowercase if accents is None else bool(accents),
    )


def _added(checkpoint: Checkpoint, source: dict[str, Any]) -> Iterator[AddedToken]:
    entries = source.get("added_tokens") or []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            raise checkpoint.refusal(
                "one of its added tokens is none", "Download it again.", file=_FILE
            )
        number, text = entry.get("id"), entry.get("content")
        if not isinstance(number, int) or number < 0 or not isinstance(text, str) or not text:
            raise checkpoint.refusal("one of its added tokens has no id or text", file=_FILE)
        yield AddedToken(
            number,
            text,
            bool(entry.get("special")),
            bool(entry.get("lstrip") or entry.get("rstrip")),
            bool(entry.get("single_word")),
        )


def _texts(
    checkpoint: Checkpoint, model: dict[str, Any], added: list[AddedToken], n_rows: int
) -> list[str | None]:
    """Each id's text; None where there is none."""
    vocabulary = model.get("vocab")
    if (
        not isinstance(vocabulary, dict)
        or n_rows > MAX_TOKENS
        or not all(isinstance(i, int) for i in vocabulary.values())
    ):
        raise checkpoint.refusal("its vocabulary is not readable", file=_FILE)
    beyond_added = {token.id for token in added}
    texts: list[str | None] = [None] * n_rows
    for text, number in vocabulary.items():
        if 0 <= number < n_rows:
            texts[number] = text
        elif number not in beyond_added:
            raise checkpoint.refusal(
                f"its tokenizer has a token {number}, its embedding only {n_rows} rows", file=_FILE
            )
    return texts


def _with_added(texts: list[str | None], types: list[int], added: list[AddedToken]) -> list[str]:
    """The token list, with added tokens and fillers in their places; sets their `types`."""
    for token in added:
        texts[token.id] = token.text
        types[token.id] = CONTROL if token.special else USER_DEFINED
    taken = {text for text in texts if text is not None}
    filler = "[PAD{}]" if "[PAD0]" not in taken else "[WIZ-PAD{}]"
    return [filler.format(i) if text is None else text for i, text in enumerate(texts)]


def _merges(checkpoint: Checkpoint, model: dict[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    merges = model.get("merges")
    for merge in merges if isinstance(merges, list) else []:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if (
            not isinstance(parts, list)
            or len(parts) != 2
            or not all(isinstance(part, str) and part for part in parts)
        ):
            raise checkpoint.refusal(f"its merge {merge!r} is no pair", file=_FILE)
        pairs.append((parts[0], parts[1]))
    return pairs


def _adds_prefix(source: dict[str, Any]) -> bool:
    for step in _steps(source.get("normalizer")):
        if step.get("type") == "Prepend":
            return True
    for step in _steps(source.get("pre_tokenizer")):
        if step.get("type") == "Metaspace":
            scheme = step.get("prepend_scheme")
            return scheme != "never" if scheme else bool(step.get("add_prefix_space", True))
    return False


def _steps(step: Any, depth: int = 4) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, a sequence or a single one."""
    if not isinstance(step, dict) or not depth:
        return []
    if step.get("type") == "Sequence":
        inner = step.get("normalizers") or step.get("pretokenizers")
        parts = inner if isinstance(inner, list) else []
        return [s for part in parts for s in _steps(part, depth - 1)]
    return [step]


def composes(source: dict[str, Any]) -> bool:
    """Whether the tokenizer composes letters and marks (NFC) first, which llama.cpp does not."""
    return any(step.get("type") == "NFC" for step in _steps(source.get("normalizer")))


def uses_metaspace(source: dict[str, Any]) -> bool:
    """Whether spaces are marked by the pre-tokenizer, which spares text that begins with one."""
    return any(step.get("type") == "Metaspace" for step in _steps(source.get("pre_tokenizer")))


def pre_tokenizer_candidates(source: dict[str, Any]) -> list[str]:
    """llama.cpp's pre-tokenizers to try, the most likely first, by the expressions in the file."""
    steps = _steps(source.get("pre_tokenizer"))
    patterns = [s["pattern"] for s in steps if isinstance(s.get("pattern"), dict)]
    expression = " ".join(str(p.get("Regex", "")) for p in patterns)
    digits = any(s.get("type") == "Digits" and s.get("individual_digits") for s in steps)
    likely: list[str] = []
    if r"\p{Lu}" in expression:
        likely = ["gpt-4o", "tekken"] if "(?i:" in expression else ["tekken", "gpt-4o"]
    elif r"\p{L}\p{M}" in expression and r"\p{N}{1,3}" not in expression:
        likely = ["qwen35"]
    elif r"\p{N}{1,3}" in expression:
        likely = ["llama-bpe", "dbrx", "deepseek-v3"]
    elif r"|\p{N}|" in expression:
        likely = ["qwen2", "stablelm2"]
    elif digits:
        likely = ["smollm", "starcoder"]
    elif not expression:
        likely = ["gpt-2"]
    others = "llama-bpe qwen2 gpt-2 smollm gpt-4o tekken falcon deepseek-llm deepseek-coder".split()
    return list(dict.fromkeys([*likely, *others]))
