"""The way an engine is used on this machine: all of it, or without what does not work here.

Found by `engine_check`, told to a worker when it is started, kept to by `ModelHost`. A value;
imports nothing of the engine.
"""

from __future__ import annotations

import msgspec


class Way(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is left out; by default nothing is.

    Extra buffers hold weights in the order that a processor's matrix instructions read them (AMX,
    repacked rows): fast, and the part of a build that goes wrong most. `system_cxx` puts the
    system's C++ library before all others, for a build that brought a second one along; it counts
    for a process of its own only, which is started so.
    """

    extra_buffers: bool = True
    one_thread: bool = False
    gpu: bool = True
    system_cxx: bool = False

    def __str__(self) -> str:
        """What is different, as it is said after "used"."""
        different = [
            *(["without extra buffers"] if not self.extra_buffers else []),
            *(["with one thread"] if self.one_thread else []),
            *(["without the GPU"] if not self.gpu else []),
            *(["with the system's libstdc++"] if self.system_cxx else []),
        ]
        return ", ".join(different) or "as it is"


AS_IT_IS = Way()
