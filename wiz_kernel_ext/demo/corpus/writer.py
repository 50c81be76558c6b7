"""Who writes the corpus: seeded choices, the train/held-out split, and the surface of a prompt.

Every skill asks a `Writer` for its choices, so that one seed gives one corpus and the held-out
half can never leak: each list is split by position, every fifth entry is kept for evaluation.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

HELD_OUT_EVERY = 5
_SLOT = re.compile(r"(\{\w+\})")

_LEADS = {
    "en": ["Please, ", "Hi! ", "Hey, ", "Tell me: ", "So, ", "OK, ", "Hello! ", "Now, ", "Well, "],
    "pt": ["Por favor, ", "Oi! ", "Olá! ", "Me diga: ", "Então, ", "Bom, ", "Agora, ", "Certo, "],
}
_TAILS = {"en": [" please", " Thanks!", ", please", " thank you"],
          "pt": [" por favor", " Obrigado!", ", por favor", " obrigada"]}  # fmt: skip


def lines(text: str) -> list[str]:
    """Split a block of wordings, one per line."""
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def part(options: Sequence[T], held_out: bool) -> list[T]:
    """Return the training or the held-out part of a list: every fifth entry is held out."""
    last = HELD_OUT_EVERY - 1
    return [x for i, x in enumerate(options) if (i % HELD_OUT_EVERY == last) == held_out]


@dataclass(frozen=True)
class Turn:
    """One exchange: what is asked (by the user or by a tool's result) and the right answer."""

    prompt: str
    answer: str
    skill: str
    role: str = "user"


@dataclass(frozen=True)
class Voice:
    """How a prompt is typed: letter case, punctuation, accents, courtesies."""

    case: str = "plain"  # plain, lower or upper
    bare: bool = False  # no closing punctuation, no apostrophes
    accents: bool = True
    lead: str = ""
    tail: str = ""

    def cased(self, text: str) -> str:
        """Return text in this voice's letter case, with or without accents."""
        if self.case == "lower":
            text = text.lower()
        elif self.case == "upper":
            text = text.upper()
        if not self.accents:
            text = "".join(
                c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)
            )
        return text

    def say(self, wording: str, **slots: object) -> str:
        """Return the prompt: the wording in this voice, its {slots} filled with values as given."""
        if self.lead:
            first = (
                wording
                if wording.startswith(("I ", "{", "I'"))
                else wording[:1].lower() + wording[1:]
            )
            wording = self.lead + first
        if self.tail:
            wording = (wording.rstrip("?.!") if self.tail.startswith(",") else wording) + self.tail
        pieces = _SLOT.split(wording)
        if self.bare:
            pieces[-1] = pieces[-1].rstrip(" ?.!")
            pieces = [p if p.startswith("{") else p.replace("'", "") for p in pieces]
        return "".join(str(slots[p[1:-1]]) if p.startswith("{") else self.cased(p) for p in pieces)


class Writer:
    """Seeded choices over one part of the split.

    Args:
        seed: one seed, one corpus.
        held_out: write evaluation text (held-out wordings, names, cities) instead of training text.
    """

    def __init__(self, seed: int | str, *, held_out: bool = False) -> None:
        self.rng = random.Random(seed)
        self.held_out = held_out

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.rng.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Choose from the whole list: for what is not split (colours, countries, …)."""
        return options[self.rng.randrange(len(options))]

    def kept(self, options: Sequence[T]) -> T:
        """Choose from this writer's part of the list: wordings, names, cities, words."""
        return self.choice(part(options, self.held_out))

    def language(self) -> str:
        """Choose English or Portuguese."""
        return "en" if self.chance(0.58) else "pt"

    def voice(self, language: str = "en", *, courtesies: bool = True) -> Voice:
        """Choose how the next prompt is typed."""
        case = self.rng.choices(["plain", "lower", "upper"], [0.65, 0.27, 0.08])[0]
        if self.held_out:  # the wordings are the test: no courtesies on top of them
            return Voice(case=case, bare=case == "lower" or self.chance(0.15))
        polite = courtesies and self.chance(0.16)
        return Voice(
            case=case,
            bare=self.chance(0.6 if case == "lower" else 0.2),
            accents=not self.chance(0.2 if case == "lower" else 0.05),
            lead=self.choice(_LEADS[language]) if polite and self.chance(0.6) else "",
            tail=self.choice(_TAILS[language]) if polite and self.chance(0.5) else "",
        )
