"""Memory and descriptors: what this process may use of the machine."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from wiz_kernel_ext.doctor.finding import Around, Finding
from wiz_kernel_ext.models.machine import this_machine
from wiz_kernel_ext.sizes import size

LEAST_MEMORY_BYTES = 500_000_000
"""A worker with the smallest of models that are of use."""
LEAST_DESCRIPTORS = 256
"""For a service with a notebook or two."""
GOOD_DESCRIPTORS = 1024


def memory(around: Around) -> Iterator[Finding]:
    """What is free for a model, within the tightest limit there is."""
    machine = this_machine()
    bound = " within this process's cgroup" if machine.limit == "cgroup" else ""
    text = f"{size(machine.available_bytes)} free{bound}"
    if machine.available_bytes < LEAST_MEMORY_BYTES:
        yield Finding(
            about="memory",
            state="must",
            text=f"{text}, which is too little for a model",
            remedy="`wiz status` shows what is loaded, `wiz unload` gives it back; or raise the "
            "container's limit."
            if bound
            else "`wiz status` shows what is loaded, `wiz unload` gives it back; or close "
            "something.",
        )
    else:
        yield Finding(about="memory", text=text)


def descriptors(around: Around) -> Iterator[Finding]:
    """How many files and sockets a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "any number" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    text = f"{soft:,} of at most {most}"
    if soft >= GOOD_DESCRIPTORS or soft == resource.RLIM_INFINITY:
        yield Finding(about="descriptors", text=text)
        return
    can_raise = hard == resource.RLIM_INFINITY or hard >= GOOD_DESCRIPTORS
    remedy = (
        f"`ulimit -n {GOOD_DESCRIPTORS}` before Jupyter is started."
        if can_raise
        else "Ask for a higher limit: nofile in limits.conf, --ulimit of a container."
    )
    yield Finding(
        about="descriptors",
        state="must" if soft < LEAST_DESCRIPTORS else "note",
        text=f"{text}: too few for many notebooks",
        remedy=remedy,
    )
