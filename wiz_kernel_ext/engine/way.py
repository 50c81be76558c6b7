"""The way an engine is used on this machine: all of it, or without what does not work here.

Found by `engine_check`, told to a worker when it is started, kept to by `ModelHost`. A value;
imports nothing of the engine.
"""

from __future__ import annotations

import msgspec


class Way(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is left out; by default nothing is.

    Extra buffers hold weights in the order that a processor's matrix instructions read them (AMX,
    repacked rows): fast, and the part of a build that goes wrong most.
    """

    extra_buffers: bool = True
    one_thread: bool = False
    gpu: bool = True

    def __str__(self) -> str:
        """What is left out, as it is said after "used"."""
        left_out = [
            *(["without extra buffers"] if not self.extra_buffers else []),
            *(["with one thread"] if self.one_thread else []),
            *(["without the GPU"] if not self.gpu else []),
        ]
        return ", ".join(left_out) or "as it is"


AS_IT_IS = Way()
