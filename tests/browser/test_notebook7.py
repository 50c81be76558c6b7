"""The panels in Notebook 7."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chats import LOAD, STOP_WITHIN_S, stopped_s
from tests.browser.conftest import ARTIFACTS, tidy
from tests.browser.lab import Lab
from tests.browser.models import here, row, searched
from tests.browser.page import Page
from tests.support.stand_in_hub import StandInHub

SLOW_BYTES_PER_S = 2_000_000.0
SECOND = "founders/second-GGUF"


@pytest.fixture
def seven(notebook7: Lab, browser: Any) -> Iterator[Page]:
    """A page of Notebook 7; errors in its console fail the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 950})
    page = Page(context.new_page(), notebook7, ARTIFACTS / "notebook7")
    yield page
    errors = page.end()
    context.close()
    tidy(notebook7.client)
    assert errors == []


def test_a_question_is_answered_and_stopped_in_notebook_7(notebook7: Lab, seven: Page) -> None:
    page = seven
    page.open(notebook7.notebook("seven", [LOAD, "%wiz_chat"]))
    page.run(0)
    page.run(1)
    page.ready()
    page.say("Count from 1 to 200.")
    took_s = stopped_s(notebook7, page)
    page.figure(f"engine free after Stop: {took_s * 1000:.0f} ms")
    assert took_s <= STOP_WITHIN_S
    page.answered()
    page.shoot("chat")


def test_a_model_is_fetched_and_the_service_watched_in_notebook_7(
    notebook7: Lab, seven: Page, hub: StandInHub, axe: Path
) -> None:
    page = seven
    cells = ["%load_ext wiz_kernel_ext", "%wiz_download", "%wiz_status --panel"]
    page.open(notebook7.notebook("seven-too", cells))
    for number in range(3):
        page.run(number)
    page.raw.locator(".wiz-status-page[data-ready]").wait_for()
    hub.bytes_per_s = SLOW_BYTES_PER_S
    card = searched(page, "second", SECOND)
    card.get_by_role("button", name=re.compile("^Download founders")).click()
    row(page, SECOND).get_by_text("left").wait_for()
    watched = page.panel.nth(1).get_by_role("region", name="Operations").get_by_role("row")
    watched.filter(has_text=SECOND).get_by_text("MB/s").wait_for()
    page.shoot("downloader")
    page.shoot("status", page.panel.nth(1))
    assert page.faults(axe) == []
    row(page, SECOND).get_by_role("button", name="Pause").click()
    row(page, SECOND).get_by_text("download paused").wait_for()
    hub.bytes_per_s = None
    row(page, SECOND).get_by_role("button", name="Resume").click()
    here(page, SECOND).wait_for()
    notebook7.client.remove_model(f"{SECOND}:Q8_0")
    here(page, SECOND).wait_for(state="detached")
