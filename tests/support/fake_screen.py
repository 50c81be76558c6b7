"""A screen that remembers what was drawn on it."""

from __future__ import annotations

from dataclasses import dataclass

from wiz_kernel_ext.notebook.screen import Drawing


class FakeScreen:
    """Every slot's drawings in order, and what was written."""

    def __init__(self, *, rich: bool = True) -> None:
        self.rich = rich
        self.slots: list[FakeSlot] = []
        self.written = ""

    def show(self, drawing: Drawing) -> FakeSlot:
        slot = FakeSlot([drawing])
        self.slots.append(slot)
        return slot

    def write(self, text: str) -> None:
        self.written += text


@dataclass
class FakeSlot:
    """One output."""

    drawings: list[Drawing]

    def update(self, drawing: Drawing) -> None:
        self.drawings.append(drawing)

    @property
    def last(self) -> Drawing:
        return self.drawings[-1]
