"""The checks there are, in the order they are told. To add one: write it, and name it here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wiz_kernel_ext.configuration.limits import NO_LIMITS
from wiz_kernel_ext.configuration.reading import configured_limits
from wiz_kernel_ext.doctor import (
    configured,
    engine,
    hub,
    installation,
    machine,
    service,
    storage,
)
from wiz_kernel_ext.doctor.finding import Around, Check, Finding, failed
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.settings import Settings

CHECKS: tuple[Check, ...] = (
    installation.package,
    installation.libraries,
    installation.command,
    configured.configuration,
    engine.works,
    engine.for_cards,
    engine.devices,
    engine.instruction_sets,
    storage.runtime,
    storage.data,
    storage.snapshots,
    storage.models,
    storage.cache,
    machine.memory,
    machine.descriptors,
    service.service,
    service.others,
    service.last_crash,
    hub.hub,
    hub.token,
)


def around_here() -> Around:
    """What is around this process; where the configuration is wrong, which a check tells, bare."""
    try:
        return Around.of(Settings.from_environment(), configured_limits())
    except WizError:
        return Around.of(Settings(), NO_LIMITS)


def findings(around: Around, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """What each check finds, as soon as it does; one that fails itself is a finding."""
    for check in checks:
        yield from _found(check, around)


def _found(check: Check, around: Around) -> Iterator[Finding]:
    try:
        yield from check(around)
    except WizError as error:
        yield failed(check.__name__, error)
    except Exception as error:
        yield Finding(
            about=check.__name__,
            state="must",
            text=f"could not be looked at: {type(error).__name__}: {error}",
            remedy="Please report this line.",
        )
