"""What each client last loaded, created and began: what its next raw call applies to."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from wiz_kernel_ext.protocol.requests import Initialize

MAX_CLIENTS = 1000


@dataclass
class ClientState:
    """One client's place on the ladder model → context → session; models by their key."""

    defaults: Initialize = field(default_factory=Initialize)
    model: str | None = None
    contexts: set[str] = field(default_factory=set)
    session_id: str | None = None


class Clients:
    """The state of every client, by its id; the longest unseen are forgotten first."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, ClientState] = OrderedDict()

    def __getitem__(self, client_id: str) -> ClientState:
        state = self._states.setdefault(client_id, ClientState())
        self._states.move_to_end(client_id)
        if len(self._states) > MAX_CLIENTS:
            self._states.popitem(last=False)
        return state

    def forget_model(self, key: str) -> None:
        """The model was unloaded: nobody has its context any more."""
        for state in self._states.values():
            state.contexts.discard(key)
