"""A dry run as people read it."""

from __future__ import annotations

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
