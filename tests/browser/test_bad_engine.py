"""What somebody in JupyterLab sees of an engine that is bad on this processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS, serving
from tests.browser.page import Page
from tests.support.faulty_engine import Fault, FaultyEngine
from tests.support.homes import Home
from tests.support.stand_in_hub import StandInHub

CELLS = [
    "%load_ext wiz_kernel_ext\n%wiz_load demo",
    "%wiz_prompt What is the capital of France? --temperature 0",
    "%wiz_status --panel",
    "%wiz_doctor",
]


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Fault:
    """The engine's; given by the test."""
    found: Fault = request.param
    return found


@pytest.fixture
def bad(
    hub: StandInHub, browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> Iterator[Page]:
    """A JupyterLab whose kernels and service have that engine."""
    engine = FaultyEngine.make(tmp_path / "engine", fault)
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)
    context = browser.new_context(viewport={"width": 1100, "height": 950})
    with serving(Home.make(), hub) as lab:
        page = Page(context.new_page(), lab, ARTIFACTS / "bad_engine")
        page.open(lab.notebook("bad", CELLS))
        yield page
        errors = page.end()
        assert not errors, errors
    context.close()


@pytest.mark.parametrize(
    "fault", [Fault("decode", "SIGSEGV", (("extra_buffers", False),))], indirect=True, ids=[""]
)
def test_the_cell_says_how_it_is_used_and_the_status_keeps_saying(bad: Page) -> None:
    for number in range(4):
        bad.run(number)
    bad.cell(0).get_by_text("It is used without extra buffers").wait_for()
    bad.cell(0).get_by_text("%wiz_doctor --rebuild").wait_for()
    bad.cell(1).get_by_text("Paris").wait_for()
    bad.cell(2).get_by_text("used without extra buffers: %wiz_doctor").first.wait_for()
    bad.cell(3).get_by_text("without extra buffers: answered right").wait_for()
    bad.raw.screenshot(path=bad.shots / "used-in-another-way.png")


@pytest.mark.parametrize("fault", [Fault("decode", "SIGILL")], indirect=True, ids=[""])
def test_where_no_way_is_right_the_cell_fails_in_two_lines(bad: Page) -> None:
    bad.run(0)
    bad.cell(0).get_by_text("EngineUnusable: This build of llama.cpp does not work").wait_for()
    bad.cell(0).get_by_text("→ %wiz_doctor --rebuild builds it anew").wait_for()
    assert "again" not in bad.cell(0).inner_text().replace("against", "")
    bad.raw.screenshot(path=bad.shots / "unusable.png")
