"""What the tests of the downloader do again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.page import Page

Open = Callable[..., Page]


def searched(page: Page, text: str, repo: str) -> Any:
    """Type into the search and open a repository; its card."""
    page.panel.first.get_by_role("searchbox").fill(text)
    card = page.panel.first.locator(".wiz-card", has_text=repo)
    card.wait_for()
    if not card.evaluate("card => card.open"):
        card.locator("summary").click()
    card.locator("table, .wiz-gate").first.wait_for()
    return card


def row(page: Page, title: str) -> Any:
    """The row of work under way on `title`."""
    return page.panel.first.locator(".wiz-work-row", has_text=title)


def here(page: Page, name: str) -> Any:
    """The row of a model on this machine."""
    region = page.panel.first.get_by_role("region", name="On this machine")
    return region.get_by_role("row").filter(has_text=name)
