"""Several answers to one prompt: with one seed after the other, from one reading.

The engine shares what is read; here is who asks for which, and which answer is the text.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress, Thinking
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import Alternative, AnswerInfo, Usage

N_SEEDS = 1 << 32
ALL_ALIKE = "At temperature 0 all answers are the same: one was computed."
OnEvent = Callable[[AnyEvent], object]


@dataclass(frozen=True)
class Plan:
    """The options of each answer; with `picks_best` the likeliest is the text, told at the end."""

    each: tuple[PromptOptions, ...]
    picks_best: bool = False
    tells_logprobs: bool = False
    notice: str = ""

    def heard(self, n: int, emit: OnEvent) -> OnEvent:
        """What the asker hears of answer `n`: the first comes as it is written."""
        if n == 0 and self.notice:
            emit(Notice(text=self.notice))
        if n == 0 and not self.picks_best:
            return emit

        def without_text(event: AnyEvent) -> None:
            is_first = n == 0 and isinstance(event, Progress)
            if is_first or not isinstance(event, Delta | Thinking | Progress):
                emit(event)

        return without_text


def plan_of(options: PromptOptions) -> Plan:
    """Who is to answer how."""
    n, picks_best = options.n or 1, bool(options.best)
    if n == 1:
        return Plan((options,), tells_logprobs=options.logprobs is not None)
    if options.temperature == 0:
        return Plan((options,), tells_logprobs=options.logprobs is not None, notice=ALL_ALIKE)
    first = secrets.randbits(32) if options.seed is None else options.seed
    each = tuple(replace(options, seed=(first + i) % N_SEEDS) for i in range(n))
    return Plan(each, picks_best, options.logprobs is not None)


def chosen(infos: list[AnswerInfo], plan: Plan) -> AnswerInfo:
    """One answer for all: the first, or the likeliest, with the others as its alternatives."""
    if len(infos) == 1:
        return infos[0] if plan.tells_logprobs else replace(infos[0], logprobs=None)
    means = [_mean(info) for info in infos]
    best = max(range(len(infos)), key=lambda i: _rank(means[i])) if plan.picks_best else 0
    return replace(
        infos[best],
        logprobs=infos[best].logprobs if plan.tells_logprobs else None,
        usage=_all_of([info.usage for info in infos], infos[best].usage),
        alternatives=[
            Alternative(
                text=info.text,
                finish_reason=info.finish_reason,
                thinking=info.thinking,
                tool_calls=info.tool_calls,
                seed=options.seed,
                logprob=mean,
                incomplete=info.incomplete,
                n_tokens=info.usage.n_tokens,
            )
            for info, options, mean in zip(infos, plan.each, means, strict=True)
        ],
    )


def _mean(info: AnswerInfo) -> float | None:
    known = info.logprobs
    return sum(one.logprob for one in known) / len(known) if known else None


def _rank(mean: float | None) -> float:
    return float("-inf") if mean is None else mean


def _all_of(usages: list[Usage], first: Usage) -> Usage:
    """The prompt was read once; the tokens of all answers were written."""
    names = [name for name in Usage.__struct_fields__ if not name.endswith("prompt_tokens")]
    names.remove("n_cached_tokens")
    return replace(first, **{name: sum(getattr(u, name) for u in usages) for name in names})
