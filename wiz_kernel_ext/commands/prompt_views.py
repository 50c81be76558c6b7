"""A look at a prompt, in words: how long it is, and what of the conversation is not in it. Pure."""

from __future__ import annotations

from wiz_kernel_ext.protocol.prompt_views import ShownPrompt


def length(n_tokens: int) -> str:
    """A number of tokens: "1 token", "3,400 tokens"."""
    return "1 token" if n_tokens == 1 else f"{n_tokens:,} tokens"


def shown_line(shown: ShownPrompt) -> str:
    """The line under a prompt that is shown."""
    parts = [f"{length(shown.n_tokens)} of {shown.context_size:,}"]
    if shown.n_tokens >= shown.context_size:
        parts.append("too long: `--overflow drop`, middle or summarize leave old turns out")
    if shown.begun:
        parts.append(f"the answer's first tokens begin with {shown.begun!r}")
    if shown.left_out is not None:
        n = len(shown.left_out.messages)
        messages = "1 message" if n == 1 else f"{n:,} messages"
        parts.append(f"left out: {messages} ({length(shown.left_out.n_tokens)})")
    return " · ".join(parts)
