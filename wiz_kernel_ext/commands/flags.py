"""Fields of a request as command-line flags: made from the message types, so they cannot drift.

Knows the protocol's structs and argparse. Knows nothing of IPython or of a service. The magics and
`jupyter wiz` take their options from here.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import msgspec
import msgspec.inspect

from wiz_kernel_ext.commands.flag_values import METAVARS, READERS, TAKES
from wiz_kernel_ext.commands.option_help import MEANING
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel, Prompt

# No integer of a request is larger unless its type says so: llama.cpp counts with 32 bits.
MAX_INTEGER = 2**31 - 1
_INTEGER = re.compile(r"(?P<digits>[+-]?\d+(?:_\d+)*)(?P<unit>[km]?)", re.IGNORECASE)
_TOKENS = {"k": 1024, "m": 1024**2}
_IN_TOKENS = {
    "batch_size",
    "context_size",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "max_tokens",
    "repeat_last_n",
}
_UNITS_BYTES = {"k": 1e3, "m": 1e6, "g": 1e9}
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Flag:
    """One option: `--max-tokens` for the field `max_tokens` of a struct."""

    name: str
    field: str
    annotation: Any
    takes: str
    help: str
    metavar: str
    most: int | None = None

    @property
    def mapping(self) -> bool:
        """Whether it is given as KEY=VALUE, any number of times."""
        return self.metavar == "KEY=VALUE"

    @property
    def repeats(self) -> bool:
        """Whether it may be given more than once, each adding to the ones before."""
        return self.mapping or self.metavar == "TEXT..."

    def read(self, text: str) -> Any:
        """The value that `text` is; raises argparse.ArgumentTypeError saying what is taken."""
        try:
            if self.mapping:
                key, _, number = text.rpartition("=")
                if not key:
                    raise ValueError
                return key, _finite(float(number))
            if self.repeats:
                return text
            if reader := READERS.get(self.field):
                return self.check(reader(text))
            if self.field.endswith("_s"):
                return self.check(seconds(text))
            if self.most is not None:
                return self.check(_integer(text, _TOKENS if self.field in _IN_TOKENS else {}))
            return self.check(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"takes {self.takes}, not {text!r}") from None

    def check(self, value: Any) -> Any:
        """`value` as the wire would take it; raises ValueError."""
        made = _finite(msgspec.convert(value, self.annotation, strict=False))
        if self.most is not None and isinstance(made, int) and made > self.most:
            raise ValueError(f"{made} is more than {self.most}")
        return made


def flags(struct: type[msgspec.Struct], names: Mapping[str, str] | None = None) -> dict[str, Flag]:
    """The flags of `struct`, by field; `names` picks fields and renames their flags."""
    hints = get_type_hints(struct, include_extras=True)
    kinds = {field.name: field.type for field in msgspec.inspect.type_info(struct).fields}  # type: ignore[attr-defined]
    chosen: Mapping[str, str] = names or {name: name.replace("_", "-") for name in hints}
    return {
        field: Flag(
            name=f"--{name}",
            field=field,
            annotation=hints[field],
            takes=_takes(field, kinds[field]),
            help=MEANING[field],
            metavar=_metavar(field, kinds[field]),
            most=_most(kinds[field]),
        )
        for field, name in chosen.items()
    }


def add_flags(parser: argparse._ActionsContainer, flags: Iterable[Flag]) -> None:
    """Let `parser` take `flags`; what is not given stays None."""
    for flag in flags:
        if flag.metavar == "":
            parser.add_argument(
                flag.name, dest=flag.field, help=flag.help,
                action=argparse.BooleanOptionalAction, default=None,
            )  # fmt: skip
        else:
            parser.add_argument(
                flag.name, dest=flag.field, type=flag.read, help=flag.help,
                metavar=flag.metavar.removesuffix("..."),
                action="append" if flag.repeats else "store",
            )  # fmt: skip


def given(arguments: argparse.Namespace, flags: Iterable[Flag]) -> dict[str, Any]:
    """What was given of `flags`, by field."""
    found = {flag: getattr(arguments, flag.field, None) for flag in flags}
    return {
        flag.field: dict(value) if flag.mapping else value
        for flag, value in found.items()
        if value is not None
    }


@cache
def sampling_flags() -> dict[str, Flag]:
    """One flag for every sampling option there is."""
    names = {name: name.replace("_", "-") for name in PromptOptions.__struct_fields__}
    return flags(PromptOptions, {**names, "choices": "choice"})


@cache
def model_flags() -> dict[str, Flag]:
    """The flags of loading a model."""
    names = {
        "gpu_layers": "gpu-layers",
        "keep_alive_s": "keep-alive",
        "use_mmap": "mmap",
        "use_mlock": "mlock",
        "check_tensors": "check-tensors",
        "chat_template": "chat-template",
        "draft": "draft",
        "projector": "projector",
    }
    return flags(LoadModel, names)


@cache
def prompt_flags() -> dict[str, Flag]:
    """The flags of one prompt, beside how it is sampled."""
    names = ("chat_template", "prefill", "suffix", "overflow", "adapters")
    renamed = {"adapters": "adapter"}
    return flags(Prompt, {n: renamed.get(n, n.replace("_", "-")) for n in names})


@cache
def context_flags() -> dict[str, Flag]:
    """The flags of creating a context."""
    names = {
        "context_size": "ctx",
        "sequences": "seqs",
        "threads": "threads",
        "batch_size": "batch",
        "kv_type": "kv-type",
        "flash_attention": "flash-attention",
        "reproducible": "reproducible",
    }
    return flags(CreateContext, names)


def whole_number(text: str) -> int:
    """An integer of at least 0, as an argument; raises argparse.ArgumentTypeError."""
    number = _integer(text, {})
    if not isinstance(number, int) or not 0 <= number <= MAX_INTEGER:
        what = f"takes a whole number from 0 to {MAX_INTEGER}, not {text!r}"
        raise argparse.ArgumentTypeError(what)
    return number


def seconds(text: str) -> float:
    """Seconds from "90", "90s", "30m", "2h" or "1d" ("forever": -1); raises ValueError."""
    text = text.strip().lower()
    if text == "forever":
        return -1.0
    unit = _UNITS_S.get(text[-1:])
    return float(text) if unit is None else float(text[:-1]) * unit


def bytes_per_s(text: str) -> float:
    """Bytes per second from "500000", "500KB" or "5M"; raises ValueError."""
    number = text.strip().lower().removesuffix("/s").removesuffix("b")
    unit = _UNITS_BYTES.get(number[-1:])
    rate = float(number) if unit is None else float(number[:-1]) * unit
    if not 0 < rate < math.inf:
        raise ValueError(f"{text!r} is no speed")
    return rate


def _integer(text: str, units: Mapping[str, int]) -> int | str:
    """The integer that `text` is, with its unit ("8_192", "8k"); what is none stays as it is."""
    found = _INTEGER.fullmatch(text.strip())
    unit = found["unit"].lower() if found else ""
    if found is None or (unit and unit not in units):
        return text
    return int(found["digits"]) * units.get(unit, 1)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


def _alternatives(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    types = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return [t for t in types if not isinstance(t, msgspec.inspect.NoneType)]


def _most(kind: msgspec.inspect.Type) -> int | None:
    """The largest integer of a type; None where it has no integers."""
    integers = [one for one in _alternatives(kind) if isinstance(one, msgspec.inspect.IntType)]
    if not integers:
        return None
    return MAX_INTEGER if integers[0].le is None else integers[0].le


def _metavar(field: str, kind: msgspec.inspect.Type) -> str:
    if field in METAVARS:
        return METAVARS[field]
    first = _alternatives(kind)[0]
    if isinstance(first, msgspec.inspect.BoolType):
        return ""
    if isinstance(first, msgspec.inspect.DictType):
        return "KEY=VALUE"
    if isinstance(first, msgspec.inspect.ListType):
        return "TEXT..."
    if field.endswith("_s"):
        return "SECONDS"
    if isinstance(first, msgspec.inspect.IntType):
        return "N"
    return "X" if isinstance(first, msgspec.inspect.FloatType) else field.upper()


def _takes(field: str, kind: msgspec.inspect.Type) -> str:
    if field in TAKES:
        return TAKES[field]
    return " or ".join(_describe(field, one) for one in _alternatives(kind))


def _describe(field: str, kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return " or ".join(repr(value) for value in kind.values)
    if isinstance(kind, msgspec.inspect.DictType):
        return "KEY=VALUE, with a number"
    if isinstance(kind, msgspec.inspect.BoolType):
        return "True or False"
    if not isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return "a text" if isinstance(kind, msgspec.inspect.StrType) else "a value"
    if field.endswith("_s"):
        return "seconds, or a time like 30m or 2h, or forever"
    integer = isinstance(kind, msgspec.inspect.IntType)
    noun = "a whole number" if integer else "a number"
    most = MAX_INTEGER if integer and kind.le is None else kind.le
    if kind.ge is not None and most is not None:
        return f"{noun} from {kind.ge} to {most}"
    if kind.gt is not None and kind.le is not None:
        return f"{noun} above {kind.gt}, up to {kind.le}"
    return f"{noun} of at least {kind.ge}" if kind.ge is not None else noun
