"""What `python -m benchmarks engine` is told, and does."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import psutil

from benchmarks.engine import alone
from benchmarks.engine.contenders import Kind, kinds
from benchmarks.engine.contenders.process import Contender, ContenderFailed, Setup, make
from benchmarks.engine.plot import svg
from benchmarks.engine.report import markdown
from benchmarks.engine.results import Results
from benchmarks.engine.rounds import Rounds
from benchmarks.engine.works import BRIEF, CARD, FULL, Work, on_a_card, on_cores
from tests.support.tiny_gguf import SMALL_135M, Shape, write_tiny_gguf

N_SEQUENCES = 20
N_CTX, N_CTX_CARD = 8192, 16_384


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks engine")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--works", type=_names, help="of: " + ", ".join(_all_works()))
    made.add_argument("--contenders", type=_names, help="of: " + ", ".join(map(_key, kinds())))
    made.add_argument("--model", type=Path, help="a GGUF, instead of a random one of 135 M")
    made.add_argument("--gpu", action="store_true", help="the works of a card, all layers on it")
    made.add_argument("--brief", action="store_true", help="a tiny model: that it runs, not how")
    made.add_argument("--json", type=Path, help="write all samples here")
    made.add_argument("--plot", type=Path, help="write a picture here, as SVG")
    made.add_argument("--markdown", action="store_true", help="print nothing but the section")
    return made


def main(words: Sequence[str]) -> Results:
    """Run what `words` ask for, print the table, and return what was found."""
    options = parser().parse_args(words)
    # So that nothing is left running, and what was found is told, where it is ended from outside.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = run(options)
    print(markdown(results), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results.as_json(), indent=1, ensure_ascii=False))
    if options.plot:
        options.plot.write_text(svg(results))
    return results


def run(options: argparse.Namespace) -> Results:
    """The works asked for, by the contenders asked for that are installed; then those alone.

    Where it is interrupted, with what there is until then.
    """
    works = [w for w in _works(options.gpu, options.brief) if _is_asked(options.works, w.name)]
    asked = [kind for kind in kinds(gpu=options.gpu) if _is_asked(options.contenders, _key(kind))]
    results = Results(
        date=str(date.today()),
        machine=_machine(),
        model=_described(options),
        n_rounds=options.rounds,
        kinds=[kind for kind in asked if not kind.missing],
        measures=[measure for work in works for measure in work.measures],
        left_out={kind.name: f"not installed ({kind.missing})" for kind in asked if kind.missing},
    )
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or _random_model(Path(folder), is_brief=options.brief)
        try:
            if works:
                _compare(results, works, _setup(options, model.resolve()), options)
            _measure_alone(results, model, options)
        except KeyboardInterrupt:
            results.left_out["The rest"] = "interrupted"
    return results


def _compare(
    results: Results, works: Sequence[Work], setup: Setup, options: argparse.Namespace
) -> None:
    with _started(results.kinds, setup, results.left_out) as contenders:
        rounds = Rounds(
            contenders,
            works,
            _say,
            heeds_others=not options.brief,
            found=results.comparison,
        )
        rounds.run(options.rounds)


def _measure_alone(results: Results, model: Path, options: argparse.Namespace) -> None:
    setting = alone.Setting(model=model, n_rounds=options.rounds, is_brief=options.brief)
    for name, measure in alone.WORKS.items():
        if _is_asked(options.works, name) and not options.gpu:
            _say(name)
            results.alone.extend(measure(setting))


def _setup(options: argparse.Namespace, model: Path) -> Setup:
    sizes = CARD if options.gpu else FULL
    return Setup(
        model=str(model),
        n_ctx=N_CTX_CARD if options.gpu else N_CTX,
        n_threads=os.cpu_count() or 1,
        n_streams=max(sizes.streams),
        n_sequences=max(N_SEQUENCES, *sizes.streams),
        gpu=options.gpu,
    )


@contextmanager
def _started(
    chosen: Sequence[Kind], setup: Setup, left_out: dict[str, str]
) -> Iterator[list[Contender]]:
    """Those of `chosen` that start; of the others it is noted why they do not."""
    contenders = []
    with ExitStack() as stack:
        for kind in chosen:
            contender = make(kind, setup)
            stack.callback(contender.close)
            try:
                _say(f"{kind.name}: loaded in {contender.start():.2f} s")
                contenders.append(contender)
            except ContenderFailed as error:
                left_out[kind.name] = str(error)
        yield contenders


def _random_model(folder: Path, *, is_brief: bool) -> Path:
    shape = Shape() if is_brief else SMALL_135M
    return write_tiny_gguf(folder / "random.gguf", replace(shape, n_ctx_train=16_384))


def _described(options: argparse.Namespace) -> str:
    if options.model:
        return str(options.model.name)
    size = "a tiny one" if options.brief else "135 M parameters, Q8_0"
    return f"random weights ({size})"


def _works(gpu: bool, is_brief: bool) -> list[Work]:
    if gpu:
        return on_a_card(replace(BRIEF, streams=CARD.streams) if is_brief else CARD)
    return on_cores(BRIEF if is_brief else FULL)


def _all_works() -> list[str]:
    names = [work.name for works in (on_cores(), on_a_card()) for work in works]
    return [*dict.fromkeys(names), *alone.WORKS]


def _names(words: str) -> list[str]:
    return words.split(",")


def _key(kind: Kind) -> str:
    return {"raw loop, plain": "raw", "raw loop, flash attention": "raw-flash"}.get(
        kind.name, kind.name
    )


def _is_asked(names: list[str] | None, name: str) -> bool:
    return names is None or name in names


def _machine() -> str:
    cores = psutil.cpu_count()
    return f"{platform.system()} {platform.machine()}, {cores} cores ({_processor()})"


def _processor() -> str:
    """The processor's name, and what matters of its instruction set."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    best = next((flag for flag in ("amx_int8", "avx512f", "avx2") if flag in flags), "")
    return ", ".join(filter(None, [facts.get("model name", ""), best]))


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr, flush=True)
