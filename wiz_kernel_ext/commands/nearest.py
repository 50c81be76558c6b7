"""Which name was meant: near in letters or in meaning, and never what does the opposite. Pure."""

from __future__ import annotations

from collections.abc import Iterable

# What other tools call it, or what one would say. An empty name: nothing here does that.
MEANT = {
    # options
    "c": "ctx",
    "context": "ctx",
    "context-length": "ctx",
    "context-size": "ctx",
    "ctx-size": "ctx",
    "max-length": "max-tokens",
    "max-new-tokens": "max-tokens",
    "n-batch": "batch",
    "n-ctx": "ctx",
    "n-gpu-layers": "gpu-layers",
    "n-predict": "max-tokens",
    "n-threads": "threads",
    "ngl": "gpu-layers",
    "num-ctx": "ctx",
    "num-predict": "max-tokens",
    "parallel": "seqs",
    "repetition-penalty": "repeat-penalty",
    "sequences": "seqs",
    "system-prompt": "system",
    "t": "temperature",
    "template": "chat-template",
    "y": "yes",
    # commands
    "ask": "prompt",
    "check": "verify",
    "complete": "prompt",
    "delete": "rm",
    "download": "pull",
    "fetch": "pull",
    "find": "search",
    "generate": "prompt",
    "get": "pull",
    "history": "sessions",
    "info": "inspect",
    "kill": "stop",
    "list": "models",
    "log": "logs",
    "ls": "models",
    "ps": "status",
    "push": "",
    "quit": "stop",
    "remove": "rm",
    "run": "prompt",
    "show": "inspect",
    "shutdown": "stop",
    "start": "load",
    "upload": "",
}
# These undo or destroy something: only a slip of one letter can mean them.
_GRAVE = {"cancel", "force", "overwrite", "reload", "remove", "rm", "stop", "unload", "yes"}
_OPPOSITES = [
    {"load", "unload"},
    {"start", "stop"},
    {"pull", "rm"},
    {"new", "remove"},
    {"keep-alive", "stop"},
]
_NEGATIONS = ("no-", "un", "not-", "dis", "non-")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name in `known` that `word` was probably meant to be."""
    names = {name.lstrip("-"): name for name in known}
    bare = word.lstrip("-").lower().replace("_", "-")
    if bare in names:
        return names[bare]
    if bare in MEANT:
        return names.get(MEANT[bare])
    possible = [name for name in names if not _are_opposites(bare, name)]
    if bare and (longer := [name for name in possible if name.startswith(bare)]):
        return names[min(longer, key=len)]
    near = [(slips(bare, name), name) for name in possible]
    near = [(n, name) for n, name in near if n <= (1 if name in _GRAVE else _most_slips(bare))]
    return names[min(near)[1]] if near else None


def _most_slips(word: str) -> int:
    """How many slips still leave a word what it was: of "load" one, and "unload" is two away."""
    return 0 if len(word) < 3 else 1 if len(word) < 8 else 2 if len(word) < 13 else 3


def _are_opposites(one: str, other: str) -> bool:
    """Whether one of two names says no to the other, or is known to do the opposite."""
    for negation in _NEGATIONS:
        if slips(one, negation + other) <= 1 and one.startswith(negation):
            return True
        if other == negation + one or (other.startswith(negation) and not one.startswith(negation)):
            return True
    return {one, other} in _OPPOSITES


def slips(one: str, other: str) -> int:
    """Letters to leave out, add, change or swap with the next to make one word the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
