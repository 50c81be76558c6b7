"""Models that nobody uses give way when memory runs low, so that a notebook's kernel gets it.

Looks every few seconds. What is faster than that is the system's: a worker goes first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from wiz_kernel_ext.cgroups import Room
from wiz_kernel_ext.free_memory import rooms
from wiz_kernel_ext.service.supervisor import Supervisor, Worker

LOOK_S = 2.0
LOW = 0.05
"""Below this share memory is low: systems begin to swap and to drop the pages of programs there."""
_MOST_LOW_BYTES = 512_000_000
"""Nobody needs more than this between two looks, however large the machine is."""
_GROWN_BYTES = 16_000_000

log = logging.getLogger(__name__)


class GivingWay:
    """Unloads idle models, longest unused first, until memory is not low any more.

    Where it was low already when a model was last used, its user lives with that: the model only
    goes once others take more.
    """

    def __init__(self, supervisor: Supervisor, measure: Callable[[], list[Room]] = rooms) -> None:
        self._supervisor = supervisor
        self._measure = measure
        self._left: dict[Worker, tuple[float, int]] = {}

    async def look(self) -> None:
        """Look once; costs nothing where no model is idle."""
        while idle := self._idle():
            spare = _spare(await asyncio.to_thread(self._measure))
            chosen = next((worker for worker in idle if self._is_to_go(worker, spare)), None)
            # Somebody may have begun to use it meanwhile.
            if chosen is None or chosen not in self._supervisor.idle():
                break
            log.warning("unloading %s: memory is low, and it is not in use", chosen.path)
            await self._supervisor.give_way(chosen)

    def _idle(self) -> list[Worker]:
        idle = sorted(self._supervisor.idle(), key=lambda worker: worker.last_used)
        self._left = {worker: self._left[worker] for worker in idle if worker in self._left}
        return idle

    def _is_to_go(self, worker: Worker, spare: int) -> bool:
        """`spare` is what is free above what is low, in bytes: negative where memory is low."""
        used_at, left = self._left.get(worker, (worker.last_used, spare))
        if used_at != worker.last_used:
            left = spare
        self._left[worker] = (worker.last_used, left)
        return spare < (0 if left >= 0 else left - _GROWN_BYTES)


def _spare(measured: list[Room]) -> int:
    return min(
        room.available_bytes - min(int(LOW * room.limit_bytes), _MOST_LOW_BYTES)
        for room in measured
    )
