"""The downloader panel in JupyterLab, against a hub of this machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.conftest import TOKEN
from tests.browser.lab import Lab, Page
from tests.support.stand_in_hub import StandInHub

SLOW_BYTES_PER_S = 400_000.0
FIRST = "founders/demo-GGUF"
PRIVATE = "founders/private-GGUF"


def searched(page: Page, text: str, repo: str) -> None:
    """Type into the search and wait for a repository's files."""
    page.panel.first.get_by_role("searchbox").fill(text)
    card = page.panel.first.locator(".wiz-card", has_text=repo)
    card.wait_for()
    if not card.evaluate("card => card.open"):
        card.locator("summary").click()
    card.locator("table, .wiz-gate").first.wait_for()


def test_a_model_is_found_fetched_loaded_and_asked_by_clicks_and_keys(
    lab: Lab, page: Page, hub: StandInHub, axe: Path
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    page.open(lab.notebook("fetch", ["%load_ext wiz_kernel_ext", "%wiz_download", "%wiz_chat"]))
    page.run(0)
    page.run(1)
    page.ready()
    page.shoot("begin")
    searched(page, "demo", FIRST)
    page.panel.get_by_text("fits:").wait_for()
    page.shoot("found")
    assert page.faults(axe) == []
    page.panel.get_by_label("Context length").focus()
    for _ in range(5):
        page.raw.keyboard.press("ArrowRight")
    page.panel.get_by_text("131072 tokens").wait_for()
    page.panel.get_by_role("button", name=re.compile("^Download founders")).first.press("Enter")
    row = page.panel.locator(".wiz-work-row", has_text="founders/demo-GGUF")
    row.get_by_text("left").wait_for()
    page.shoot("under-way")
    row.get_by_role("button", name="Pause").click()
    row.get_by_text("download paused").wait_for()
    page.shoot("paused")
    row.get_by_role("button", name="Resume").click()
    row.get_by_text("left").wait_for()
    page.restart_kernel()
    page.panel.locator(".wiz-banner", has_text="restarted").wait_for()
    page.reconnect()
    page.start(0)
    page.run(1)
    page.ready()
    row.get_by_label("load when done").check()
    hub.bytes_per_s = None
    page.panel.locator(".wiz-banner", has_text="The model is loaded").wait_for()
    page.shoot("loaded")
    gets = [asked for asked in hub.asked if (asked.method, asked.origin) == ("GET", "store")]
    assert any(asked.range for asked in gets), "the download began anew"
    page.run(2)
    page.raw.locator(".wiz-chat-page[data-ready]").wait_for()
    chat = page.panel.nth(1)
    chat.get_by_label("Message").fill("Hello!")
    chat.get_by_label("Message").press("Enter")
    chat.locator(".wiz-assistant:not([aria-busy]) .wiz-small", has_text="tokens").wait_for()
    models = page.panel.first.get_by_role("region", name="On this machine")
    mine = models.get_by_role("row").filter(has_text="demo-GGUF")
    mine.get_by_role("button", name="Verify").click()
    page.panel.first.locator(".wiz-banner", has_text="as the hub has it").wait_for()
    mine.get_by_role("button", name="Delete").click()
    page.panel.first.locator(".wiz-banner", has_text="would be freed").wait_for()
    page.shoot("delete")
    page.panel.first.locator(".wiz-banner").get_by_role("button", name="Delete").click()
    page.panel.first.locator(".wiz-banner", has_text="is loaded").wait_for()
    lab.client.unload_model(lab.client.status().workers[-1].model_path, force=True)


def test_what_the_hub_refuses_is_explained_in_place(lab: Lab, page: Page, hub: StandInHub) -> None:
    page.open(lab.notebook("refused", ["%load_ext wiz_kernel_ext", "%wiz_download"]))
    page.run(0)
    page.run(1)
    page.ready()
    searched(page, "private", PRIVATE)
    page.panel.get_by_text("gated or private").wait_for()
    page.shoot("private")
    page.panel.get_by_label("Hub token").fill(TOKEN)
    page.panel.get_by_role("button", name="Keep the token").click()
    page.panel.get_by_role("button", name=re.compile("^Download founders")).first.wait_for()
    file = lab.home.folder / "hf" / "token"
    assert file.read_text() == TOKEN
    assert file.stat().st_mode & 0o077 == 0
    page.save()
    assert TOKEN not in (lab.folder / "refused.ipynb").read_text()
    file.unlink()
    hub.statuses += [503] * 50
    page.panel.get_by_role("searchbox").fill("anything")
    page.panel.locator(".wiz-banner").get_by_role("button", name="Try again").wait_for(
        timeout=60_000
    )
    page.shoot("hub-unreachable")
    hub.statuses.clear()
