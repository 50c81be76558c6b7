"""What `python -m benchmarks constraints` is told, and does."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.constraints import corpus, speed
from benchmarks.constraints.contenders import kinds
from benchmarks.constraints.process import Asked
from benchmarks.engine.contenders import Kind
from benchmarks.engine.contenders.process import ContenderFailed, Setup
from tests.corpora.schemas import CORPUS
from tests.support.tiny_gguf import Shape, write_tiny_gguf

N_CTX = 8192
WORKS = ("corpus", "speed")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks constraints")
    made.add_argument("--models", type=Path, nargs="+", help="GGUF files; without, a tiny one")
    made.add_argument("--contenders", type=_names, help="of: " + ", ".join(k.name for k in kinds()))
    made.add_argument("--works", type=_names, default=list(WORKS), help="of: " + ", ".join(WORKS))
    made.add_argument("--schemas", type=int, help="so many of the corpus; all without")
    made.add_argument("--tokens", type=int, default=200, help="of an answer at most")
    made.add_argument("--rounds", type=int, default=3, help="of the speeds")
    made.add_argument("--brief", action="store_true", help="a little of it: that it runs, not how")
    made.add_argument("--json", type=Path, help="write all that was found here")
    return made


def main(words: Sequence[str]) -> dict[str, Any]:
    """Run what `words` ask for, print the tables, and return what was found."""
    options = parser().parse_args(words)
    # So that nothing is left running, and what was found is told, where it is ended from outside.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.brief:
        options.schemas, options.tokens, options.rounds = options.schemas or 12, 24, 1
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models or [_tiny(Path(folder))]:
            print(f"\n{model.name}\n")
            found[model.name] = _of_model(model.resolve(), options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    return found


def _of_model(model: Path, options: argparse.Namespace) -> dict[str, Any]:
    n_threads = os.cpu_count() or 1
    setup = Setup(
        model=str(model),
        n_ctx=N_CTX,
        n_threads=n_threads,
        n_streams=speed.N_STREAMS,
        n_sequences=speed.N_STREAMS,
    )
    tallies: dict[tuple[str, str], corpus.Tally] = {}
    samples: dict[str, speed.Samples] = {}
    left_out = {}
    for kind in kinds():
        if options.contenders and kind.name not in options.contenders:
            continue
        if kind.missing:
            left_out[kind.name] = f"not installed ({kind.missing})"
            continue
        try:
            _ask(kind, setup, options, tallies, samples)
        except ContenderFailed as error:
            left_out[kind.name] = str(error)
        except KeyboardInterrupt:
            left_out["The rest"] = "interrupted"
            break
    _print(tallies, samples)
    for name, why in left_out.items():
        print(f"- {name} was left out: {why}")
    return {
        "corpus": {
            f"{name}, {way}": {"verdicts": dict(tally.verdicts), "wrong": tally.wrong}
            for (name, way), tally in tallies.items()
        },
        "speed": {name: kept.found for name, kept in samples.items()},
        "left_out": left_out,
    }


def _ask(
    kind: Kind,
    setup: Setup,
    options: argparse.Namespace,
    tallies: dict[tuple[str, str], corpus.Tally],
    samples: dict[str, speed.Samples],
) -> None:
    """One contender after another: beside each other they would take each other's cores."""
    asked = Asked(kind, setup)
    try:
        _say(f"{kind.name}: loaded in {asked.start():.2f} s")
        if "speed" in options.works:
            kept = samples[kind.name] = speed.Samples()
            chance = random.Random()
            for number in range(options.rounds):
                _say(f"{kind.name}: round {number + 1} of {options.rounds}")
                speed.measure_round(asked, kept, chance, options.tokens)
        if "corpus" in options.works:
            cases = corpus.sampled(CORPUS, options.schemas)
            for way in corpus.TEMPERATURES:
                tally = tallies[kind.name, way] = corpus.Tally()
                corpus.ask_for_all(asked, cases, tally, way, options.tokens, _say)
    finally:
        asked.close()


def _print(tallies: dict[tuple[str, str], corpus.Tally], samples: dict[str, speed.Samples]) -> None:
    if tallies:
        _print_rows([corpus.TITLES], [t.row(*key) for key, t in tallies.items()])
    if samples:
        rows = []
        for line, unit in speed.measures().items():
            medians = [kept.median(line) for kept in samples.values()]
            cells = ["–" if value is None else f"{value:.3g}" for value in medians]
            rows.append(f"| {', '.join(filter(None, [line, unit]))} | {' | '.join(cells)} |")
        _print_rows([["work", *samples]], rows)


def _print_rows(head: list[list[str]], rows: list[str]) -> None:
    titles = head[0]
    print(f"| {' | '.join(titles)} |\n| {' | '.join(['---'] * len(titles))} |")
    print("\n".join(rows) + "\n", flush=True)


def _tiny(folder: Path) -> Path:
    return write_tiny_gguf(folder / "random.gguf", replace(Shape(), n_ctx_train=N_CTX))


def _names(words: str) -> list[str]:
    return words.split(",")


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr, flush=True)
