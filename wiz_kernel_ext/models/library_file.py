"""What the library keeps in its own file, `library.json` in the data directory."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.models.header_facts import Facts


class LibraryFile(msgspec.Struct):
    """What the library's file holds."""

    aliases: dict[str, str] = {}
    default: str | None = None
    used: dict[str, float] = {}
    facts: dict[str, Facts] = {}
