"""What a conversation is made of."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class ChatMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One message of a conversation; `thinking` is what an answer's model thought before it."""

    role: Role
    content: str
    thinking: str = ""
