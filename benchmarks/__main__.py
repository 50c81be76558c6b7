"""The command line of the benchmarks; see the package."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import date
from pathlib import Path

import psutil

from benchmarks import conversion, downloads, embedding, notebook, sharing, streaming
from benchmarks.constraints import command as constraints
from benchmarks.engine import command as engine
from benchmarks.report import table

BENCHMARKS = {
    "conversion": conversion.run,
    "streaming": streaming.run,
    "sharing": sharing.run,
    "notebook": notebook.run,
    "downloads": downloads.run,
    "embedding": embedding.run,
}


def main() -> None:
    """Run the named benchmarks (default: all) and print their figures."""
    if sys.argv[1:2] == ["engine"]:
        engine.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["constraints"]:
        constraints.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog="python -m benchmarks engine [-h]: the engine against its peers, by itself; "
        "constraints [-h]: answers that follow a schema",
    )
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the samples here")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}")
    figures = []
    for name in arguments.names or BENCHMARKS:
        print(f"… {name}", flush=True)
        figures += BENCHMARKS[name](arguments.rounds)
    cores = psutil.cpu_count()
    machine = f"{platform.system()} {platform.machine()}, {cores} cores"
    print(f"\n{date.today()}, {machine}, Python {platform.python_version()}, ", end="")
    print(f"{arguments.rounds} rounds\n\n{table(figures)}")
    if arguments.json:
        arguments.json.write_text(json.dumps({f.name: f.samples for f in figures}, indent=1))


if __name__ == "__main__":
    main()
