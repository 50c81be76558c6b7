"""How a prompt travels through a worker: encoded, submitted to the engine, answered, checked.

Runs on an asyncio thread; what concerns the model is queued on the engine's. Called by
`LlamaWorker` with the whole conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import msgspec

from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import ContextNotLoaded, ModelNotLoaded, WizError
from wiz_kernel_ext.protocol.events import Delta
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt
from wiz_kernel_ext.protocol.requests import Prompt
from wiz_kernel_ext.protocol.results import AnswerInfo, AnswerShape
from wiz_kernel_ext.worker.alternatives import Plan, chosen, plan_of
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.encoding import Encoding
from wiz_kernel_ext.worker.engine_loop import EngineLoop
from wiz_kernel_ext.worker.fitting import Fitting, completed
from wiz_kernel_ext.worker.loaded import Encoded
from wiz_kernel_ext.worker.model_host import ModelHost
from wiz_kernel_ext.worker.prompt_views import counted, shown

T = TypeVar("T")


class Prompts:
    """Answers conversations on the model of `host`, whose thread `loop` is."""

    def __init__(self, loop: EngineLoop, host: ModelHost) -> None:
        self._loop = loop
        self._host = host
        self._encoding = Encoding()

    def close(self) -> None:
        """Encode nothing more."""
        self._encoding.close()

    async def answer(
        self, messages: list[ChatMessage], request: Prompt, call: Call, owner: str | None
    ) -> AnswerInfo:
        """What the model says to `messages`, the latest of them the question.

        Raises what `ModelHost.encode` and `submit` do, and AnswerInvalid.
        """
        encoded = None if call.cancelled else await self._encoded(messages, request, call)
        if encoded is None:
            return AnswerInfo(text="", finish_reason="cancelled")
        plan = plan_of(request.options)
        if encoded.prefill and not plan.picks_best:
            call.emit(Delta(text=encoded.prefill, n_tokens=0))
        infos = [
            await asyncio.to_thread(_read, completed(info, encoded), encoded, request.options.shape)
            for info in await self._answers(encoded, plan, call, owner)
        ]
        path = self._host.model_path or ""
        return msgspec.structs.replace(chosen(infos, plan), model_path=path)

    async def show(self, messages: list[ChatMessage], request: ShowPrompt) -> ShownPrompt:
        """What `messages` would have the model read; raises what `shown` does."""
        return await self._look(lambda: shown(self._host, messages, request), context=True)

    async def count(self, request: Count) -> int:
        """How many tokens a text or messages are; raises ModelNotLoaded."""
        return await self._look(lambda: counted(self._host, request), context=False)

    async def _answers(
        self, encoded: Encoded, plan: Plan, call: Call, owner: str | None
    ) -> list[AnswerInfo]:
        """One answer for each options of `plan`, from one reading; if one fails, none."""
        ends = [_End() for _ in plan.each]

        def submit() -> None:
            for n, (options, end) in enumerate(zip(plan.each, ends, strict=True)):
                listener = Listener(on_event=plan.heard(n, call.emit), on_end=end.take)
                constraint = encoded.constraint
                part = (
                    encoded
                    if not n or constraint is None
                    else replace(encoded, constraint=constraint.copy())
                )
                sequence = self._host.submit(part, options, listener, owner)
                # Here, so that an asker who gives up just now leaves no answer nobody can stop.
                call.on_cancel(partial(self._interrupt, partial(self._host.cancel, sequence)))

        await self._loop.call(submit)
        try:
            return list(await asyncio.gather(*(end.value for end in ends)))
        except WizError:
            call.cancel()
            raise

    async def _encoded(
        self, messages: list[ChatMessage], request: Prompt, call: Call
    ) -> Encoded | None:
        """The prompt's tokens; None where it is cancelled before."""
        fitting = Fitting(self._host, messages, request)
        return await self._once_there(
            lambda: fitting.encoded(self._encoding, call, self._asked), context=True
        )

    async def _asked(
        self, encoded: Encoded, options: PromptOptions, call: Call
    ) -> AnswerInfo | None:
        """The answer to a prompt of the worker's own; None where `call` is cancelled."""
        quiet = Call()
        call.on_cancel(quiet.cancel)
        (info,) = await self._answers(encoded, Plan((options,)), quiet, None)
        return None if call.cancelled else info

    async def _look(self, look: Callable[[], T], *, context: bool) -> T:
        """What `look` finds, on a thread that encodes: whoever is being answered goes on."""
        found = await self._once_there(lambda: self._encoding.run(look, Call()), context=context)
        assert found is not None  # nobody cancels it
        return found

    async def _once_there(self, work: Callable[[], Awaitable[T]], *, context: bool) -> T:
        """What `work` ends in; again, where its model or context was still on its way."""
        try:
            return await work()
        except (ModelNotLoaded, ContextNotLoaded):
            # What was asked for before this may still be on its way to the engine's thread.
            await self._loop.call(lambda: self._host.check(context=context))
            return await work()

    def _interrupt(self, command: Callable[[], object]) -> None:
        """Run `command` on the engine's thread, without waiting for the end of a long step."""
        self._loop.post(command)
        self._host.abort()


def _read(info: AnswerInfo, encoded: Encoded, shape: AnswerShape) -> AnswerInfo:
    """`info` and what it is: calls, or of the shape asked for. Raises AnswerInvalid."""
    if not info.incomplete:
        if encoded.tools is not None and (calls := encoded.tools.read(info.text)):
            return msgspec.structs.replace(info, tool_calls=calls, shape="tools")
        if encoded.constraint is not None and shape != "free":
            # Around calls there are control tokens, which the text only names.
            encoded.constraint.check(info.text, anew=encoded.tools is None)
    return msgspec.structs.replace(info, shape=shape)


class _End:
    """The end of one answer, told on the engine's thread, waited for on the asker's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.value: asyncio.Future[AnswerInfo] = self._loop.create_future()

    def take(self, end: AnswerInfo | WizError) -> None:
        """The answer, or what was in its way."""
        with suppress(RuntimeError):  # the asker's event loop is closed
            self._loop.call_soon_threadsafe(self._settle, end)

    def _settle(self, end: AnswerInfo | WizError) -> None:
        if self.value.done():
            return
        if isinstance(end, WizError):
            self.value.set_exception(end)
        else:
            self.value.set_result(end)
