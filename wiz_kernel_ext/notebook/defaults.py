"""The magics' defaults as `%config WizMagics.temperature = 0.2`: one trait per flag.

Made from the same flags as the options of the lines, so that names and bounds are the same.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from types import new_class
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from traitlets import Enum, TraitType, Unicode

from wiz_kernel_ext.commands.flags import (
    Flag,
    context_flags,
    model_flags,
    prompt_flags,
    sampling_flags,
)

MODEL = model_flags()
CONTEXT = context_flags()
SAMPLING = sampling_flags()
OVERFLOW = {"overflow": prompt_flags()["overflow"]}


class OptionTrait(TraitType[Any, Any]):
    """A default for one flag; None leaves it to the engine."""

    allow_none = True

    def __init__(self, flag: Flag) -> None:
        super().__init__(default_value=None, allow_none=True, help=flag.help)
        self.flag = flag
        self.info_text = flag.takes

    def validate(self, obj: Any, value: Any) -> Any:
        """`value` as the wire would take it; raises TraitError."""
        try:
            return self.flag.read(value) if isinstance(value, str) else self.flag.check(value)
        except (ValueError, ArgumentTypeError):
            self.error(obj, value)


def _traits(namespace: dict[str, Any]) -> None:
    for flag in {**CONTEXT, **MODEL, **SAMPLING, **OVERFLOW}.values():
        namespace[flag.field] = OptionTrait(flag).tag(config=True)


if TYPE_CHECKING:
    _Options = Magics
else:
    _Options = new_class("_Options", (Magics,), {}, _traits)


class Defaults(_Options):
    """What the options of a line fall back to."""

    model = Unicode("", help="the model that %wiz_load loads when none is named").tag(config=True)
    session = Unicode("", help="the session to talk in (empty: the notebook's)").tag(config=True)
    output = Enum(
        ["auto", "rich", "plain"], "auto", help="how to draw; auto: rich in a kernel"
    ).tag(config=True)

    def over(self, group: dict[str, Flag], given: dict[str, Any]) -> dict[str, Any]:
        """`given`, with what is configured where something was not."""
        configured = {field: getattr(self, field) for field in group}
        return {**{k: v for k, v in configured.items() if v is not None}, **given}
