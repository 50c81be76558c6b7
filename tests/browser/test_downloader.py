"""The downloader panel in JupyterLab, against a hub of this machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.lab import Lab
from tests.browser.models import Open, here, row, searched
from tests.browser.page import Page
from tests.support.stand_in_hub import StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.protocol.hub_requests import PullModel

SLOW_BYTES_PER_S = 400_000.0
# Of what is sent anew after a pause: what lay in the sockets.
AT_MOST_SENT = 1.05
FIRST = "founders/demo-GGUF"
SECOND = "founders/second-GGUF"
CHECKPOINT = "founders/checkpoint"


def deleted(page: Page, name: str) -> str:
    """Delete a model by clicks; what the panel says of it."""
    here(page, name).get_by_role("button", name="Delete").click()
    banner = page.panel.first.locator(".wiz-banner")
    banner.get_by_text("would be freed").wait_for()
    banner.get_by_role("button", name=re.compile("elete")).click()
    banner.get_by_text("deleted:").wait_for()
    return str(banner.inner_text())


def test_a_model_is_found_fetched_loaded_and_asked_by_clicks_and_keys(
    opened: Open, hub: StandInHub, axe: Path
) -> None:
    page = opened("fetch", "%wiz_chat")
    page.panel.get_by_text("Nothing is under way").wait_for()
    page.shoot("begin")
    card = searched(page, "demo", FIRST)
    card.get_by_text("fits").wait_for()
    page.shoot("found")
    assert page.faults(axe) == []
    n_before = hub.n_sent_bytes
    hub.bytes_per_s = SLOW_BYTES_PER_S
    card.get_by_role("button", name=re.compile("^Download founders")).press("Enter")
    row(page, FIRST).get_by_text("left").wait_for()
    card.get_by_text("downloading …").wait_for()
    page.shoot("under-way")
    row(page, FIRST).get_by_role("button", name="Pause").click()
    row(page, FIRST).get_by_text("download paused").wait_for()
    row(page, FIRST).get_by_text("kept").wait_for()
    page.shoot("paused")
    row(page, FIRST).get_by_role("button", name="Resume").click()
    row(page, FIRST).get_by_text("left").wait_for()
    page.restart_kernel()
    page.panel.locator(".wiz-banner", has_text="restarted").wait_for()
    page.shoot("restarted")
    page.reconnect()
    page.start(0)
    page.run(1)
    page.ready()
    row(page, FIRST).get_by_label("load when done").check()
    hub.bytes_per_s = None
    page.panel.locator(".wiz-banner", has_text="is loaded").wait_for()
    page.shoot("loaded")
    sent = hub.n_sent_bytes - n_before
    size = len(hub.repositories[FIRST].files["demo-Q8_0.gguf"])
    print(f"paused, resumed, kernel restarted: {sent / size:.3f} of the file was sent")
    assert sent <= AT_MOST_SENT * size
    page.run(2)
    page.raw.locator(".wiz-chat-page[data-ready]").wait_for()
    chat = page.panel.nth(1)
    chat.get_by_label("Message").fill("Hello!")
    chat.get_by_label("Message").press("Enter")
    chat.locator(".wiz-assistant:not([aria-busy]) .wiz-small", has_text="tokens").wait_for()
    here(page, FIRST).get_by_role("button", name="Verify").click()
    page.panel.first.locator(".wiz-banner", has_text="as the hub has it").wait_for()
    here(page, FIRST).get_by_role("button", name="Delete").click()
    page.panel.first.locator(".wiz-banner", has_text="It is loaded").wait_for()
    page.shoot("delete")
    page.panel.first.get_by_role("button", name="Unload and delete").click()
    page.panel.first.locator(".wiz-banner", has_text="freed").wait_for()
    card = searched(page, "demo", FIRST)
    assert card.get_by_role("button", name=re.compile("^Download founders")).is_visible()


def test_two_downloads_and_one_begun_elsewhere_are_shown_in_every_view_and_controlled(
    lab: Lab, opened: Open, hub: StandInHub, axe: Path
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    page = opened(
        "several", "import wiz_kernel_ext as wiz\npanel = wiz.Downloader()\npanel", "panel"
    )
    third = next(name for name in hub.repositories if "third" in name)
    elsewhere = lab.client.start(PullModel(model=third))
    for text, repo in (("demo", FIRST), ("second", SECOND)):
        card = searched(page, text, repo)
        card.get_by_role("button", name=re.compile("^Download founders")).click()
    for title in (FIRST, SECOND, third):
        row(page, title).get_by_text("left").wait_for()
    page.run(2)
    page.run(3)
    page.raw.locator(".wiz-panel[data-ready]").nth(2).wait_for()
    row(page, third).get_by_text("left").wait_for()
    page.shoot("several")
    row(page, third).get_by_role("button", name="Cancel").click()
    row(page, third).wait_for(state="detached")
    assert lab.client.operation(elsewhere.id).state == "cancelled"
    row(page, SECOND).get_by_role("button", name="Pause").click()
    for view in page.panel.all():
        view.locator(".wiz-work-row", has_text=SECOND).get_by_text("download paused").wait_for()
    page.raw.set_viewport_size({"width": 500, "height": 950})
    page.raw.wait_for_timeout(300)
    page.shoot("narrow")
    assert page.overflows() == []
    assert page.faults(axe) == []
    page.raw.set_viewport_size({"width": 1100, "height": 950})
    hub.bytes_per_s = None
    view = page.panel.nth(2)
    view.locator(".wiz-work-row", has_text=SECOND).get_by_role("button", name="Resume").click()
    for view in page.panel.all():
        for title in (FIRST, SECOND):
            view.get_by_role("region", name="On this machine").get_by_text(title).wait_for()
    assert "freed" in deleted(page, FIRST)
    assert "freed" in deleted(page, SECOND)


def test_a_checkpoint_is_converted_and_what_came_of_it_quantized_by_clicks(
    lab: Lab, opened: Open, hub: StandInHub, axe: Path
) -> None:
    page = opened("convert")
    card = searched(page, f"  {CHECKPOINT} ", CHECKPOINT)
    card.get_by_text("to download, then about").wait_for()
    card.get_by_label("Type of the GGUF").select_option("f32")
    page.shoot("convertible")
    assert page.faults(axe) == []
    hub.bytes_per_s = 20e6
    card.get_by_role("button", name="Convert").click()
    row(page, CHECKPOINT).get_by_text("fetching the checkpoint").wait_for()
    page.shoot("converting")
    hub.bytes_per_s = None
    page.panel.locator(".wiz-banner", has_text="checkpoint-F32.gguf is here").wait_for(
        timeout=120_000
    )
    page.shoot("converted")
    model = here(page, "checkpoint-F32")
    choice = model.get_by_label("Quantize checkpoint-F32.gguf")
    assert re.search(r"Q8_0 \(about [\d.]+ MB\)", choice.inner_text())
    choice.select_option("Q8_0")
    row(page, "checkpoint-F32.gguf → Q8_0").wait_for()
    page.shoot("quantizing")
    page.panel.locator(".wiz-banner", has_text="checkpoint-Q8_0.gguf is here").wait_for(
        timeout=120_000
    )
    freed = deleted(page, "checkpoint-F32")
    assert re.search(r"deleted: [\d.]+ MB freed", freed)
    assert not (lab.home.folder / "d" / "models" / "checkpoint-F32.gguf").exists()
    deleted(page, "checkpoint-Q8_0")


def test_the_bar_and_its_verdict_follow_the_context_and_end_where_training_did(
    opened: Open, hub: StandInHub
) -> None:
    page = opened("context")
    card = searched(page, "demo", FIRST)
    n_asked = len(hub.asked)
    slider = page.panel.get_by_label("Context length")
    slider.focus()
    page.raw.keyboard.press("Home")
    card.get_by_text("not trained for more").wait_for(state="hidden")
    small = card.locator(".wiz-fit").inner_text()
    page.raw.evaluate(
        """slider => { for (let n = 9; n <= 17; n += 1) {
            slider.value = n;
            slider.dispatchEvent(new Event('input'));
        } }""",
        slider.element_handle(),
    )
    page.panel.get_by_text("131,072 tokens").wait_for()
    card.get_by_text("with 2,048 tokens: it was not trained for more").wait_for()
    assert card.locator(".wiz-fit").inner_text() != small
    assert len(hub.asked) == n_asked, "a moving slider asks nobody"
    page.shoot("beyond-training")


def test_newcomers_slips_do_no_harm(lab: Lab, opened: Open, hub: StandInHub) -> None:
    page = opened("slips")
    hub.bytes_per_s = SLOW_BYTES_PER_S
    card = searched(page, f" {hub.url}/{FIRST}/blob/main/demo-Q8_0.gguf ", FIRST)
    card.get_by_role("button", name=re.compile("^Download founders")).dblclick()
    row(page, FIRST).get_by_text("of 23").wait_for()
    assert row(page, FIRST).count() == 1
    page.panel.get_by_role("searchbox").fill("https://elsewhere.example/u/r")
    page.panel.get_by_text("only addresses of").wait_for()
    page.panel.get_by_role("searchbox").fill("no such thing")
    page.panel.get_by_text("Nothing was found").wait_for()
    page.shoot("nothing-found")
    page.run(1)
    page.ready()
    row(page, FIRST).get_by_text("of 23").wait_for()
    assert page.panel.count() == 1
    page.reopen("slips.ipynb", with_kernel=True)
    page.open(lab.notebook("slips-too", ["%load_ext wiz_kernel_ext", "%wiz_download"]))
    page.run(0)
    page.run(1)
    panel = page.raw.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .wiz-panel[data-ready]")
    panel.locator(".wiz-work-row", has_text=FIRST).get_by_role("button", name="Cancel").click()
    panel.locator(".wiz-work-row", has_text=FIRST).wait_for(state="detached")


def test_a_model_that_is_loading_is_not_offered_again(
    lab: Lab, opened: Open, slow_model: Path
) -> None:
    models = lab.home.folder / "d" / "models"
    models.mkdir(parents=True, exist_ok=True)
    shape = Shape(n_layers=10, width=768, n_heads=8, n_ffn=2048, n_vocab=8192)
    write_tiny_gguf(models / "large.gguf", shape)
    page = opened("loading")
    load = here(page, "large").get_by_role("button", name="Load")
    load.dblclick()
    page.panel.locator(".wiz-banner", has_text="is loaded").wait_for()
    here(page, "large").get_by_text("loaded", exact=True).wait_for()
    loads = [o for o in lab.client.operations(10) if o.kind in ("load", "setup")]
    assert sum(o.title.endswith("large.gguf") for o in loads) == 1
    here(page, "large").get_by_role("button", name="Unload").click()
    here(page, "large").get_by_role("button", name="Load").wait_for()
    assert "freed" in deleted(page, "large")
