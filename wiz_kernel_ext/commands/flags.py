"""Fields of a request as command-line flags: made from the message types, so they cannot drift.

Knows the protocol's structs and argparse. Knows nothing of IPython or of a service. The magics and
`jupyter wiz` take their options from here.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
import msgspec.inspect

from wiz_kernel_ext.commands.option_help import MEANING
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel

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
            if self.field.endswith("_s"):
                return self.check(seconds(text))
            return self.check(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"takes {self.takes}, not {text!r}") from None

    def check(self, value: Any) -> Any:
        """`value` as the wire would take it; raises ValueError."""
        return _finite(msgspec.convert(value, self.annotation, strict=False))


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


def sampling_flags() -> dict[str, Flag]:
    """One flag for every sampling option there is."""
    return flags(PromptOptions)


def model_flags() -> dict[str, Flag]:
    """The flags of loading a model."""
    names = {
        "gpu_layers": "gpu-layers",
        "keep_alive_s": "keep-alive",
        "use_mmap": "mmap",
        "use_mlock": "mlock",
        "check_tensors": "check-tensors",
    }
    return flags(LoadModel, names)


def context_flags() -> dict[str, Flag]:
    """The flags of creating a context."""
    names = {
        "context_size": "ctx",
        "sequences": "seqs",
        "threads": "threads",
        "batch_size": "batch",
        "kv_type": "kv-type",
        "flash_attention": "flash-attention",
    }
    return flags(CreateContext, names)


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


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


def _alternatives(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    types = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return [t for t in types if not isinstance(t, msgspec.inspect.NoneType)]


def _metavar(field: str, kind: msgspec.inspect.Type) -> str:
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
    noun = "a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number"
    if kind.ge is not None and kind.le is not None:
        return f"{noun} from {kind.ge} to {kind.le}"
    if kind.gt is not None and kind.le is not None:
        return f"{noun} above {kind.gt}, up to {kind.le}"
    return f"{noun} of at least {kind.ge}" if kind.ge is not None else noun
