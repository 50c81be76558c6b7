"""Try an engine in each way it can be used, in child processes, until one answers right.

Called by whoever is about to compute: the service before it starts a worker, an in-process
`LlamaWorker` before its first model, `wiz doctor`, and the tests before they hold an engine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from wiz_kernel_ext.children.child import Ended, follow, ignore, run_child
from wiz_kernel_ext.children.ending import not_started, signal_name
from wiz_kernel_ext.engine.environment import HAS_PRELOAD, worker_environment
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.engine_check.build import EngineBuild, engine_build
from wiz_kernel_ext.engine_check.diagnosis import cannot_be_loaded
from wiz_kernel_ext.engine_check.probe import ANSWER
from wiz_kernel_ext.engine_check.processor import this_processor
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict, VerdictFile, verdict_key
from wiz_kernel_ext.errors import WizError, WorkerDied

FILE_NAME = "engine-check.json"
TIMEOUT_S = 60.0
"""For one way, that takes half a second: what is not there by then hangs."""
CARD_TIMEOUT_S = 300.0
"""For a build for cards, which may have to compile its kernels for this one first."""
PROBE = (sys.executable, "-m", "wiz_kernel_ext.engine_check.probe")

OnTrial = Callable[[Trial], object]


def ways(*, cards: bool) -> Iterator[Way]:
    """Every way to try, the fastest first; those without the GPU only where a build has one."""
    yield AS_IT_IS
    yield Way(extra_buffers=False)
    yield Way(one_thread=True)
    if cards:
        yield Way(gpu=False)
        yield Way(gpu=False, extra_buffers=False)
    yield Way(extra_buffers=False, one_thread=True)
    if cards:
        yield Way(gpu=False, extra_buffers=False, one_thread=True)


async def checked(
    data_dir: Path,
    *,
    sockets_first: bool = False,
    anew: bool = False,
    on_trial: OnTrial = ignore,
) -> Verdict:
    """The verdict on the installed build on this processor: the one kept, or else a new one.

    `sockets_first`: as it is used in a process that loaded libzmq before. `on_trial` is told of
    each way tried. Raises EngineUnusable where there is no build, WorkerDied where no process can
    be started.
    """
    build, processor, file = engine_build(), this_processor(), VerdictFile(data_dir / FILE_NAME)
    kept = file.read()
    digest = kept.digests.get(build.stamp)
    if digest is None:
        digest = await asyncio.to_thread(build.digest)
    known = kept.verdicts.get(verdict_key(digest, processor.digest, sockets_first=sockets_first))
    if known is not None and not anew:
        return known
    trials = await try_ways(build, sockets_first=sockets_first, on_trial=on_trial)
    verdict = Verdict(
        build=digest, processor=processor.digest, sockets_first=sockets_first, trials=trials
    )
    if verdict.is_lasting:
        await asyncio.to_thread(file.keep, build.stamp, verdict)
    return verdict


async def try_ways(
    build: EngineBuild,
    *,
    sockets_first: bool = False,
    command: Sequence[str] = PROBE,
    timeout_s: float | None = None,
    on_trial: OnTrial = ignore,
) -> list[Trial]:
    """Try one way after the other, to the first that is right; `command` is what tries one.

    With the system's C++ library first only where it died before it computed, and a process that
    can be started so is meant.
    """
    trials = []
    extra = ["--sockets-first"] if sockets_first else []
    has_cards = bool(build.cards())
    if timeout_s is None:
        timeout_s = CARD_TIMEOUT_S if has_cards else TIMEOUT_S
    to_try = deque(ways(cards=has_cards))
    while to_try:
        way = to_try.popleft()
        words = [*command, msgspec.json.encode(way).decode(), *extra]
        trial = await _try(way, words, timeout_s)
        trials.append(trial)
        on_trial(trial)
        if trial.outcome == "right" or (trial.outcome, trial.stage) == ("refused", "import"):
            break  # it is right; or it cannot be loaded, in whatever way it would be used
        if len(trials) == 1 and HAS_PRELOAD and not sockets_first and _died_as_it_loaded(trial):
            to_try.appendleft(Way(system_cxx=True))
    return trials


def _died_as_it_loaded(trial: Trial) -> bool:
    return trial.outcome == "died" and trial.stage in ("import", "load") and trial.is_lasting


async def loadable(data_dir: Path) -> None:
    """Raise EngineUnusable where the installed build cannot even be loaded; quick.

    Costs nothing where a verdict on it is kept. Raises WorkerDied where no process can be started.
    """
    build, kept = engine_build(), VerdictFile(data_dir / FILE_NAME).read()
    digest = kept.digests.get(build.stamp, "")
    if any(verdict.build == digest for verdict in kept.verdicts.values()):
        return
    child = run_child(
        [sys.executable, "-c", "import llama_cpp"],
        what="Looking at the engine",
        on_output=ignore,
        environment=worker_environment(os.environ),
    )
    try:
        ended = await asyncio.wait_for(child, TIMEOUT_S)
    except asyncio.TimeoutError:
        return  # slow, or hung: the check will tell
    except OSError as error:
        raise not_started("The engine cannot be looked at", error) from error
    if ended.returncode > 0:
        raise cannot_be_loaded(ended.log[-1] if ended.log else "", ended.log)


async def _try(way: Way, command: Sequence[str], timeout_s: float) -> Trial:
    stages = ["import"]
    ends: list[Ended] = []

    def broken(ended: Ended) -> WizError:
        ends.append(ended)
        return WorkerDied(str(ended))

    child = follow(
        command,
        str,
        what="Checking the engine",
        broken=broken,
        on_notice=stages.append,
        environment=worker_environment(os.environ, way),
    )
    try:
        said = await asyncio.wait_for(child, timeout_s)
    except asyncio.TimeoutError:
        return Trial(way=way, outcome="hung", stage=stages[-1], words=f"{timeout_s:.0f} s")
    except OSError as error:
        raise not_started("The engine cannot be checked", error) from error
    except WorkerDied:
        ended = ends[-1]
        last = ended.log[-1] if ended.log else ""
        signal = signal_name(ended.returncode)
        return Trial(
            way=way,
            outcome="died" if signal else "refused",
            stage=stages[-1],
            signal=signal,
            words=last,
            log=ended.log,
        )
    if said != ANSWER:
        return Trial(way=way, outcome="wrong", stage=stages[-1], words=said)
    return Trial(way=way, outcome="right")
