"""`jupyter wiz doctor`: what is wrong on this machine; the engine built again if asked."""

from __future__ import annotations

import argparse
import asyncio
import json

import msgspec

from wiz_kernel_ext.doctor.checks import around_here, findings
from wiz_kernel_ext.doctor.engine import report
from wiz_kernel_ext.doctor.finding import Finding
from wiz_kernel_ext.engine_check.build import engine_build
from wiz_kernel_ext.engine_check.building import RECIPES, Recipe
from wiz_kernel_ext.engine_check.check import checked
from wiz_kernel_ext.engine_check.diagnosis import ended, notice, usable
from wiz_kernel_ext.engine_check.processor import this_processor
from wiz_kernel_ext.engine_check.rebuild import for_unused_cards, rebuilt
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
    """Look at everything and print what was found, 1 where something must be done.

    With --rebuild the engine alone is tried, and built until it is right; --safer leaves the first
    recipe out. Raises EngineUnusable where nothing works in the end.
    """
    read_in(arguments.read_in)
    with taken():
        if arguments.rebuild:
            recipes = RECIPES[1:] if arguments.safer else RECIPES
            return asyncio.run(_rebuilt(recipes))
        return _examined(as_json=arguments.json)


def _examined(*, as_json: bool) -> int:
    found: list[Finding] = []
    for finding in findings(around_here()):
        found.append(finding)
        if not as_json:
            # As they come: the trial of an engine that hangs takes a minute.
            print("\n".join(finding.told()), flush=True)
    if as_json:
        print(json.dumps([_plain(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        print(_summed_up(found))
    return 1 if any(finding.state == "must" for finding in found) else 0


def _plain(finding: Finding) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(finding)
    return {**plain, "remedy": worded(finding.remedy)}


def _summed_up(found: list[Finding]) -> str:
    n_must, n_notes = (sum(f.state == state for f in found) for state in ("must", "note"))
    if not n_must:
        return f"All works{f'; {n_notes} could be better' if n_notes else ''}."
    return f"{n_must} of {len(found)} must be seen to: the lines that begin with `must`."


async def _rebuilt(recipes: tuple[Recipe, ...]) -> int:
    data_dir = places(Settings.from_environment()).data_dir
    try:
        verdict = await checked(data_dir, anew=True)
    except EngineUnusable as error:
        _say(error.message)
    else:
        if verdict.is_plain and not for_unused_cards(engine_build()):
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
    for line in [*report(verdict, build, processor), worded(notice(verdict, processor))]:
        if line:
            print(line)
    usable(verdict, processor)
    return 0
