"""Somebody presses JupyterLab's ■ more than once: the cell ends, and the engine is free."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser.lab import Lab
from tests.browser.page import Page

GAPS_MS = (0, 15, 60, 150)
FREE_WITHIN_S = 5.0
LONG = "%wiz_prompt Count for ever. --max-tokens 4000 --temperature 0"
SHORT = "kept = _\n%wiz_prompt Say one word. --max-tokens 4\nprint('kept:', bool(kept))"


def press_stop(page: Page, gap_ms: int) -> None:
    """Click ■ twice."""
    button = page.raw.locator(
        ".jp-NotebookPanel:not(.lm-mod-hidden) [data-command='notebook:interrupt-kernel']"
    ).first
    button.click()
    if gap_ms:
        page.raw.wait_for_timeout(gap_ms)
    button.click()


def running(lab: Lab) -> list[str]:
    """The prompts that run or wait in the service."""
    found = lab.client.operations(50)
    return [one.id for one in found if one.kind == "prompt" and one.ended_at is None]


@pytest.mark.parametrize("gap_ms", GAPS_MS)
def test_two_clicks_on_stop_end_the_cell_and_free_the_engine(
    lab: Lab, page: Page, slow_model: Path, gap_ms: int
) -> None:
    load = f"%load_ext wiz_kernel_ext\n%wiz_load {slow_model}"
    page.open(lab.notebook(f"stop-{gap_ms}", [load, LONG, SHORT]))
    page.run(0)
    page.start(1)
    page.cell(1).locator(".jp-OutputArea-output").first.wait_for()
    page.raw.wait_for_timeout(1_500)
    assert running(lab)
    press_stop(page, gap_ms)
    page.cell(1).get_by_text("Interrupted").first.wait_for()
    deadline = time.monotonic() + FREE_WITHIN_S
    while running(lab) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(lab) == []
    page.run(2)
    page.cell(2).get_by_text("kept: True").wait_for()
