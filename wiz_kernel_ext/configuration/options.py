"""The options there are, as traits: `c.Wiz.…` are defaults, `c.WizLimits.…` cannot be overridden.

Times are in seconds, and -1 is "without end" wherever a time is taken.
"""

from __future__ import annotations

import math
from typing import Any

from traitlets import Bool, Float, Int, List, TraitType, Unicode
from traitlets.config import Configurable

WITHOUT_END = -1.0


class Seconds(TraitType[float | None, float | None]):
    """A time in seconds, -1 for one without end."""

    info_text = "a number of seconds (-1: without end)"
    allow_none = True

    def validate(self, obj: Any, value: Any) -> float | None:
        """`value` as a float; raises TraitError."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.error(obj, value)
        if math.isnan(value) or (value < 0 and value != WITHOUT_END):
            self.error(obj, value)
        return WITHOUT_END if math.isinf(value) else float(value)


def _seconds(help: str) -> Seconds:
    return Seconds(None, allow_none=True, help=help).tag(config=True)


def _count(help: str) -> Int[int | None, int | None]:
    return Int(None, allow_none=True, min=1, help=help).tag(config=True)


def _gigabytes(help: str) -> Float[int | None, int | float | None]:
    return Float(None, allow_none=True, min=0.0, help=help).tag(config=True)


def _place(help: str) -> Unicode[str, Any]:
    return Unicode("", help=help).tag(config=True)


class Wiz(Configurable):
    """Defaults; the `WIZ_*` variable of the same name wins over each."""

    runtime_dir = _place("where sockets, keys and locks are: on a local disk")
    data_dir = _place("where conversations, logs and the library are")
    models_dir = _place("where models are that are no hub's")
    keep_alive_s = _seconds("how long an unused model stays loaded")
    idle_exit_s = _seconds("how long an unused service stays")
    start_timeout_s = _seconds("how long to wait for a service to start")
    drain_timeout_s = _seconds("how long what runs may go on when a newer service takes over")
    hung_after_s = _seconds("after how long without any progress a model's process is ended")
    snapshots_gb = _gigabytes(
        "what models computed of conversations, kept on the disk, in 10^9 bytes (0: nothing)"
    )


class WizLimits(Configurable):
    """Limits, and places that are given; the service keeps to them, whatever it is asked."""

    runtime_dir = _place("the only place for sockets, keys and locks; ~ and $USER are expanded")
    data_dir = _place("the only place for conversations, logs and the library")
    models_dir = _place("the only place for models that are no hub's")
    max_keep_alive_s = _seconds("the longest that an unused model may stay loaded")
    max_idle_exit_s = _seconds("the longest that an unused service may stay")
    max_memory_gb = _gigabytes("memory of all models of one user, in 10^9 bytes")
    max_snapshots_gb = _gigabytes("the most of what `snapshots_gb` bounds (0: nothing is kept)")
    max_threads = _count("the most threads of a model")
    max_context_size = _count("the longest context, in tokens")
    max_sequences = _count("the most conversations a model answers at once")
    allowed_models = List(
        Unicode(),
        help="patterns of models that may be fetched and loaded (* and ?): user/repo, a file's "
        "name or its path; empty: any. The bundled demo always may.",
    ).tag(config=True)
    model_dirs = List(Unicode(), help="directories that models may be loaded from; empty: any").tag(
        config=True
    )
    hub_endpoint = _place("the only hub that is asked")
    hub_cache = _place("the only place for what comes from a hub")
    hub_offline = Bool(False, help="whether no hub is asked at all").tag(config=True)
