"""`worker:show` and `worker:count`: what a model would read, and how long a text is for it."""

from __future__ import annotations

from typing import Any

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.depth import MAX_DEPTH, is_too_deep
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.requests import AnyPrompt, ChatTemplate, Request
from wiz_kernel_ext.protocol.results import LeftOut, Result


class ShownPrompt(Result, frozen=True, kw_only=True):
    """A prompt as its model reads it, to where it goes on; nothing was asked.

    `text` has control tokens by their names, which a message's text may spell too: `tokens`, the
    ids, tell them apart. `begun` is the end of a prefill that is not read but picked anew with the
    answer's first tokens, so that a word may go on in it. `context_size` is what the context holds,
    with the answer, in tokens; `left_out` what would not be read, and why. A summary that was not
    made yet is not in it.
    """

    text: str
    tokens: list[int]
    n_tokens: int
    context_size: int
    begun: str = ""
    left_out: LeftOut | None = None


class ShowPrompt(AnyPrompt[ShownPrompt], frozen=True, kw_only=True):
    """What `Prompt` with these fields would have the model read; also while it answers another."""

    target = "worker:show"


class Count(Request[int], frozen=True, kw_only=True):
    """How many tokens `text` is; or `messages`, as a prompt with its control tokens.

    `tools` and `chat_template` as in `AnyPrompt`; a text is counted without any template.
    """

    target = "worker:count"
    text: str | None = None
    messages: list[ChatMessage] | None = None
    tools: list[dict[str, Any]] | None = None
    model_path: str | None = None
    chat_template: ChatTemplate | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.messages is None):
            raise ValueError("a text or messages are counted")
        if self.tools is not None and is_too_deep(self.tools):
            raise ValueError(f"tools are nested more than {MAX_DEPTH} deep")


def count_fields(what: Any) -> dict[str, Any]:
    """The fields of a `Count` of a text, or of a list of messages; raises BadRequest."""
    if isinstance(what, str):
        return {"text": what}
    if isinstance(what, list | tuple):
        return {"messages": list(what)}
    raise BadRequest(
        f"A text or a list of messages is counted, not {type(what).__name__}.", field="text"
    )
