"""Whole conversations: skills mixed, with system prompts, memories over turns, and tools.

`Author` weighs the skills; training tells it how well each one goes (`focus`), and what still fails
is written more often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import words
from .capitals import capital
from .concepts import concept
from .echo import again, echo
from .greetings import closing, greeting
from .how_to import how_to
from .identity import identity
from .memory import fact, introduction, unnamed
from .numbers import addition, counting
from .records import record
from .stories import story
from .tools import Tool, offers
from .unknown import unknown
from .writer import Turn, Writer

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "Você é um assistente útil",
    "Você é um assistente útil.",
    "You are a helpful AI assistant.",
    "Você é um assistente prestativo. Responda em português.",
    "Answer briefly.",
    "Be concise.",
    "You are an assistant inside a Jupyter notebook.",
    "You are a coding assistant.",
    "Answer with one short sentence.",
    "Seja breve.",
]

# skill -> (its author, how often it is written when all go equally well)
Maker = Callable[[Writer], list[Turn]]
SKILLS: dict[str, tuple[Maker, float]] = {
    "greeting": (greeting, 1.6),
    "closing": (closing, 0.8),
    "identity": (identity, 2.6),
    "capital": (capital, 3.0),
    "sum": (addition, 6.0),
    "counting": (counting, 0.8),
    "how-to": (how_to, 4.0),
    "concept": (concept, 3.6),
    "echo": (echo, 11.0),
    "json": (record, 7.0),
    "story": (story, 0.25),
    "unknown": (unknown, 3.5),
    "name unknown": (unnamed, 0.4),
}
MEMORY, TOOLS = "name memory", "tool call"
_GROUPS = {MEMORY: 0.15, TOOLS: 0.25}  # shares of conversations; the rest is plain chat


@dataclass
class Dialogue:
    """One conversation: system prompt or None, turns, and the tools on offer."""

    turns: list[Turn]
    system: str | None = None
    tools: list[Tool] = field(default_factory=list)


class Author:
    """Writes conversations without end.

    Args:
        writer: the seeded source of every choice.
        warm_up: copy tasks only; copying is what so small a model learns last.
    """

    def __init__(self, writer: Writer, *, warm_up: bool = False) -> None:
        self.writer = writer
        self.warm_up = warm_up
        self._accuracy: Mapping[str, float] = {}

    def focus(self, accuracy: Mapping[str, float]) -> None:
        """Write more of the skills that still fail (accuracy from 0 to 1 per skill)."""
        self._accuracy = dict(accuracy)

    def _need(self, skill: str) -> float:
        return 0.25 + 0.75 * (1.0 - self._accuracy.get(skill, 0.0))

    def chat(self) -> list[Turn]:
        """Return one exchange or a few that belong together, of a skill chosen by need."""
        if self.warm_up and self.writer.chance(0.7):
            return echo(self.writer) if self.writer.chance(0.6) else record(self.writer)
        weights = [share * self._need(skill) for skill, (_, share) in SKILLS.items()]
        make = self.writer.rng.choices([make for make, _ in SKILLS.values()], weights)[0]
        turns = make(self.writer)
        if not self.writer.held_out and self.writer.chance(0.01) and len(turns[-1].answer) < 300:
            turns.append(again(self.writer, turns[-1]))
        return turns

    def system(self) -> str | None:
        """Return a system prompt, or None (often)."""
        roll = self.writer.rng.random()
        if roll < 0.4:
            return None
        if roll < 0.9 or self.writer.held_out:
            return self.writer.choice(SYSTEM_PROMPTS)
        chosen = [self.writer.choice(SYSTEM_PROMPTS) for _ in range(self.writer.rng.randint(1, 2))]
        if self.writer.chance(0.5):
            chosen.append(
                " ".join(words.word(self.writer) for _ in range(self.writer.rng.randint(3, 12)))
            )
        return " ".join(chosen)

    def dialogue(self, least_turns: int = 0) -> Dialogue:
        """Return the next conversation, with at least this many turns."""
        memory = _GROUPS[MEMORY] * self._need(MEMORY)
        tools = 0.0 if self.warm_up else _GROUPS[TOOLS] * self._need(TOOLS)
        roll = self.writer.rng.random() * (memory + tools + 1.0 - sum(_GROUPS.values()))
        if roll < tools:
            return self._with_tools()
        if roll < tools + memory:
            turns = self.remembering(max(least_turns - 2, 0))
        else:
            turns = self.chat()
            while len(turns) < least_turns or self.writer.chance(0.42):
                turns += self.chat()
        return Dialogue(turns, self.system())

    def remembering(self, between: int = 0) -> list[Turn]:
        """Return a memory told, other turns, and the question for it."""
        writer = self.writer
        language = writer.language()
        told, asked = (
            introduction(writer, language) if writer.chance(0.75) else fact(writer, language)
        )
        turns = self.chat() if writer.chance(0.15) else []
        if writer.chance(0.06):  # an earlier name: the last one told is the one that counts
            turns.append(introduction(writer, language)[0])
        turns.append(told)
        between = max(between, writer.choice([0, 0, 1, 1, 2, 3, 4]))
        other: list[Turn] = []
        while len(other) < between:
            # a name asked for in passing must not come before it is told
            other += [turn for turn in self.chat() if turn.skill != "name unknown"]
        if len(other) > 0 and writer.chance(0.15):  # two memories at once
            more_told, more_asked = (
                fact(writer, language)
                if told.skill == "name told"
                else introduction(writer, language)
            )
            pair = [asked, more_asked]
            writer.rng.shuffle(pair)
            return [*turns, *other[:1], more_told, *other[1:], *pair]
        return [*turns, *other, asked]

    def _with_tools(self) -> Dialogue:
        """Return a conversation with tools on offer; several uses share the cost of the prompt."""
        writer = self.writer
        offered = offers(writer, writer.choice([1, 1, 1, 2, 2]))
        turns = self._no_tool_needed() if writer.chance(0.25) else []
        while not turns or writer.chance(0.5):
            if turns and writer.chance(0.2):
                turns += self._no_tool_needed()
            else:
                turns += writer.choice(offered).ask()
        return Dialogue(turns, self.system(), [offer.tool for offer in offered])

    def _no_tool_needed(self) -> list[Turn]:
        """Return an exchange that is answered without a tool although tools are offered."""
        make = self.writer.choice([greeting, identity, closing, capital, how_to, concept, echo])
        return make(self.writer)
