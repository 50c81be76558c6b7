"""From texts to the tokens a vector is made of: what stands around them, and how much is taken.

A text is never read as control tokens. Runs beside the engine, on threads that encode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.vectors import EmbeddingFacts
from wiz_kernel_ext.protocol.embedding import no_text


@dataclass
class ReadTexts:
    """Texts as tokens; `truncated` are the places of those that were cut."""

    tokens: list[list[int]] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)

    @property
    def n_tokens(self) -> int:
        """How many tokens they have."""
        return sum(map(len, self.tokens))


class TextReader:
    """Reads texts for one model, of at most `longest` tokens each."""

    def __init__(self, model: Model, facts: EmbeddingFacts, longest: int) -> None:
        self._model = model
        self._longest = longest
        self._template = facts.rerank_template
        self._before, self._after = model.text_frame()

    def read(self, texts: Sequence[str]) -> ReadTexts:
        """Each text by itself; raises BadRequest naming the first that has no tokens."""
        found = ReadTexts()
        for index, text in enumerate(texts):
            tokens = self._plain(text)
            if not tokens:
                raise no_text(index)
            self._add(found, index, self._before, tokens, self._after)
        return found

    def read_query(self, query: str) -> ReadTexts:
        """A query by itself; raises BadRequest where it has no tokens."""
        found = ReadTexts()
        tokens = self._plain(query)
        if not tokens:
            raise no_text(0, name="query")
        self._add(found, 0, self._before, tokens, self._after)
        return found

    def read_pairs(self, query: str, texts: Sequence[str]) -> ReadTexts:
        """Each text behind the query, as a reranker was taught: only the text is ever cut.

        By the model's own template, else begin query end separator text end. A query that leaves a
        text less than half of the room is cut to that.
        """
        asked = self._plain(query)
        if not asked:
            raise no_text(0, name="query")
        before, after, n_cut = self._around(asked)
        found = ReadTexts()
        for index, text in enumerate(texts):
            tokens = self._plain(text)
            if not tokens:
                raise no_text(index)
            self._add(found, index, before, tokens, after, is_cut=n_cut > 0)
        return found

    def _around(self, asked: list[int]) -> tuple[list[int], list[int], int]:
        """What stands before and behind a text, and how much of the query had to go."""
        n_cut = max(0, len(asked) - self._longest // 2)
        asked = asked[: len(asked) - n_cut]
        if self._template is None:
            return [*self._before, *asked, *self._model.pair_frame()], self._after, n_cut
        # The query is put in as tokens, so that nothing in it is read as control.
        first, _, rest = self._template.partition("{query}")
        between, _, last = rest.partition("{document}")
        begin, middle, end = (
            self._model.tokenize(part, parse_special=True) for part in (first, between, last)
        )
        return [*begin, *asked, *middle], end, n_cut

    def _add(
        self,
        found: ReadTexts,
        index: int,
        before: list[int],
        tokens: list[int],
        after: list[int],
        *,
        is_cut: bool = False,
    ) -> None:
        n_room = max(1, self._longest - len(before) - len(after))
        if is_cut or len(tokens) > n_room:
            found.truncated.append(index)
        found.tokens.append([*before, *tokens[:n_room], *after])

    def _plain(self, text: str) -> list[int]:
        return self._model.tokenize(text, parse_special=False)
