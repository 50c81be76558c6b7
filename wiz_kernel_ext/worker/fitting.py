"""A prompt as tokens that fit: what is left out of a conversation too long for its context.

Runs on the threads that encode; decides with `engine/overflow.py`. "summarize" asks the model
itself, in prompts of their own (`summarizing.py`). Called by `LlamaWorker`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from wiz_kernel_ext.engine.overflow import HEAD, KEEP, Cut, plan_cut, room_for
from wiz_kernel_ext.errors import ContextNotLoaded, ContextOverflow
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import AnyPrompt
from wiz_kernel_ext.protocol.results import AnswerInfo, LeftOut
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.cuts import Known
from wiz_kernel_ext.worker.encoding import Encoding
from wiz_kernel_ext.worker.loaded import Encoded
from wiz_kernel_ext.worker.model_host import CONTEXT_HINT, ModelHost
from wiz_kernel_ext.worker.summarizing import Summary, summary_size

Ask = Callable[[Encoded, PromptOptions, Call], Awaitable[AnswerInfo | None]]

SUMMARY_TITLE = "Summary of the conversation so far:"


@dataclass(frozen=True)
class Planned:
    """A cut, and how long the prompt was without it and is with it, in tokens."""

    cut: Cut
    n_whole: int
    n_kept: int
    before: Known | None = None


class Fitting:
    """How `messages` become the prompt of `request`; one for each prompt."""

    def __init__(self, host: ModelHost, messages: list[ChatMessage], request: AnyPrompt[Any]):
        self._host = host
        self._messages = messages
        self._request = request
        # There is nothing to leave out of what is before a gap.
        self._policy = "refuse" if request.suffix is not None else request.overflow or "refuse"
        self._way = f"{self._policy} {request.chat_template}"

    async def encoded(self, encoding: Encoding, call: Call, ask: Ask) -> Encoded | None:
        """The prompt's tokens; None where it is cancelled before.

        `ask` answers a prompt of the worker's own. Raises ContextOverflow where the system prompt
        and the last question alone do not fit, BadRequest, ModelNotLoaded, ContextNotLoaded.
        """
        found = await encoding.run(self._first, call)
        if isinstance(found, Planned):
            planned = found
            summary = await Summary(
                lambda messages: self._encode(messages, plain=True),
                lambda encoded, options: ask(encoded, options, call),
                self._context_size,
            ).of(planned.cut, self._messages, planned.before, encoding, call)
            if summary is None:
                return None
            found = await encoding.run(lambda: self._summarized(planned, summary), call)
        if found is not None and found.left_out is not None:
            call.emit(Notice(text=notice(found.left_out)))
        return found

    def shown(self) -> Encoded:
        """What the model would read now; without a summary where none was made yet."""
        if self._policy == "refuse":
            return self._encode(self._messages)
        found = self._first()
        return self._summarized(found, "", keep=False) if isinstance(found, Planned) else found

    def _first(self) -> Encoded | Planned:
        """The prompt, or where a summary is missing how it will be cut."""
        if self._policy == "refuse":
            return self._encode(self._messages)
        self._look()
        known = self._cuts.find(self._way, self._messages)
        if known is not None and known.n_whole > self._room:
            # What it begins with did not fit already.
            encoded = self._with(known)
            if len(encoded.tokens) <= self._room:
                return encoded
        whole = self._encode(self._messages)
        n_whole = len(whole.tokens)
        if n_whole <= self._room:
            return whole
        cut = self._plan(n_whole)
        if cut is None:
            if n_whole <= self._most:
                return whole
            raise ContextOverflow(
                f"The system prompt and the last question alone do not fit: with {self._policy!r} "
                f"neither is left out. The conversation has {n_whole} tokens; the context holds "
                f"{self._context_size}, with the answer.",
                hint="Shorten them, or load the model anew with a larger context: `--ctx N`, "
                "`--reload`.",
                n_prompt_tokens=n_whole,
                context_size=self._context_size,
            )
        planned = Planned(cut, n_whole, self._count(cut), known)
        return planned if self._policy == "summarize" else self._summarized(planned, "")

    def _look(self) -> None:
        """How much room there is now."""
        self._looks: dict[Cut, Encoded] = {}
        with self._host.reading(context=True) as loaded:
            info, self._cuts = loaded.context_info, loaded.cuts
        if info is None:
            raise ContextNotLoaded(hint=CONTEXT_HINT)
        self._context_size = info.context_size
        self._most = info.context_size - 1
        self._room = room_for(info.context_size, self._request.options.max_tokens)

    def _plan(self, n_whole: int) -> Cut | None:
        room, most = self._room, self._most
        goals = [int(KEEP * room), room, most]
        if self._policy == "summarize":
            n_summary = summary_size(self._context_size)
            goals = [*(goal - n_summary for goal in goals), most]
        n_head = int(HEAD * room) if self._policy == "middle" else 0
        return plan_cut(self._messages, n_whole, sorted(goals), self._count, n_head=n_head)

    def _count(self, cut: Cut) -> int:
        return len(self._kept(cut).tokens)

    def _kept(self, cut: Cut) -> Encoded:
        """The prompt of what a cut leaves; what was encoded to look is not encoded again."""
        if cut not in self._looks:
            self._looks[cut] = self._encode(cut.kept(self._messages))
        return self._looks[cut]

    def _summarized(self, planned: Planned, summary: str, *, keep: bool = True) -> Encoded:
        """The prompt of a cut; the summary is shortened where it came out too long to fit."""
        n_tokens = planned.n_whole - planned.n_kept
        while True:
            known = Known(planned.cut, n_tokens, planned.n_whole, summary)
            encoded = self._with(known)
            if not summary or len(encoded.tokens) <= self._most:
                break
            summary = summary[: len(summary) // 2].rstrip()
        if keep:
            self._cuts.keep(self._way, self._messages, known)
        return encoded

    def _with(self, known: Known) -> Encoded:
        """The prompt with what a cut leaves, and its summary."""
        encoded = None if known.summary else self._kept(known.cut)
        if encoded is None:
            kept = known.cut.kept(self._messages)
            with self._host.reading(context=True) as loaded:
                takes_system = loaded.encoder(self._request.chat_template).takes_system
            encoded = self._encode(with_summary(kept, known.summary, as_system=takes_system))
        left_out = LeftOut(
            policy=self._policy,
            messages=known.cut.left_out(self._messages),
            n_tokens=known.n_tokens,
            summary=known.summary,
        )
        return replace(encoded, left_out=left_out)

    def _encode(self, messages: list[ChatMessage], *, plain: bool = False) -> Encoded:
        """`messages` as this request's prompt; `plain` without its tools and its prefill."""
        request = self._request
        if plain:
            return self._host.encode(messages, None, request.chat_template)
        return self._host.encode(
            messages,
            request.tools,
            request.chat_template,
            request.options,
            request.adapters,
            prefill=request.prefill,
            suffix=request.suffix,
        )


def with_summary(
    messages: list[ChatMessage], summary: str, *, as_system: bool
) -> list[ChatMessage]:
    """`messages` with what stands for those left out: in the system prompt, or the first question.

    Where there is no system prompt, it is one.
    """
    text = f"{SUMMARY_TITLE} {summary}"
    if not as_system:
        at = next(i for i, message in enumerate(messages) if message.role != "system")
        first = msgspec.structs.replace(messages[at], content=f"{text}\n\n{messages[at].content}")
        return [*messages[:at], first, *messages[at + 1 :]]
    if messages[0].role != "system":
        return [ChatMessage(role="system", content=text), *messages]
    system = msgspec.structs.replace(messages[0], content=f"{messages[0].content}\n\n{text}")
    return [system, *messages[1:]]


def notice(left_out: LeftOut) -> str:
    """What a cell says of it: "left out: 12 messages (3,400 tokens), the oldest"."""
    n = len(left_out.messages)
    where = {"middle": "from the middle"}.get(left_out.policy, "the oldest")
    stands = "; a summary stands for them" if left_out.summary else ""
    messages = "1 message" if n == 1 else f"{n:,} messages"
    return f"left out: {messages} ({left_out.n_tokens:,} tokens), {where}{stands}"


def completed(info: AnswerInfo, encoded: Encoded) -> AnswerInfo:
    """`info` with what its prompt was given of it: how the answer begins, what was left out."""
    text = encoded.prefill + info.text
    return msgspec.structs.replace(info, text=text, left_out=encoded.left_out)
