"""The conversion itself, start to end, in one process: plan, tokenizer, tensors, rename.

Knows the order of the steps. Runs in the child (`__main__.py`), where it may be killed at any
time: the target appears last, by a rename.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.children.child import OnNotice, OnProgress
from wiz_kernel_ext.errors import ConversionFailed
from wiz_kernel_ext.making.convert.metadata import describe
from wiz_kernel_ext.making.convert.plan import Plan, make_plan
from wiz_kernel_ext.making.convert.report import ConversionReport
from wiz_kernel_ext.making.convert.special_tokens import read_special_tokens
from wiz_kernel_ext.making.convert.verification import (
    Reference,
    Tokenize,
    Verified,
    llama_cpp_ids,
    verify,
)
from wiz_kernel_ext.making.convert.vocabulary import read_vocabulary
from wiz_kernel_ext.making.convert.writer import Keys, write_model, write_vocabulary
from wiz_kernel_ext.making.target import check_space, check_target, discard, part_file


@dataclass(frozen=True)
class Job:
    """What to convert, into what; the names are for the file's own metadata.

    `base` is the model an adapter is for: a checkpoint's folder or a GGUF.
    """

    source: Path
    target: Path
    out_type: str
    name: str | None = None
    repo: str | None = None
    commit: str | None = None
    overwrite: bool = False
    base: Path | None = None


def run(
    job: Job, on_progress: OnProgress, on_notice: OnNotice, tokenize: Tokenize = llama_cpp_ids
) -> ConversionReport:
    """Convert; progress in bytes of the checkpoint. Raises WizErrors; leaves no part behind."""
    began = time.monotonic()
    check_target(job.target, job.overwrite)
    plan = make_plan(job.source, job.out_type)
    check_space(job.target, plan.size_bytes)
    with written(job) as part:
        keys, verified = _keys(job, plan, part, tokenize)
        notices = [*plan.notices, *keys.special.notices, *verified.notices]
        for notice in notices:
            on_notice(notice)
        total = sum(tensor.source.size_bytes for tensor in plan.tensors if tensor.source)
        write_model(part, plan, keys, verified.pre, counted(on_progress, total))
        size = part.stat().st_size
    return ConversionReport(
        path=job.target,
        size_bytes=size,
        source_size_bytes=plan.checkpoint.size_bytes,
        duration_s=time.monotonic() - began,
        outtype=plan.out_type.lower(),
        architecture=keys.architecture,
        name=keys.general["general.name"],
        n_tensors=len(plan.tensors),
        pre_tokenizer=verified.pre,
        n_probes=verified.n_probes,
        notices=notices,
    )


@contextmanager
def written(job: Job) -> Iterator[Path]:
    """The part that the block writes; it becomes the target, or is gone.

    Raises ConversionFailed for what the system refuses, Conflict where the target has come to be.
    """
    part = part_file(job.target, os.getpid())
    try:
        yield part
        check_target(job.target, job.overwrite)
        part.replace(job.target)
    except OSError as error:
        raise failed(job, error) from None
    finally:
        discard(part)


def counted(on_progress: OnProgress, total: int) -> Callable[[int], None]:
    """What hears of bytes as they are done, and tells how many of `total` that makes."""
    done = 0

    def on_bytes(n: int) -> None:
        nonlocal done
        done += n
        on_progress(done, total)

    on_progress(0, total)
    return on_bytes


def _keys(job: Job, plan: Plan, part: Path, tokenize: Tokenize) -> tuple[Keys, Verified]:
    """The metadata and vocabulary, the latter verified against llama.cpp's reading of it."""
    checkpoint, family = plan.checkpoint, plan.family
    n_rows = next(t.shape[0] for t in plan.tensors if t.name == "token_embd.weight")
    vocabulary = read_vocabulary(checkpoint, n_rows)
    reference = Reference(checkpoint)
    special = read_special_tokens(checkpoint, vocabulary, reference.affixes())
    general = describe(checkpoint, vocabulary, name=job.name, repo=job.repo, commit=job.commit)
    n_types = next((t.shape[0] for t in plan.tensors if t.name == "token_types.weight"), None)
    keys = Keys(family.architecture, general, vocabulary, special, n_types)
    # Candidates take the part's place on the disk, so that whoever removes it removes them.
    verified = verify(
        checkpoint,
        vocabulary,
        reference,
        lambda path, pre: write_vocabulary(path, keys, pre),
        part,
        tokenize,
    )
    return keys, verified


def failed(job: Job, error: OSError) -> ConversionFailed:
    """The error that says why the disk did not take the file."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ConversionFailed(
        f"{job.target} could not be written from {job.source}: {error.strerror or error}.",
        hint="Make room, or choose another place." if full else "Check the place and try again.",
        source=str(job.source),
        target=str(job.target),
    )
