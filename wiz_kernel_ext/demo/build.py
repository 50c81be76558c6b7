"""Make the demo model from nothing: `python -m wiz_kernel_ext.demo.build --out DIR --minutes N`.

Writes `checkpoint.pt` (training goes on from it if it is there) and the GGUF to DIR. Needs
`pip install wiz-kernel-ext[demo]`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from . import MODEL_FILE


def main(arguments: Sequence[str] | None = None) -> int:
    """Train for some minutes and export; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wiz_kernel_ext.demo.build", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="directory for what is made")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time in all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        from .export import export
        from .train import Plan, train
    except ImportError as error:
        print(f"{error}: pip install wiz-kernel-ext[demo]", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "checkpoint.pt"
    plan = Plan(minutes=options.minutes, threads=options.threads, seed=options.seed)
    trainer = train(plan, checkpoint)
    made = export(checkpoint, options.out / MODEL_FILE)
    print(trainer.report())
    print(f"{made}: {made.stat().st_size} bytes")
    print(f"evaluate it: python -m wiz_kernel_ext.demo.evaluate --model {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
