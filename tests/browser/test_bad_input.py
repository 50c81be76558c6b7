"""What can go wrong, told in the downloader where it happened, with the next step at hand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import TOKEN
from tests.browser.lab import Lab
from tests.browser.models import Open, here, row, searched
from tests.browser.page import Page
from tests.support.stand_in_hub import StandInHub
from tests.support.tiny_gguf import write_tiny_gguf

SLOW_BYTES_PER_S = 2_000_000.0
SECOND = "founders/second-GGUF"
PRIVATE = "founders/private-GGUF"
GATED = "founders/gated-GGUF"
SMALL_DISK_MB = 64


@pytest.fixture
def small_disk(lab: Lab) -> Iterator[Path]:
    """A disk of its own, and a small one, for the hub's cache."""
    place = lab.home.folder / "hf" / "hub"
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def begun(page: Page, text: str, repo: str) -> None:
    """Search for a repository and press Download."""
    card = searched(page, text, repo)
    card.get_by_role("button", name=re.compile("^Download founders")).click()


def test_what_the_hub_refuses_is_explained_in_place(
    lab: Lab, opened: Open, hub: StandInHub, axe: Path
) -> None:
    page = opened("refused")
    card = searched(page, "private", PRIVATE)
    card.get_by_text("gated or private").wait_for()
    assert card.get_by_role("link", name="its page").get_attribute("href") == f"{hub.url}/{PRIVATE}"
    page.shoot("private")
    assert page.faults(axe) == []
    card.get_by_label("Hub token").fill(TOKEN)
    card.get_by_role("button", name="Keep the token").click()
    card.get_by_role("button", name=re.compile("^Download founders")).first.wait_for()
    file = lab.home.folder / "hf" / "token"
    assert file.read_text() == TOKEN
    assert file.stat().st_mode & 0o077 == 0
    page.save()
    assert TOKEN not in (lab.folder / "refused.ipynb").read_text()
    file.unlink()


def test_a_gated_download_says_where_to_ask_and_goes_on_once_it_may(
    opened: Open, hub: StandInHub, axe: Path
) -> None:
    page = opened("gated")
    card = searched(page, "gated", GATED)
    card.get_by_text("Its owner decides").wait_for()
    card.get_by_role("button", name=re.compile("^Download founders")).click()
    failed = row(page, GATED)
    failed.get_by_text("is gated").wait_for()
    link = failed.get_by_role("link", name="Its page on the hub")
    assert link.get_attribute("href") == f"{hub.url}/{GATED}"
    page.shoot("gated")
    assert page.faults(axe) == []
    hub.repositories[GATED].gated = False
    failed.get_by_role("button", name="Try again").click()
    here(page, GATED).wait_for()
    hub.repositories[GATED].gated = True


def test_a_hub_that_does_not_answer_can_be_asked_again(opened: Open, hub: StandInHub) -> None:
    page = opened("unreachable")
    hub.statuses += [503] * 50
    page.panel.get_by_role("searchbox").fill("second")
    again = page.panel.locator(".wiz-banner").get_by_role("button", name="Try again")
    again.wait_for(timeout=60_000)
    page.shoot("hub-unreachable")
    hub.statuses.clear()
    again.click()
    page.panel.locator(".wiz-card", has_text=SECOND).wait_for()
    assert not page.panel.locator(".wiz-banner").is_visible()


def test_a_full_disk_stops_a_download_that_goes_on_once_there_is_room(
    opened: Open, hub: StandInHub, small_disk: Path
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    page = opened("full")
    begun(page, "second", SECOND)
    row(page, SECOND).get_by_text("left").wait_for()
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    row(page, SECOND).get_by_text("download failed").wait_for()
    row(page, SECOND).get_by_text("Make room").wait_for()
    page.shoot("disk-full")
    filler.unlink()
    n_before = hub.n_sent_bytes
    hub.bytes_per_s = None
    row(page, SECOND).get_by_role("button", name="Try again").click()
    here(page, SECOND).wait_for()
    size = len(hub.repositories[SECOND].files["second-Q8_0.gguf"])
    assert hub.n_sent_bytes - n_before < size, "it began anew"


def test_a_model_deleted_under_the_panel_is_told_of_and_leaves_the_list(
    lab: Lab, opened: Open
) -> None:
    models = lab.home.folder / "d" / "models"
    models.mkdir(parents=True, exist_ok=True)
    file = write_tiny_gguf(models / "fleeting.gguf")
    page = opened("deleted")
    here(page, "fleeting").wait_for()
    page.raw.wait_for_timeout(1000)
    file.unlink()
    here(page, "fleeting").get_by_role("button", name="Load").click()
    page.panel.locator(".wiz-banner", has_text="fleeting.gguf").wait_for()
    here(page, "fleeting").wait_for(state="detached")
    page.shoot("deleted")


def test_a_stopped_service_is_started_again_and_its_download_resumed(
    lab: Lab, opened: Open, hub: StandInHub
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S / 4
    page = opened("stopped")
    third = next(name for name in hub.repositories if "third" in name)
    begun(page, "third", third)
    row(page, third).get_by_text("left").wait_for()
    lab.client.stop()
    banner = page.panel.locator(".wiz-banner", has_text="service has ended")
    banner.wait_for()
    page.shoot("service-stopped")
    banner.get_by_role("button", name="Start it").click()
    row(page, third).get_by_text("download paused").wait_for()
    assert not banner.is_visible()
    hub.bytes_per_s = None
    row(page, third).get_by_role("button", name="Resume").click()
    here(page, third).wait_for()
