"""What Jupyter's configuration sets and limits here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from wiz_kernel_ext.configuration.limits import NO_LIMITS
from wiz_kernel_ext.configuration.reading import configured_limits
from wiz_kernel_ext.doctor.finding import Around, Finding, failed
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.settings import Settings


def configuration(around: Around) -> Iterator[Finding]:
    """Whether every file and variable can be taken, and which limits there are."""
    try:
        Settings.from_environment()
        limits = configured_limits()
    except WizError as error:
        yield failed("configuration", error)
        return
    set_here = [
        f"{one.name} = {getattr(limits, one.name)!r} ({limits.files.get(one.name, '')})"
        for one in fields(limits)
        if one.name != "files" and getattr(limits, one.name) != getattr(NO_LIMITS, one.name)
    ]
    text = "these limits are set" if set_here else "no limits are set"
    yield Finding(about="configuration", text=text, lines=set_here)
