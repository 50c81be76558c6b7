"""`Answer`: the text of a finished prompt, and what is known about it."""

from __future__ import annotations

from typing import Any

from wiz_kernel_ext.errors import AnswerIncomplete
from wiz_kernel_ext.protocol.results import (
    Alternative,
    AnswerInfo,
    AnswerShape,
    FinishReason,
    LeftOut,
    Timings,
    TokenLogprob,
    ToolCall,
    Usage,
)
from wiz_kernel_ext.protocol.shapes import read_json


class Answer(str):
    """A `str` with the fields of `AnswerInfo`, and `value`, what it says as Python.

    `finish_reason` is "stop" (the model ended it), "length" (max_tokens or the context was full),
    "runaway" (it said the same over and over, and was ended), "cancelled" or "interrupted" (what
    there was until then).
    """

    usage: Usage
    timings: Timings
    finish_reason: FinishReason
    thinking: str
    shape: AnswerShape
    tool_calls: list[ToolCall]
    incomplete: bool
    logprobs: list[TokenLogprob] | None
    alternatives: list[Alternative]
    left_out: LeftOut | None
    operation_id: str
    session: str
    model_path: str
    _info: AnswerInfo
    _type: Any

    def __new__(cls, info: AnswerInfo, type: Any = None) -> Answer:
        """The answer that `info` describes; `type` is what its value is to be of, None: as JSON."""
        self = super().__new__(cls, info.text)
        self._info, self._type = info, type
        for name in AnswerInfo.__struct_fields__:
            if name != "text":
                setattr(self, name, getattr(info, name))
        return self

    def __getnewargs__(self) -> tuple[AnswerInfo, Any]:  # type: ignore[override]
        return self._info, self._type

    @property
    def value(self) -> Any:
        """What the answer says, of the type that was asked for; the text where none was.

        The calls where it calls tools instead (`shape` "tools").

        Raises AnswerIncomplete where it was cut before it was whole, AnswerInvalid where it is not
        of that type after all (a validator of the type's own may say so).
        """
        if self.incomplete:
            raise AnswerIncomplete(
                f"The answer was cut before it was whole ({self.finish_reason}).",
                hint="Allow it more tokens (max_tokens), or ask for less.",
                text=str(self),
            )
        if self.shape == "tools":
            return self.tool_calls
        return read_json(str(self), self._type) if self.shape == "json" else str(self)

    def info(self) -> AnswerInfo:
        """The same as a wire message."""
        return self._info

    def _repr_markdown_(self) -> str:
        fences = {"json": "```json", "tools": "```"}
        fence = fences.get(self.shape)
        return f"{fence}\n{self}\n```" if fence else str(self)
