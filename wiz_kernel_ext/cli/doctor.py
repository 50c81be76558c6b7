"""`jupyter wiz doctor`: whether the engine is right on this processor; built again if asked."""

from __future__ import annotations

import argparse
import asyncio

from wiz_kernel_ext.engine_check.build import EngineBuild, engine_build
from wiz_kernel_ext.engine_check.building import RECIPES, Recipe
from wiz_kernel_ext.engine_check.check import checked
from wiz_kernel_ext.engine_check.diagnosis import ended, notice, tried, usable
from wiz_kernel_ext.engine_check.processor import Processor, this_processor
from wiz_kernel_ext.engine_check.rebuild import rebuilt
from wiz_kernel_ext.engine_check.verdict import Verdict
from wiz_kernel_ext.errors import EngineUnusable
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.remedies import read_in, worded
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import places

_ALL_BUILT = (
    "It was built in every way there is. Another compiler may build it right (CC and CXX choose "
    "one); if not, please report these lines."
)


def run(arguments: argparse.Namespace) -> int:
    """Try the engine anew and print the outcome; with --rebuild, build until it is right.

    --safer leaves the first recipe out. Raises EngineUnusable where nothing works in the end.
    """
    read_in(arguments.read_in)
    recipes = RECIPES[1:] if arguments.safer else RECIPES
    with taken():
        return asyncio.run(_doctor(rebuild=arguments.rebuild, recipes=recipes))


async def _doctor(*, rebuild: bool, recipes: tuple[Recipe, ...]) -> int:
    data_dir = places(Settings.from_environment()).data_dir
    try:
        verdict = await checked(data_dir, anew=True)
    except EngineUnusable as error:
        if not rebuild:
            raise
        _say(error.message)
    else:
        if verdict.is_plain or not rebuild:
            return _report(verdict)
        _say(f"the engine {ended(verdict.trials[0])}")
    verdict = await rebuilt(data_dir, say=_say, recipes=recipes)
    try:
        return _report(verdict)
    except EngineUnusable as error:
        raise EngineUnusable(error.message, hint=_ALL_BUILT, **error.details) from None


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


def _report(verdict: Verdict) -> int:
    """Print the build, the processor and each trial, and what to do."""
    build, processor = engine_build(), this_processor()
    for line in report(verdict, build, processor):
        print(line)
    usable(verdict, processor)
    return 0


def report(verdict: Verdict, build: EngineBuild, processor: Processor) -> list[str]:
    """A verdict, line by line, as it is read in a terminal."""
    cards = ", ".join(build.cards()) or "none"
    return [
        f"engine     llama-cpp-python {build.version} (build {verdict.build})",
        f"           in {build.folder}; for cards: {cards}",
        f"processor  {processor.model} ({verdict.processor}){', has AMX' * processor.has_amx}",
        *(f"tried      {trial}" for trial in tried(verdict)),
        *filter(None, [worded(notice(verdict, processor))]),
    ]
