"""What a check is given, and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from wiz_kernel_ext.configuration.limits import NO_LIMITS, Limits
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.remedies import worded
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import Places, places

State = Literal["ok", "note", "must"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what was looked at, how it is, and what to do, with commands as a hint has them.

    A "note" works and could be better; at a "must" something does not work. `lines` go below it.
    """

    about: str
    state: State = "ok"
    text: str = ""
    remedy: str = ""
    lines: list[str] = []

    def told(self) -> list[str]:
        """The finding as it is read in a terminal."""
        first = f"{self.state:<5} {self.about:<14} {self.text}".rstrip()
        remedy = [f"      → {worded(self.remedy)}"] if self.remedy else []
        return [first, *(f"      {line}" for line in self.lines), *remedy]


@dataclass(frozen=True)
class Around:
    """What is looked at: the settings and places of this user, and this process's variables."""

    settings: Settings
    where: Places
    limits: Limits = NO_LIMITS
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def of(cls, settings: Settings, limits: Limits = NO_LIMITS) -> Around:
        """What is around a service with these settings."""
        return cls(settings, places(settings), limits)


Check = Callable[[Around], Iterator[Finding]]


def failed(about: str, error: WizError, state: State = "must") -> Finding:
    """An error of ours as a finding; its hint is the remedy."""
    return Finding(about=about, state=state, text=error.message, remedy=error.info().hint)
