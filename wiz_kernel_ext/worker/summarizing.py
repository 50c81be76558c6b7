"""What old turns said, in the model's own words: asked in pieces that fit, each with what came out.

Knows messages and a way to ask; nothing of threads but those it is given. Called by `fitting.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from wiz_kernel_ext.engine.overflow import Cut
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.cuts import Known
from wiz_kernel_ext.worker.encoding import Encoding
from wiz_kernel_ext.worker.loaded import Encoded

MAX_SUMMARY = 512
"""The longest summary, in tokens; less in a small context, of which it takes an eighth."""
STAGE = "summary"
_LEAST_CHARS = 16
_CHARS_PER_TOKEN = 8
"""More than any text has: the first try of a piece is too long rather than too short."""


def summary_size(context_size: int) -> int:
    """The longest summary in such a context, in tokens."""
    return max(1, min(context_size // 8, MAX_SUMMARY))


class Summary:
    """Sums up for one prompt; `encode` and `ask` are how its model is asked."""

    def __init__(
        self,
        encode: Callable[[list[ChatMessage]], Encoded],
        ask: Callable[[Encoded, PromptOptions], Awaitable[AnswerInfo | None]],
        context_size: int,
    ) -> None:
        self._encode = encode
        self._ask = ask
        self._size = summary_size(context_size)
        self._limit = context_size - self._size - 1
        self._n_chars = _CHARS_PER_TOKEN * context_size

    async def of(
        self,
        cut: Cut,
        messages: Sequence[ChatMessage],
        before: Known | None,
        encoding: Encoding,
        call: Call,
    ) -> str | None:
        """What stands for the messages of `cut`; None where it is cancelled.

        What `before` has summed up already is taken from there. Empty where the context is too
        small to ask, or the model says nothing.
        """
        summary, done_before = (before.summary, before.cut.end) if before else ("", 0)
        new = [messages[i] for i in cut.left_out(messages) if i >= done_before or not summary]
        text, at = _transcript(new), 0
        options = PromptOptions(temperature=0.0, max_tokens=self._size)
        while at < len(text):
            call.emit(Progress(stage=STAGE, done=float(at), total=float(len(text))))
            piece = await encoding.run(partial(self._piece, text, at, summary), call)
            if piece is None:
                return None
            encoded, at = piece
            if encoded is None:
                return summary
            answer = await self._ask(encoded, options)
            if answer is None:
                return None
            summary = " ".join(answer.text.split()) or summary
        return summary

    def _piece(self, text: str, start: int, summary: str) -> tuple[Encoded | None, int]:
        """The next question, of as much of `text` from `start` on as fits, and where that ends."""
        n_chars = min(self._n_chars, len(text) - start)
        while n_chars >= min(_LEAST_CHARS, len(text) - start):
            end = _end(text, start, start + n_chars)
            encoded = self._encode([self._question(text[start:end], summary)])
            n_over = len(encoded.tokens) - self._limit
            if n_over <= 0:
                self._n_chars = max(n_chars, _LEAST_CHARS)
                return encoded, end
            # The question around it does not shrink along: never by less than a tenth.
            n_chars = int(min(0.9 * n_chars, n_chars * self._limit / len(encoded.tokens)))
        return None, len(text)

    def _question(self, piece: str, summary: str) -> ChatMessage:
        before = f"What came before, summed up:\n{summary}\n\n" if summary else ""
        return ChatMessage(
            role="user",
            content=f"{before}{piece.strip()}\n\nSum up this conversation in at most "
            f"{max(8, self._size // 2)} words: names, facts, decisions and open questions.",
        )


def _transcript(messages: Sequence[ChatMessage]) -> str:
    return "".join(f"{message.role}: {message.content}\n" for message in messages)


def _end(text: str, start: int, end: int) -> int:
    """Where to end a piece: behind a line or a word, if one ends in its second half."""
    if end >= len(text):
        return len(text)
    middle = (start + end) // 2
    at = max(text.rfind("\n", middle, end), text.rfind(" ", middle, end))
    return at + 1 if at >= 0 else end
