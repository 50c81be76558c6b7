"""What a panel shows, as one value that every one of its pages has whole.

Each change makes a new state with the next revision. A page is told what differs from the revision
before: the parts that changed and, of a text or a list that only grew, its end; so a long answer is
not sent again for every word of it. A page that has another revision asks for the whole. Nothing
here knows what a panel shows: see `ChatState`, `DownloaderState` and `StatusState`. The page's side
is `page/state.js`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

StateT = TypeVar("StateT", bound=msgspec.Struct)
Send = Callable[[dict[str, Any]], None]


class SharedState(Generic[StateT]):
    """The state of one panel, for every page that shows it; any thread may change it.

    Its parts are plain values, each made anew when it changes.
    """

    def __init__(self, first: StateT, send: Send) -> None:
        self._now = first
        self._send = send
        self._lock = threading.Lock()
        self._revision = 1

    @property
    def now(self) -> StateT:
        """The state as it is."""
        return self._now

    def change(self, **parts: Any) -> frozenset[str]:
        """Change these parts and tell every page; returns the names of those that differ."""
        # Pages are told under the lock: the revisions arrive in their order.
        with self._lock:
            changed = {name: new for name, new in parts.items() if new != getattr(self._now, name)}
            if not changed:
                return frozenset()
            since, before = self._revision, self._now
            self._now = msgspec.structs.replace(before, **changed)
            self._revision += 1
            self._send(
                {
                    "kind": "state",
                    "revision": self._revision,
                    "since": since,
                    **difference(msgspec.structs.asdict(before), changed),
                }
            )
        return frozenset(changed)

    def tell(self, view: str) -> None:
        """Tell one page the whole."""
        with self._lock:
            self._send(
                {
                    "kind": "state",
                    "view": view,
                    "revision": self._revision,
                    "since": 0,
                    "state": msgspec.structs.asdict(self._now),
                }
            )


def difference(before: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """How to come from `before` to one with the `changed` parts.

    `state` takes the place of what there was, `grown` goes to its end.
    """
    grown = {
        name: new[len(before[name]) :] for name, new in changed.items() if _grew(before[name], new)
    }
    state = {name: new for name, new in changed.items() if name not in grown}
    return {name: parts for name, parts in (("state", state), ("grown", grown)) if parts}


def _grew(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return bool(old) and new.startswith(old)
    if isinstance(old, list) and isinstance(new, list):
        return bool(old) and new[: len(old)] == old
    return False
