"""Build the engine again, in ever safer recipes, until it is right as it is on this processor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from wiz_kernel_ext.engine_check import building
from wiz_kernel_ext.engine_check.build import DISTRIBUTION, EngineBuild, engine_build
from wiz_kernel_ext.engine_check.cards import build_arguments, cards_here, left_unused
from wiz_kernel_ext.engine_check.check import checked
from wiz_kernel_ext.engine_check.diagnosis import ended
from wiz_kernel_ext.engine_check.verdict import Verdict
from wiz_kernel_ext.errors import EngineUnusable

Say = Callable[[str], object]


async def rebuilt(
    data_dir: Path, *, say: Say, recipes: Sequence[building.Recipe] = building.RECIPES
) -> Verdict:
    """The verdict on the first build that is right as it is, or else on the last that was made.

    What runs meanwhile goes on with the libraries it has loaded. Raises EngineUnusable where
    nothing can be built; its log has pip's last lines.
    """
    requirement, cards = _what_is_there()
    verdict: Verdict | None = None
    for recipe in recipes:
        say(f"llama-cpp-python is built {recipe.about}")
        _build(requirement, recipe, cards, say)
        verdict = await checked(data_dir, anew=True)
        if verdict.is_plain:
            say("the engine is right")
            break
        say(f"the engine {ended(verdict.trials[0])}")
    assert verdict is not None, "there is no recipe"
    return verdict


def _what_is_there() -> tuple[str, list[str]]:
    """The version to build, and the CMake arguments for cards: those built for, and those here."""
    try:
        build = engine_build()
    except EngineUnusable:
        return _required(), []
    version = build.version
    requirement = f"{DISTRIBUTION}=={version}" if version else _required()
    return requirement, [*build.cards().values(), *for_unused_cards(build)]


def for_unused_cards(build: EngineBuild) -> list[str]:
    """The CMake arguments for cards that are here, left unused by `build`, and can be built for."""
    unused = left_unused(build, cards_here())
    return [argument for card in unused for argument in build_arguments(card)]


def _required() -> str:
    """What this package asks for, as pip reads it."""
    try:
        for requirement in metadata.requires("wiz-kernel-ext") or []:
            if requirement.startswith(DISTRIBUTION):
                return requirement.partition(";")[0].strip()
    except metadata.PackageNotFoundError:
        pass
    return DISTRIBUTION


def _build(requirement: str, recipe: building.Recipe, cards: list[str], say: Say) -> None:
    arguments = ["--force-reinstall", "--no-deps", "--no-binary", DISTRIBUTION, requirement]
    try:
        # A wheel in the cache was built who knows where; the one that is built now replaces it.
        building.forget_cached(DISTRIBUTION)
        building.install(arguments, recipe, cmake=cards, say=say)
    except building.BuildFailed as error:
        lines = str(error).splitlines()
        raise EngineUnusable(
            f"llama-cpp-python cannot be built {recipe.about}: {lines[-1] if lines else 'no word'}",
            hint=f"A C and a C++ compiler are needed, and pip in {sys.executable}.",
            log=lines,
        ) from None
