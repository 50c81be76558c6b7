"""The stand-in hub, and a user who asks it."""

from __future__ import annotations

from tests.hub.conftest import hub, user

__all__ = ["hub", "user"]
