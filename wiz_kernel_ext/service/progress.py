"""Whether a worker that has work makes progress: what is looked at, and how that is judged.

Progress is a pulse that went on, or bytes that came from a disk: a file that is mapped is read in
silence. Computing alone is none, but where it may be long and silent (a load, a context, a model's
first step) it is only counted in part. Time that the worker was not given is not its silence. Pure
but for the look at a process.
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.pulse import Pulse

TELL_AFTER_S = 5.0
"""Without progress for so long it is shown, and told to those who wait."""
_LEAST_BYTES = 1 << 16
_LEAST_GROWTH = 1 << 20
# Below this share of a processor a process waits for something else.
_LEAST_SHARE = 0.05
_SHARE_OF_SILENT_WORK = 0.1


@dataclass(frozen=True)
class Look:
    """What is seen of a worker. `pulse`: None where it does not answer; `moved_bytes`: read.

    `is_stopped`: as by SIGSTOP; `wants_cpu`: it could go on if it was given a processor.
    """

    pulse: Pulse | None
    cpu_s: float = 0.0
    moved_bytes: int = 0
    memory_bytes: int = 0
    is_stopped: bool = False
    wants_cpu: bool = False


@dataclass(frozen=True)
class Silent:
    """A worker without progress for `silent_s`; in `left_s` it is ended (None: it is not)."""

    silent_s: float
    left_s: float | None
    is_stopped: bool

    def notice(self, operation_id: str) -> Notice:
        """What the asker of that operation is told."""
        stopped = " (it is stopped, as by SIGSTOP)" if self.is_stopped else ""
        ending = "" if self.left_s is None else f"; else it is ended in {self.left_s:.0f} s"
        return Notice(
            text=f"The model's process has made no progress for {self.silent_s:.0f} s{stopped}: "
            f"`wiz cancel {operation_id}` ends this{ending}."
        )


def look_at(pid: int, pulse: Pulse | None) -> Look:
    """What the system says of the process, beside its pulse; nothing where it is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, status = process.cpu_times(), process.status()
            memory = process.memory_info().rss
            try:
                counters = process.io_counters()
                # Of pipes and sockets too, which is why a few bytes are none.
                moved = counters.read_bytes + getattr(counters, "read_chars", 0)
            except (AttributeError, psutil.Error, OSError):  # a system that does not say
                moved = 0
    except psutil.Error:
        return Look(pulse)
    return Look(
        pulse,
        cpu_s=times.user + times.system,
        moved_bytes=moved,
        memory_bytes=memory,
        is_stopped=status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP),
        wants_cpu=status == psutil.STATUS_RUNNING,
    )


class Silence:
    """How long a worker has made no progress, look by look.

    `shown_s` is the time as people see it; `counted_s` the part that speaks for its having hung.
    """

    def __init__(self) -> None:
        self.shown_s = 0.0
        self.counted_s = 0.0
        self.pulse: Pulse | None = None
        self._before: Look | None = None

    @property
    def is_long(self) -> bool:
        """Whether it is worth a word."""
        return self.shown_s >= TELL_AFTER_S

    def take(self, look: Look, passed_s: float, *, may_be_silent: bool) -> bool:
        """Judge one more look, `passed_s` after the last; whether it saw progress.

        `may_be_silent`: its work may take long without a word.
        """
        before, self._before = self._before or look, look
        went_on = look.pulse is not None and look.pulse != self.pulse
        self.pulse = look.pulse or self.pulse
        moved = look.moved_bytes - before.moved_bytes >= _LEAST_BYTES
        grew = look.memory_bytes - before.memory_bytes >= _LEAST_GROWTH
        if went_on or moved or grew:
            self.shown_s = self.counted_s = 0.0
            return True
        self.shown_s += passed_s
        computed_s = min(look.cpu_s - before.cpu_s, passed_s)
        is_computing = computed_s >= _LEAST_SHARE * passed_s
        if is_computing and may_be_silent:
            self.counted_s += _SHARE_OF_SILENT_WORK * passed_s
        elif is_computing or look.wants_cpu:
            self.counted_s += max(computed_s, _LEAST_SHARE * passed_s)
        else:
            self.counted_s += passed_s
        return False
