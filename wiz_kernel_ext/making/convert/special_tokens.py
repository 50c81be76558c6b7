"""Which tokens begin, end and fill, what ends an answer, and the chat template.

Knows the files that say so, and which wins: tokenizer_config.json, special_tokens_map.json,
generation_config.json, config.json. Called by `job.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.vocabulary import Vocabulary

MAX_TEMPLATE_BYTES = 4 << 20
# What llama.cpp takes for the end of an answer by its text alone (llama-vocab.cpp).
_KNOWN_ENDS = frozenset(
    """<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn>
    <|endoftext|> </s> <|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance>
    <eos> <turn|> <|tool_response> <｜end▁of▁sentence｜> [e~[""".split()
)
_ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding"} | {
    "cls": "cls",
    "mask": "mask",
}


@dataclass(frozen=True)
class SpecialTokens:
    """Ids by llama.cpp's name of their role, its switches, and the template(s)."""

    ids: dict[str, int]
    add_bos: bool
    add_eos: bool
    templates: dict[str, str]
    notices: list[str]


def read_special_tokens(
    checkpoint: Checkpoint, vocabulary: Vocabulary, affixes: tuple[list[int], list[int]]
) -> SpecialTokens:
    """The special tokens; `affixes` are the ids the tokenizer puts before and after a text."""
    settings = checkpoint.read_json("tokenizer_config.json") or {}
    mapping = checkpoint.read_json("special_tokens_map.json") or {}
    by_text = {token.text: token.id for token in vocabulary.added}
    notices: list[str] = []
    ids: dict[str, int] = {}
    for role, name in _ROLES.items():
        number = by_text.get(_text(settings.get(f"{role}_token")) or "")
        if number is None:
            number = by_text.get(_text(mapping.get(f"{role}_token")) or "")
        if number is None:
            number = next(iter(_numbers(checkpoint, f"{role}_token_id", vocabulary)), None)
        if number is not None:
            ids[name] = number
    if vocabulary.model == "bert":
        ids["bos"] = ids.get("cls", ids.get("bos", 101))
    ends = [n for n in _numbers(checkpoint, "eos_token_id", vocabulary) if n != ids.get("eos")]
    unknown_ends = [n for n in ends if vocabulary.tokens[n] not in _KNOWN_ENDS]
    for role in ("eot", "eom"):
        if unknown_ends:
            ids[role] = unknown_ends.pop(0)
    if unknown_ends:
        names = ", ".join(vocabulary.tokens[n] for n in unknown_ends)
        notices.append(f"llama.cpp will not take these tokens for the end of an answer: {names}.")
    before, after = affixes
    add_bos = before == [ids.get("bos")]
    add_eos = after == [ids.get("eos")]
    extra = [*before[add_bos:], *after[add_eos:]]
    if extra and vocabulary.model != "bert":
        names = ", ".join(vocabulary.tokens[n] for n in extra if n < len(vocabulary.tokens))
        notices.append(
            f"The original puts these tokens around a text, llama.cpp will not: {names}."
        )
    return SpecialTokens(
        ids,
        _switch(settings, "add_bos_token", add_bos),
        _switch(settings, "add_eos_token", add_eos),
        _templates(checkpoint, settings, notices),
        notices,
    )


def _numbers(checkpoint: Checkpoint, key: str, vocabulary: Vocabulary) -> list[int]:
    """The ids under `key`, which may be one or a list, generation_config.json's first."""
    found: list[int] = []
    for source in (checkpoint.read_json("generation_config.json") or {}, checkpoint.config):
        value = source.get(key)
        numbers = value if isinstance(value, list) else [value]
        found += [n for n in numbers if _is_id(n, len(vocabulary.tokens))]
    return list(dict.fromkeys(found))


def _is_id(value: object, n_tokens: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < n_tokens


def _text(value: Any) -> str | None:
    """A token's text, given as it is or as the object transformers writes."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _switch(settings: dict[str, Any], key: str, otherwise: bool) -> bool:
    value = settings.get(key)
    return value if isinstance(value, bool) else otherwise


def _templates(
    checkpoint: Checkpoint, settings: dict[str, Any], notices: list[str]
) -> dict[str, str]:
    """The chat templates by name; the file of its own wins over the settings."""
    own = checkpoint.read("chat_template.jinja", MAX_TEMPLATE_BYTES)
    if own is not None:
        return {"default": own.decode("utf-8", "replace")}
    stored = settings.get("chat_template")
    if stored is None:
        stored = (checkpoint.read_json("chat_template.json") or {}).get("chat_template")
    if isinstance(stored, str):
        return {"default": stored}
    if isinstance(stored, list):
        named = {
            str(entry["name"]): entry["template"]
            for entry in stored
            if isinstance(entry, dict)
            and "name" in entry
            and isinstance(entry.get("template"), str)
        }
        if named and "default" not in named:
            first = next(iter(named))
            notices.append(f"The model has no default chat template; {first!r} became it.")
            named["default"] = named[first]
        return named
    return {}
