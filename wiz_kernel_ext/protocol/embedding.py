"""Vectors of texts, and texts in the order in which they answer a query: asked for and answered.

Many texts are sent a part at a time, so that no message grows without bound; `parts` cuts them and
the results are joined again by whoever asked.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

from msgspec import Meta, field
from msgspec.structs import replace

from wiz_kernel_ext.errors import BadRequest, NotSupported
from wiz_kernel_ext.protocol.requests import Request, SessionName
from wiz_kernel_ext.protocol.results import ModelInfo, Result
from wiz_kernel_ext.protocol.values import plain
from wiz_kernel_ext.remedies import worded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

Pooling = Literal["mean", "cls", "last", "rank"]
RankedBy = Literal["reranker", "cosine"]

TEXTS_AT_ONCE = 256
CHARACTERS_AT_ONCE = 1 << 20
"""Of the texts of one part, where that is more than one text."""
MOST_TEXTS = 4096

Texts = Annotated[list[str], Meta(min_length=1, max_length=MOST_TEXTS)]


class Embeddings(Result, frozen=True, kw_only=True):
    """The vectors of `n` texts, in their order: `vectors` are float32, little-endian, n × `dims`.

    `pooling` is how a text's tokens became one vector; `n_tokens` how many were computed.
    `truncated` are the texts that were longer than can be read, by their place: what was left over
    is not in their vectors. `notices` say that too, and what else is to be known of them.
    Where only that is left of an operation, `vectors` is empty: they are not kept.
    """

    n: int
    dims: int
    vectors: bytes
    pooling: Pooling
    n_tokens: int = 0
    truncated: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    model_path: str = ""

    def array(self) -> Array:
        """The vectors as an array of numpy's, n × dims; its own, to be written to."""
        import numpy as np  # not before it is needed

        return np.frombuffer(self.vectors, "<f4").reshape(self.n, self.dims).astype(np.float32)

    def rows(self) -> list[list[float]]:
        """The vectors as lists of numbers."""
        numbers = [number for (number,) in struct.iter_unpack("<f", self.vectors)]
        return [numbers[i * self.dims : (i + 1) * self.dims] for i in range(self.n)]


class Scores(Result, frozen=True, kw_only=True):
    """How well each text answers the query, in the order of the texts; more is better.

    `ranked_by`: a reranker's own scores (any number), or cosines of vectors (from -1 to 1).
    """

    scores: list[float]
    ranked_by: RankedBy
    n_tokens: int = 0
    truncated: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    model_path: str = ""


class Embed(Request[Embeddings], frozen=True, kw_only=True):
    """Vectors of texts, each of length one with `normalize`.

    The model is the one named, else that of this client, else that of `session`; `autoload` as in
    `AnyPrompt`. Raises NotSupported for a model that makes no vectors, BadRequest
    naming the text ("texts[3]") that has nothing to be read.
    """

    target = "worker:embed"
    operation = "embed"
    is_apart = True
    texts: Texts
    normalize: bool = False
    model_path: str | None = None
    session: SessionName | None = None
    autoload: bool = False


class Rerank(Request[Scores], frozen=True, kw_only=True):
    """Scores of texts as answers to `query`: a reranking model's, or else cosines of vectors."""

    target = "worker:rerank"
    operation = "rerank"
    query: str
    texts: Texts
    model_path: str | None = None
    session: SessionName | None = None
    autoload: bool = False


class Ranked(Result, frozen=True, kw_only=True):
    """One of the texts that were ranked, and its place among them when they were given."""

    index: int
    text: str
    score: float


class Ranking(Result, frozen=True, kw_only=True):
    """Texts, the best first; `ranked_by`, `truncated` and `notices` as in `Scores`."""

    ranked: list[Ranked]
    ranked_by: RankedBy
    truncated: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.ranked)

    @overload
    def __getitem__(self, place: int) -> Ranked: ...
    @overload
    def __getitem__(self, place: slice) -> list[Ranked]: ...
    def __getitem__(self, place: int | slice) -> Ranked | list[Ranked]:
        return self.ranked[place]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        lines = [f"{one.score:9.4f}  [{one.index}] {one.text}" for one in self.ranked]
        printer.text("\n".join([*lines, *self.notices]))


def checked_texts(texts: Any) -> list[str]:
    """`texts`, a list or column of them, as a list; raises BadRequest naming what is none."""
    if isinstance(texts, str | bytes | bytearray):
        raise BadRequest(
            "texts is a single text, and a list is taken.", hint="Give [text].", field="texts"
        )
    is_column = hasattr(texts, "dtype") or not isinstance(texts, Iterable)
    values = plain(texts if is_column else list(texts), "texts")
    if not isinstance(values, list) or not values:
        what = "is empty" if isinstance(values, list) else "is no list"
        raise BadRequest(f"texts {what}.", hint="Give at least one text.", field="texts")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value:
            raise no_text(index, value)
    return values


def no_text(index: int, value: Any = "", *, name: str = "") -> BadRequest:
    """What is wrong with a text that is none, or has nothing to be read."""
    name = name or f"texts[{index}]"
    if not isinstance(value, str):
        kind = "None" if value is None else f"a {type(value).__name__}"
        return BadRequest(
            f"{name} is {kind}, not a text.", hint="Give texts only: str(value).", field=name
        )
    return BadRequest(
        f"{name} has nothing to be read: the model has no tokens for it.",
        hint="Leave texts out that are empty.",
        field=name,
    )


def parts(texts: list[str]) -> list[range]:
    """Which texts are sent together: so many at once, and no more characters than that."""
    found, start, n_characters = [], 0, 0
    for index, text in enumerate(texts):
        n_characters += len(text)
        is_full = index - start == TEXTS_AT_ONCE or n_characters > CHARACTERS_AT_ONCE
        if is_full and index > start:
            found.append(range(start, index))
            start, n_characters = index, len(text)
    return [*found, range(start, len(texts))]


def moved(error: BadRequest, by: int) -> BadRequest:
    """`error` of a part whose first text has number `by` among all."""
    named = str(error.details.get("field", ""))
    if not by or not named.startswith("texts[") or not named.endswith("]"):
        return error
    name = f"texts[{int(named[6:-1]) + by}]"
    details = {**error.details, "field": name}
    return type(error)(error.message.replace(named, name), hint=error.info().hint, **details)


def joined(results: list[Embeddings]) -> Embeddings:
    """The results of all parts as one; `truncated` counts on over them, a notice is said once."""
    first = results[0]
    return replace(
        first,
        n=sum(one.n for one in results),
        vectors=b"".join(one.vectors for one in results),
        n_tokens=sum(one.n_tokens for one in results),
        truncated=_counted_on([(one.n, one.truncated) for one in results]),
        notices=list(dict.fromkeys(text for one in results for text in one.notices)),
    )


def ranking(texts: list[str], results: list[Scores]) -> Ranking:
    """`texts` by the scores of all their parts; equal ones in the order they were given."""
    scores = [score for one in results for score in one.scores]
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    return Ranking(
        ranked=[Ranked(index=i, text=texts[i], score=scores[i]) for i in order],
        ranked_by=results[0].ranked_by,
        truncated=_counted_on([(len(one.scores), one.truncated) for one in results]),
        notices=list(dict.fromkeys(text for one in results for text in one.notices)),
    )


def warn_of(notices: list[str]) -> None:
    """Let whoever gets bare vectors know what is to be known of them, at the asker's line.

    Called by the method that was asked.
    """
    for text in notices:
        warnings.warn(worded(text), EmbeddingWarning, stacklevel=3)


class EmbeddingWarning(UserWarning):
    """Vectors are there, and something is to be known of them."""


def _counted_on(parts: list[tuple[int, list[int]]]) -> list[int]:
    found, start = [], 0
    for n, truncated in parts:
        found += [start + index for index in truncated]
        start += n
    return found


def check_answers(model: ModelInfo) -> None:
    """Raise NotSupported where `model` cannot answer a prompt."""
    if model.kind == "text":
        return
    is_reranker = model.kind == "reranker"
    does = "rates texts" if is_reranker else "makes vectors of texts"
    call, name = ("rerank(query, texts)", "reranker") if is_reranker else ("embed(texts)", "it")
    raise NotSupported(
        f"{model.name} {does}, and cannot answer.",
        hint=f"Use {call} with {'this ' + name if is_reranker else name}, or load a chat model.",
        field="prompt",
    )
