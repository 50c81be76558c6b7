"""How an answer is sampled: one flat set of options, the same on every face."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wiz_kernel_ext.protocol.depth import MAX_DEPTH, is_too_deep
from wiz_kernel_ext.protocol.results import AnswerShape

MAX_INT32 = 2**31 - 1
"""llama.cpp's counts are 32 bits."""
MAX_LOOK_BACK = 1 << 20
"""Tokens a repetition sampler looks back at most: it keeps that many in memory for each prompt."""
MAX_CHOICES = 10_000
MAX_LOGPROBS = 20
MAX_ANSWERS = 32
CONSTRAINTS = ("schema", "regex", "choices", "grammar")
NonNegative = Annotated[float, Meta(ge=0.0)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Penalty = Annotated[float, Meta(ge=-2.0, le=2.0)]
Count = Annotated[int, Meta(ge=0, le=MAX_INT32)]
LookBack = Annotated[int, Meta(ge=-1, le=MAX_LOOK_BACK)]
Positive = Annotated[int, Meta(ge=1, le=MAX_INT32)]


class PromptOptions(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Sampling options (`LLamaChatPromptOptions` of the original); None is the engine's default.

    temperature 0 is greedy. `max_tokens` bounds the answer, in tokens. `stop` ends it before any
    of these strings. `allow_repeats` lets it go on where it says the same lines ten times in a row,
    which otherwise ends it as "runaway". `lookup` guesses that it repeats what stands in its prompt
    (an edited text, code), and computes several tokens in one step where it does: by itself where
    the text is drawn; asked for, with a seed and at temperature 0 too, where tokens nearly as
    likely may then change places. `seed` makes it repeatable. `logit_bias` maps a token id (as
    text) or a token's text to a bias in logits. Semantics of each sampler are llama.cpp's.
    """

    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    top_k: Count | None = None
    top_p: Probability | None = None
    min_p: Probability | None = None
    typical_p: Probability | None = None
    repeat_penalty: Annotated[float, Meta(gt=0.0, le=10.0)] | None = None
    repeat_last_n: LookBack | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    dry_multiplier: NonNegative | None = None
    dry_base: NonNegative | None = None
    dry_allowed_length: Count | None = None
    dry_penalty_last_n: LookBack | None = None
    xtc_probability: Probability | None = None
    xtc_threshold: Probability | None = None
    mirostat: Annotated[int, Meta(ge=0, le=2)] | None = None
    mirostat_tau: NonNegative | None = None
    mirostat_eta: NonNegative | None = None
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    logit_bias: dict[str, float] | None = None
    max_tokens: Positive | None = None
    allow_repeats: bool | None = None
    lookup: bool | None = None
    stop: list[str] | None = None
    schema: dict[str, Any] | None = None
    regex: str | None = None
    choices: Annotated[list[str], Meta(min_length=1, max_length=MAX_CHOICES)] | None = None
    grammar: str | None = None
    think: bool | Positive | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_LOGPROBS)] | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_ANSWERS)] | None = None
    best: bool | None = None
    reproducible: bool | None = None

    def __post_init__(self) -> None:
        if len(given := [name for name in CONSTRAINTS if getattr(self, name) is not None]) > 1:
            raise ValueError(f"{given[0]} and {given[1]} exclude each other")
        if self.schema is not None and is_too_deep(self.schema):
            raise ValueError(f"schema is nested more than {MAX_DEPTH} deep")

    @property
    def shape(self) -> AnswerShape:
        """What the answer is to be."""
        given = next((one for one in CONSTRAINTS if getattr(self, one) is not None), None)
        return "json" if given == "schema" else "text" if given else "free"

    def given(self) -> dict[str, Any]:
        """The options that were set, by their Python names."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }

    def over(self, defaults: PromptOptions) -> PromptOptions:
        """These options, with `defaults` where one was not set."""
        return PromptOptions(**{**defaults.given(), **self.given()})
