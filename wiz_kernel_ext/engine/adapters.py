"""Adapters (LoRA) on a model: each file loaded once, and sets of them that answer together.

A context computes with one set at a time, so what was computed knows its set by an id. Everything
here is called from the engine's thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wiz_kernel_ext.engine.backend import Adapter, Context, LibraryRefused, Model
from wiz_kernel_ext.errors import ModelFileNotFound, ModelLoadFailed, not_permitted
from wiz_kernel_ext.protocol.adapters import ScaledAdapter

MOST_IDLE = 8
"""Adapters that stay loaded while nobody uses them; those used longest ago go first."""
_STEPS_IN_TURN = 4
"""Steps that a set makes before another has its turn: each change costs part of a step."""


@dataclass(frozen=True)
class AdapterSet:
    """Adapters and their scales that compute together; the same `id` computes the same.

    The id is of what is in the files and does not depend on the order; "" is none at all.
    """

    id: str = ""
    members: tuple[tuple[Adapter, float], ...] = field(default=(), compare=False)


NO_ADAPTERS = AdapterSet()


@dataclass(frozen=True)
class _File:
    """A file as it is now: another time or size is another file."""

    path: str
    n_bytes: int
    changed_ns: int


class AdapterShelf:
    """The adapters of one model, and which of them each of its contexts computes with."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._kept: dict[_File, Adapter] = {}
        self._active: dict[Context, AdapterSet] = {}
        self.n_loads = 0
        """How often a file was read."""

    def take(
        self, wanted: Sequence[ScaledAdapter], in_use: Callable[[], Sequence[AdapterSet]]
    ) -> AdapterSet:
        """The set of `wanted`, whose names are paths; `in_use` are the sets that have to stay.

        Raises ModelLoadFailed for a file that does not fit, ModelFileNotFound, NotPermitted.
        """
        scales: dict[str, float] = {}
        adapters: dict[str, Adapter] = {}
        for path, scale in wanted:
            adapter = self._load(Path(path))
            adapters[adapter.fingerprint] = adapter
            scales[adapter.fingerprint] = scales.get(adapter.fingerprint, 0.0) + scale
        which = sorted((name, scale) for name, scale in scales.items() if scale)
        if not which:
            return NO_ADAPTERS
        made = AdapterSet(
            hashlib.sha256(json.dumps(which).encode()).hexdigest(),
            tuple((adapters[name], scale) for name, scale in which),
        )
        self._make_way([made, *in_use()])
        return made

    def use(self, context: Context, adapters: AdapterSet) -> None:
        """Have `context` compute with `adapters` from its next batch on."""
        if adapters.id != self._active.get(context, NO_ADAPTERS).id:
            context.use_adapters(adapters.members)
            self._active[context] = adapters
            if not adapters.id:
                del self._active[context]

    def close(self) -> None:
        """Give all of them back; no context computes with any."""
        for context in list(self._active):
            self.use(context, NO_ADAPTERS)
        while self._kept:
            self._kept.popitem()[1].close()

    def _load(self, path: Path) -> Adapter:
        """The adapter in a file, which is now the one used last."""
        file = _as_it_is(path)
        adapter = self._kept.pop(file, None)
        if adapter is None:
            try:
                adapter = self._model.load_adapter(str(path))
            except LibraryRefused as error:
                raise ModelLoadFailed(
                    f"llama.cpp cannot use the adapter {path.name}: {error}.", log=error.log
                ) from None
            self.n_loads += 1
        self._kept[file] = adapter
        return adapter

    def _make_way(self, in_use: Sequence[AdapterSet]) -> None:
        """Give back what nobody uses, beyond the few that were used last."""
        used = {id(adapter) for one in in_use for adapter, _ in one.members}
        idle = [file for file, adapter in self._kept.items() if id(adapter) not in used]
        for file in idle[: max(0, len(idle) - MOST_IDLE)]:
            adapter = self._kept.pop(file)
            for context, active in list(self._active.items()):
                if any(one is adapter for one, _ in active.members):
                    self.use(context, NO_ADAPTERS)
            adapter.close()


class AdapterTurns:
    """Whose turn the next step is, where prompts of several sets run: a batch has one set."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self._current = NO_ADAPTERS.id
        self._n_steps = 0
        self._n_in_turn = 0

    def order(self, running: Sequence[AdapterSet]) -> list[AdapterSet]:
        """The sets of what runs, the one whose turn it is first; `running` is oldest first.

        The one that waits longest comes first, a new one last, so that nobody waits for good.
        """
        sets = list({one.id: one for one in running}.values())
        self._since = {one.id: self._since.get(one.id, self._n_steps) for one in sets}
        sets.sort(key=lambda one: self._since[one.id])
        goes_on = self._n_in_turn < _STEPS_IN_TURN
        return sorted(sets, key=lambda one: not (goes_on and one.id == self._current))

    def stepped(self, adapters: AdapterSet) -> None:
        """The next step is one of `adapters`."""
        if adapters.id != self._current:
            self._current, self._n_in_turn = adapters.id, 0
        elif self._n_in_turn >= _STEPS_IN_TURN:
            self._n_in_turn = 0  # nobody else wanted it
        self._n_in_turn += 1
        self._n_steps += 1
        self._since[adapters.id] = self._n_steps


def _as_it_is(path: Path) -> _File:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelFileNotFound(
            f"There is no adapter {path}.", hint="Name a LoRA .gguf file that is here."
        ) from None
    except OSError as error:
        if refused := not_permitted(error, path, "read"):
            raise refused from None
        raise ModelFileNotFound(f"The adapter {path} cannot be read: {error.strerror}.") from None
    return _File(str(path), status.st_size, status.st_mtime_ns)
