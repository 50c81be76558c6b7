"""The chat panel in JupyterLab."""

from __future__ import annotations

from tests.browser.lab import Lab, Page


def test_a_question_is_asked_and_answered_by_keys(lab: Lab, page: Page) -> None:
    page.open(
        lab.notebook(
            "ask", ["%load_ext wiz_kernel_ext\n%wiz_load demo", "%wiz_chat --temperature 0"]
        )
    )
    page.run(0)
    page.run(1)
    page.ready()
    page.shoot("empty")
    page.say("Hello! What are you?")
    assert len(page.answered()) > 10
    page.shoot("answered")
