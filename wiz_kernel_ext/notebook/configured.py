"""The magics with the defaults that Jupyter's and IPython's files set, as far as they can be taken.

IPython's own configuration (`ipython_kernel_config.py`, `%config`) wins over Jupyter's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import TraitError

from wiz_kernel_ext.configuration.reading import MAGICS, magics_settings
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.settings import Settings

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from wiz_kernel_ext.notebook.magics import WizMagics


def configured(shell: InteractiveShell, make: type[WizMagics]) -> tuple[WizMagics, list[str]]:
    """The magics of `shell`, and what is wrong in the files, a line for each."""
    wrong = list(_wrong_settings())
    try:
        found = [(one.name, one.value, str(one.file)) for one in magics_settings()]
    except WizError:
        found = []  # said already
    # Set one by one, so that one that cannot be taken does not take the others along.
    own = shell.config.pop(MAGICS, None)
    try:
        magics = make(shell)
    finally:
        if own is not None:
            shell.config[MAGICS] = own
    found += [(name, value, _file_of(shell, name)) for name, value in (own or {}).items()]
    traits = make.class_traits(config=True)
    for name, value, where in found:
        if name not in traits:
            wrong.append(f"{where}: {MAGICS}.{name} is no option.")
            continue
        try:
            setattr(magics, name, value)
        except TraitError:
            takes = traits[name].info()
            wrong.append(f"{where}: {MAGICS}.{name} is {value!r}; it takes {takes}.")
    return magics, wrong


def say_wrong(wrong: list[str]) -> None:
    """Tell what cannot be taken, where the user sees it."""
    for line in wrong:
        print(f"wiz_kernel_ext: {line}", file=sys.stderr)


def _wrong_settings() -> Iterator[str]:
    try:
        Settings.from_environment()
    except WizError as error:
        yield f"{error.message} {error.hint}"


def _file_of(shell: InteractiveShell, name: str) -> str:
    """The file of IPython's that sets a magic's default; %config where none does."""
    application = getattr(shell.parent, "parent", None) or shell.parent
    for file in reversed(getattr(application, "loaded_config_files", [])):
        if Path(file).is_file() and name in Path(file).read_text(errors="replace"):
            return str(file)
    return f"%config {MAGICS}"
