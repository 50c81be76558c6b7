"""What a load would do, as a line and tables. Pure."""

from __future__ import annotations

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.protocol.load_plan import DevicePart, LoadPlan
from wiz_kernel_ext.remedies import worded

_BASIS = {"measured": "measured by the engine", "header": "worked out", "size": "by its size"}


def plan_line(plan: LoadPlan) -> str:
    """Whether it would be loaded, the KV memory's sum, and what its user would be told."""
    kv = plan.cells * plan.cell_bytes
    lines = [
        f"{plan.name}: {plan.verdict} ({_BASIS[plan.basis]}). Nothing is loaded.",
        f"KV memory: {plan.cells:,} cells of {size(plan.cell_bytes)} are {size(kv)}.",
        *plan.notices,
        f"It would be refused: {plan.refusal}" if plan.refusal else "",
        "It is loaded already, and would be shared as it is." if plan.is_loaded else "",
    ]
    return "\n".join(worded(line) for line in lines if line)


def plan_tables(plan: LoadPlan) -> list[Table]:
    """What goes on which device, and what was settled."""
    columns = (
        *("device", "layers", "weights", "KV", "compute", "other", "in all"),
        *("free", "of", "left"),
    )
    rows = [_row(part) for part in plan.parts]
    if plan.draft:
        draft = f"draft {plan.draft.rpartition('/')[2]}"
        rows += [(f"{part.device}: {draft}", *_row(part)[1:]) for part in plan.draft_parts]
    settings = [(one.name, one.value, one.why) for one in plan.settings]
    return [
        Table("Devices", columns, rows, ""),
        Table("Settings", ("what", "how", "why"), settings, ""),
    ]


def _row(part: DevicePart) -> tuple[str, ...]:
    left = part.free_bytes - part.needed_bytes
    name = part.description or part.device
    return (
        part.device if name == part.device else f"{part.device}: {name}",
        str(part.n_layers),
        *(
            size(n_bytes)
            for n_bytes in (
                part.weights_bytes,
                part.kv_bytes,
                part.compute_bytes,
                part.other_bytes,
                part.needed_bytes,
                part.free_bytes,
                part.total_bytes,
            )
        ),
        size(left) if left >= 0 else f"{size(-left)} too little",
    )
