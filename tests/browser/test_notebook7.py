"""The panels in Notebook 7."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import Lab, Page
from tests.browser.test_chat import LOAD, STOP_WITHIN_S, stopped_s


def test_a_question_is_answered_and_stopped_in_notebook_7(notebook7: Lab, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 1100, "height": 950})
    page = Page(context.new_page(), notebook7, ARTIFACTS / "notebook7")
    page.open(notebook7.notebook("seven", [LOAD, "%wiz_chat"]))
    page.run(0)
    page.run(1)
    page.ready()
    page.say("Count from 1 to 200.")
    assert stopped_s(notebook7, page) <= STOP_WITHIN_S
    page.answered()
    page.shoot("chat")
    assert page.end() == []
    context.close()
