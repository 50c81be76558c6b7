"""Evaluation cases: held-out wordings, names, cities and words, and the one right answer to each.

How the model is asked is not known here (see `evaluate`). Greedy decoding, exact match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .corpus import SYSTEM_PROMPTS, Author, Dialogue, Tool, Turn, Writer
from .corpus.capitals import capital, follow_up
from .corpus.concepts import concept
from .corpus.echo import again, echo
from .corpus.greetings import closing, greeting
from .corpus.how_to import how_to
from .corpus.identity import identity
from .corpus.memory import fact, introduction, unnamed
from .corpus.numbers import addition, counting
from .corpus.records import record
from .corpus.stories import story
from .corpus.tools import offers
from .corpus.unknown import unknown

SEED = 20_260_101


@dataclass(frozen=True)
class Case:
    """One question with its history and the answer that counts as right."""

    skill: str
    history: list[dict[str, str]]
    prompt: str
    expected: str
    role: str = "user"
    tools: list[Tool] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, str]]:
        """History and prompt together."""
        return [*self.history, {"role": self.role, "content": self.prompt}]


def _plain(*makers: Callable[[Writer], list[Turn]]) -> Callable[[Writer], Dialogue]:
    def make(writer: Writer) -> Dialogue:
        turns = [turn for maker in makers for turn in maker(writer)]
        return Dialogue(turns, _system(writer))

    return make


def _system(writer: Writer) -> str | None:
    return None if writer.chance(0.4) else writer.choice(SYSTEM_PROMPTS)


def _memory(writer: Writer) -> Dialogue:
    told, asked = introduction(writer, writer.language())
    return Dialogue([told, *_between(writer), asked], _system(writer))


def _fact(writer: Writer) -> Dialogue:
    told, asked = fact(writer, writer.language())
    return Dialogue([told, *_between(writer), asked], _system(writer))


def _between(writer: Writer) -> list[Turn]:
    author = Author(writer)
    turns: list[Turn] = []
    for _ in range(writer.choice([0, 1, 2, 3])):
        turns += [t for t in author.chat() if t.skill not in ("name unknown", "story")]
    return turns


def _again(writer: Writer) -> Dialogue:
    turns = writer.choice([capital, echo, addition])(writer)
    return Dialogue([*turns, again(writer, turns[-1])], _system(writer))


def _sum(skill: str) -> Callable[[Writer], Dialogue]:
    def make(writer: Writer) -> Dialogue:
        while (turn := addition(writer)[0]).skill != skill:
            pass
        return Dialogue([turn], _system(writer))

    return make


def _no_tool(writer: Writer) -> Dialogue:
    turns = writer.choice([greeting, identity, capital, concept])(writer)
    return Dialogue(
        turns, _system(writer), [offer.tool for offer in offers(writer, writer.choice([1, 2]))]
    )


def _tools(count: int, turns: int) -> Callable[[Writer], Dialogue]:
    def make(writer: Writer) -> Dialogue:
        offered = offers(writer, count)
        turns_made = writer.choice(offered).ask()[:turns]
        return Dialogue(turns_made, _system(writer), [offer.tool for offer in offered])

    return make


# The skills, each at least 70 %, and the further ones the corpus teaches.
REQUIRED: dict[str, Callable[[Writer], Dialogue]] = {
    "greeting": _plain(greeting),
    "identity": _plain(identity),
    "capitals": _plain(capital),
    "sums to 20": _sum("sum"),
    "how-tos": _plain(how_to),
    "concepts": _plain(concept),
    "name memory": _memory,
    "echo": _plain(echo),
    "json": _plain(record),
    "tool call, 1 tool": _tools(1, 1),
    "tool call, 2 tools": _tools(2, 1),
    "tool answer, 1 tool": _tools(1, 2),
    "tool answer, 2 tools": _tools(2, 2),
    "does not know": _plain(unknown),
}
FURTHER: dict[str, Callable[[Writer], Dialogue]] = {
    "closing": _plain(closing),
    "capitals, follow-up": _plain(follow_up),
    "fact memory": _fact,
    "name not told": _plain(unnamed),
    "say again": _again,
    "sums above 20": _sum("sum above 20"),
    "counting": _plain(counting),
    "story": _plain(story),
    "tools offered, none needed": _no_tool,
}


def cases(count: int, seed: int = SEED) -> list[Case]:
    """Return `count` different cases per skill; the same seed gives the same list."""
    found: list[Case] = []
    for skill, make in (REQUIRED | FURTHER).items():
        writer = Writer(f"{seed}/{skill}", held_out=True)
        found += [_case(skill, make(writer)) for _ in range(count)]
    return found


def _case(skill: str, dialogue: Dialogue) -> Case:
    history: list[dict[str, str]] = []
    if dialogue.system:
        history.append({"role": "system", "content": dialogue.system})
    *before, last = dialogue.turns
    for turn in before:
        history.append({"role": turn.role, "content": turn.prompt})
        history.append({"role": "assistant", "content": turn.answer})
    return Case(skill, history, last.prompt, last.answer, last.role, dialogue.tools)
