"""From files to checked values: which file counts where several set one option."""

from __future__ import annotations

import difflib
from typing import Any

from traitlets import TraitError
from traitlets.config import Configurable

from wiz_kernel_ext.configuration.files import (
    Setting,
    machine_folders,
    settings_in,
    user_folders,
)
from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.configuration.options import Wiz, WizLimits
from wiz_kernel_ext.errors import ConfigurationError

MAGICS = "WizMagics"


def configured_defaults() -> dict[str, Any]:
    """What `c.Wiz` sets: the user's word over the machine's. Raises ConfigurationError."""
    found = _checked(Wiz, [*settings_in(machine_folders()), *settings_in(user_folders())])
    return {name: setting.value for name, setting in found.items()}


def configured_limits() -> Limits:
    """What `c.WizLimits` sets: the machine's word over the user's. Raises ConfigurationError.

    A user may limit herself; what the machine limits, she cannot widen.
    """
    found = _checked(WizLimits, [*settings_in(user_folders()), *settings_in(machine_folders())])
    values = {name: setting.value for name, setting in found.items()}
    for name in ("allowed_models", "model_dirs"):
        values[name] = tuple(values.get(name, ()))
    return Limits(**values, files={name: str(one.file) for name, one in found.items()})


def magics_settings() -> list[Setting]:
    """What the files say of the magics' defaults, unchecked, what counts last."""
    settings = [*settings_in(machine_folders()), *settings_in(user_folders())]
    return [setting for setting in settings if setting.section == MAGICS]


def _checked(kind: type[Configurable], settings: list[Setting]) -> dict[str, Setting]:
    """The settings of `kind`, by name; of one option the last. Raises ConfigurationError."""
    traits = kind.class_traits(config=True)
    plain, found = kind(), dict[str, Setting]()
    for setting in settings:
        if setting.section != kind.__name__:
            continue
        what = f"{setting.file}: {kind.__name__}.{setting.name}"
        details = {"file": str(setting.file), "field": f"{kind.__name__}.{setting.name}"}
        trait = traits.get(setting.name)
        if trait is None:
            near = difflib.get_close_matches(setting.name, traits, 1)
            known = f"Is it {near[0]}?" if near else f"There are: {', '.join(sorted(traits))}."
            raise ConfigurationError(f"{what} is no option.", hint=known, **details)
        try:
            value = trait._validate(plain, setting.value)
        except TraitError:
            raise ConfigurationError(
                f"{what} is {setting.value!r}; it takes {trait.info()}.",
                hint="Mend it in that file; until then no model is loaded.",
                **details,
            ) from None
        found[setting.name] = Setting(setting.section, setting.name, value, setting.file)
    return found
