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
    """One message of a conversation; `thinking` is what an answer's model thought before it.

    `images` are the bytes of image files (PNG, JPEG, …): they stand where `content` has `<image>`,
    in order, and those that are left over in front of it.
    """

    role: Role
    content: str
    thinking: str = ""
    images: list[bytes] = []
