"""`python -m wiz_kernel_ext.making.convert SRC OUT --type q8_0`: a conversion, told in JSON lines.

The parent (`conversion.py`) runs it; by hand it works the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from wiz_kernel_ext.children.in_child import NICENESS, Speaker, end_on_signal, end_with_parent
from wiz_kernel_ext.errors import ConversionFailed, WizError
from wiz_kernel_ext.making.target import discard, part_file
from wiz_kernel_ext.out_of_memory import go_first


def main(arguments: list[str] | None = None) -> int:
    """Convert; 0 when there is a result, 1 when there is an error (the last line has either)."""
    parser = argparse.ArgumentParser(prog="python -m wiz_kernel_ext.making.convert")
    parser.add_argument("source", type=Path, help="folder of a checkpoint, or of a PEFT adapter")
    parser.add_argument("target", type=Path, help="the .gguf file to write")
    parser.add_argument("--type", default="bf16", help="f32, f16, bf16 or q8_0")
    parser.add_argument("--name", help="the model's name")
    parser.add_argument("--repo", help="the repository it came from")
    parser.add_argument("--commit", help="the commit it came from")
    parser.add_argument("--base", type=Path, help="the model an adapter is for")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--tied", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    go_first()
    speaker = Speaker()
    tidy_up = partial(discard, part_file(options.target, os.getpid()))
    end_on_signal(tidy_up)
    if options.tied:
        os.nice(NICENESS)
        end_with_parent(tidy_up)
    try:
        from wiz_kernel_ext.making.convert.adapter_job import run_adapter
        from wiz_kernel_ext.making.convert.adapter_plan import is_adapter
        from wiz_kernel_ext.making.convert.job import Job, run
    except ImportError as error:
        speaker.error(
            ConversionFailed(
                f"Converting needs a library that is not installed: {error.name}.",
                hint="pip install 'wiz-kernel-ext[convert]'",
            )
        )
        return 1
    job = Job(
        options.source,
        options.target,
        options.type,
        name=options.name,
        repo=options.repo,
        commit=options.commit,
        overwrite=options.overwrite,
        base=options.base,
    )
    try:
        if is_adapter(job.source):
            speaker.result(run_adapter(job, speaker.progress))
        else:
            speaker.result(run(job, speaker.progress, speaker.notice))
    except WizError as error:
        speaker.error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
