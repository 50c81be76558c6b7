"""The conversion of an adapter, start to end, in one process; `job.py` does that of a model.

Runs in the child (`__main__.py`). The target appears last, by a rename.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import gguf

from wiz_kernel_ext.children.child import OnProgress
from wiz_kernel_ext.making.convert.adapter_plan import AdapterPlan, make_adapter_plan
from wiz_kernel_ext.making.convert.job import Job, counted, written
from wiz_kernel_ext.making.convert.report import ConversionReport
from wiz_kernel_ext.making.convert.writer import write_tensors
from wiz_kernel_ext.making.target import check_space, check_target


def run_adapter(job: Job, on_progress: OnProgress) -> ConversionReport:
    """Convert; progress in bytes of the adapter. Raises WizErrors; leaves no part behind."""
    began = time.monotonic()
    check_target(job.target, job.overwrite)
    plan = make_adapter_plan(job.source, job.out_type, job.base)
    check_space(job.target, plan.size_bytes)
    name = job.name or job.source.absolute().name
    with written(job) as part:
        _write(part, plan, name, counted(on_progress, plan.source_bytes))
        size = part.stat().st_size
    return ConversionReport(
        path=job.target,
        size_bytes=size,
        source_size_bytes=plan.source_bytes,
        duration_s=time.monotonic() - began,
        outtype=plan.out_type.lower(),
        architecture=plan.architecture,
        name=name,
        n_tensors=len(plan.tensors),
    )


def _write(path: Path, plan: AdapterPlan, name: str, on_bytes: Callable[[int], None]) -> None:
    writer = gguf.GGUFWriter(path, plan.architecture)
    try:
        writer.add_type("adapter")
        writer.add_name(name)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", plan.alpha)
        writer.add_uint32("general.base_model.count", 1)
        writer.add_string("general.base_model.0.name", plan.base_name)
        write_tensors(writer, plan.tensors, plan.out_type, on_bytes)
    finally:
        writer.close()
