"""A real JupyterLab, a real browser, and a home of their own for both.

Without a browser every test here is skipped by name; where CI is set that is a failure instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Lab, Page
from tests.support.homes import Home

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "browser"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing() -> str:
    """What there is not, or nothing."""
    packages = [name for name in ("playwright", "jupyterlab", "anywidget") if not find_spec(name)]
    if packages:
        return f"not installed: {', '.join(packages)}"
    return "" if CHROMIUM else "no Chromium on this machine (Debian: apt-get install chromium)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, or fail where nothing may be left out."""
    reason = missing()
    if not reason:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if os.environ.get("CI"):
                pytest.exit(f"browser tests cannot be left out in CI: {reason}", returncode=1)
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A JupyterLab server whose kernels find a service of their own."""
    home = Home.make()
    lab = Lab(home)
    try:
        lab.start()
        yield lab
    finally:
        lab.close()
        home.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(lab: Lab, browser: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the lab; errors in its console fail the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 950})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = Page(context.new_page(), lab, ARTIFACTS / request.node.name)
    yield page
    page.close()
    context.close()
    assert not page.errors, page.errors
