"""`Answer`: the text of a finished prompt, and what is known about it."""

from __future__ import annotations

from wiz_kernel_ext.protocol.results import AnswerInfo, FinishReason, LeftOut, Timings, Usage


class Answer(str):
    """A `str` with `.usage`, `.timings`, `.finish_reason`, `.operation_id` and `.session`.

    `left_out` says what of a conversation too long was not read (None: all was).

    `finish_reason` is "stop" (the model ended it), "length" (max_tokens or the context was full),
    "runaway" (it said the same over and over, and was ended), "cancelled" or "interrupted" (what
    there was until then).
    """

    usage: Usage
    timings: Timings
    finish_reason: FinishReason
    operation_id: str
    session: str
    model_path: str
    left_out: LeftOut | None

    def __new__(cls, info: AnswerInfo) -> Answer:
        """The answer that `info` describes."""
        self = super().__new__(cls, info.text)
        self.usage = info.usage
        self.timings = info.timings
        self.finish_reason = info.finish_reason
        self.operation_id = info.operation_id
        self.session = info.session
        self.model_path = info.model_path
        self.left_out = info.left_out
        return self

    def __getnewargs__(self) -> tuple[AnswerInfo]:  # type: ignore[override]
        return (self.info(),)

    def info(self) -> AnswerInfo:
        """The same as a wire message."""
        return AnswerInfo(
            text=str(self),
            finish_reason=self.finish_reason,
            usage=self.usage,
            timings=self.timings,
            operation_id=self.operation_id,
            session=self.session,
            model_path=self.model_path,
            left_out=self.left_out,
        )

    def _repr_markdown_(self) -> str:
        return str(self)
