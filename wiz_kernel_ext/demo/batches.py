"""Training batches: conversations written on the fly, tokenized, grouped by length."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .chat_template import Segment, segments
from .corpus import Author, Dialogue

# What the user says is worth a little: it teaches the words. One token in four stands for all.
PROMPT_WEIGHT, PROMPT_SHARE = 0.4, 0.25
_CHUNK = 600  # conversations written and sorted by length at a time


@dataclass
class Batch:
    """Token ids (rows, time), the loss weight of each, and which answer it belongs to.

    An answer of 10 tokens weighs 10, one of 1,000 weighs 100: a story must not drown a sum.

    `answers` numbers the answers of the whole batch from 1 (0: no answer); `skills[i - 1]` is
    what answer i is about.
    """

    ids: Tensor
    weights: Tensor
    answers: Tensor
    skills: list[str]


@dataclass
class Row:
    """One tokenized conversation: ids, and for each the index of its answer from 1, or 0."""

    ids: list[int]
    answers: list[int]
    skills: list[str]


def messages(dialogue: Dialogue) -> list[dict[str, str]]:
    """Return a conversation in the role and content form, answers included."""
    found = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
    for turn in dialogue.turns:
        found.append({"role": turn.role, "content": turn.prompt})
        found.append({"role": "assistant", "content": turn.answer})
    return found


def rendered(dialogue: Dialogue) -> list[Segment]:
    """Return the conversation as the chat template writes it."""
    skills = [turn.skill for turn in dialogue.turns]
    return segments(messages(dialogue), dialogue.tools, skills)


class Batches:
    """An endless iterator of batches of about `tokens` tokens.

    Args:
        long_share: share of conversations stretched over many turns, so that recall works late
            in the context too.
    """

    def __init__(
        self, author: Author, tokenizer: Tokenizer, *, tokens: int, context: int, seed: int
    ) -> None:
        self.author = author
        self.long_share = 0.0
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._context = context
        self._rng = random.Random(seed)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        while True:
            rows = sorted(self._rows(), key=lambda row: len(row.ids) + self._rng.random() * 6)
            groups: list[list[Row]] = [[]]
            for row in rows:
                if groups[-1] and len(row.ids) * (len(groups[-1]) + 1) > self._tokens:
                    groups.append([])
                groups[-1].append(row)
            self._rng.shuffle(groups)
            for group in groups:
                yield _batch(group)

    def _rows(self) -> list[Row]:
        pieces = [rendered(self._dialogue()) for _ in range(_CHUNK)]
        encoded = iter(self._tokenizer.encode_batch([s.text for p in pieces for s in p]))
        rows = []
        for conversation in pieces:
            row = Row([], [], [])
            for segment in conversation:
                ids = next(encoded).ids
                if segment.skill:
                    row.skills.append(segment.skill)
                row.ids += ids
                row.answers += [len(row.skills) if segment.skill else 0] * len(ids)
            if len(row.ids) <= self._context:
                rows.append(row)
        return rows

    def _dialogue(self) -> Dialogue:
        if self._rng.random() < self.long_share:
            return self.author.dialogue(self._rng.choice([6, 10, 15, 25, 40]))
        return self.author.dialogue()


def _batch(rows: list[Row]) -> Batch:
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    answers = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    skills: list[str] = []
    for i, row in enumerate(rows):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        own = torch.tensor(row.answers)
        prompt = (torch.rand(length) < PROMPT_SHARE) * PROMPT_WEIGHT
        answer_length = torch.bincount(own, minlength=1)[own]
        weights[i, :length] = torch.where(own > 0, (10.0 / answer_length) ** 0.5, prompt)
        answers[i, :length] = torch.where(own > 0, own + len(skills), 0)
        skills += row.skills
    return Batch(ids, weights, answers, skills)
