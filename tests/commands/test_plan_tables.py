"""A dry run as people read it."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.commands.plan_tables import plan_line, plan_tables
from wiz_kernel_ext.protocol.load_plan import DevicePart, LoadPlan, Setting

GIB = 2**30
PLAN = LoadPlan(
    name="m.gguf",
    path="/m.gguf",
    verdict="too big",
    parts=[
        DevicePart(
            device="CUDA0", description="A Card", n_layers=33, weights_bytes=5 * GIB, kv_bytes=GIB,
            compute_bytes=GIB, other_bytes=GIB, needed_bytes=8 * GIB, free_bytes=7 * GIB,
            total_bytes=8 * GIB,
        ),
        DevicePart(device="CPU", n_layers=0, needed_bytes=GIB, free_bytes=3 * GIB),
    ],
    cells=8192,
    cell_bytes=131_072,
    settings=[Setting(name="context", value="4096 tokens", why="the default")],
    notices=["33 layers are asked for, and about 25 fit."],
    refusal="It takes too much. Less fits (`--ctx 512`).",
    is_loaded=True,
)  # fmt: skip


def test_the_sum_and_what_would_be_said_are_lines() -> None:
    assert plan_line(PLAN).splitlines() == [
        "m.gguf: too big (worked out). Nothing is loaded.",
        "KV memory: 8,192 cells of 128.0 KB are 1.0 GB.",
        "33 layers are asked for, and about 25 fit.",
        "It would be refused: It takes too much. Less fits (context_size=512).",
        "It is loaded already, and would be shared as it is.",
    ]


def test_each_device_is_a_row_with_what_is_left_or_missing() -> None:
    devices, settings = plan_tables(PLAN)
    card, cpu = devices.rows
    assert card == (
        "CUDA0: A Card", "33", "5.0 GB", "1.0 GB", "1.0 GB", "1.0 GB", "8.0 GB", "7.0 GB", "8.0 GB",
        "1.0 GB too little",
    )  # fmt: skip
    assert (cpu[0], cpu[-1]) == ("CPU", "2.0 GB")
    assert settings.rows == [("context", "4096 tokens", "the default")]


def test_a_draft_has_rows_after_the_models_with_what_those_leave() -> None:
    beside = DevicePart(
        device="CPU", description="A Processor", n_layers=7, weights_bytes=GIB, kv_bytes=GIB,
        needed_bytes=2 * GIB, free_bytes=2 * GIB,
    )  # fmt: skip
    plan = msgspec.structs.replace(PLAN, draft="/models/d.gguf", draft_parts=[beside])
    rows = plan_tables(plan)[0].rows
    assert rows[:2] == plan_tables(PLAN)[0].rows
    (row,) = rows[2:]
    assert row[:4] == ("CPU: draft d.gguf", "7", "1.0 GB", "1.0 GB")
    assert row[4:] == ("0 B", "0 B", "2.0 GB", "2.0 GB", "0 B", "0 B")
