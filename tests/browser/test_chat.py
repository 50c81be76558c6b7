"""The chat panel in JupyterLab: asked by clicks and keys, stopped, restarted, shared, crowded."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.browser.chats import LOAD, MARKDOWN, kept, opened
from tests.browser.lab import Lab
from tests.browser.page import Page
from wiz_kernel_ext.protocol.results import SessionMessage


def test_a_model_is_loaded_and_asked_by_keys_alone(lab: Lab, page: Page, axe: Path) -> None:
    opened(lab, page, "keys", "%load_ext wiz_kernel_ext", "%wiz_chat --temperature 0")
    page.shoot("empty")
    assert page.faults(axe) == []
    page.panel.get_by_label("Model to load").fill("demo")
    page.raw.keyboard.press("Enter")
    page.panel.locator(".wiz-model").get_by_text("demo", exact=True).wait_for()
    page.say("Hello!")
    assert len(page.answered()) > 5
    page.say("How do I create a DataFrame?")
    page.answered()
    page.shoot("answered")
    page.panel.get_by_role("button", name="Settings").focus()
    page.raw.keyboard.press("Enter")
    page.panel.get_by_label("System prompt").fill("Be brief.")
    page.panel.get_by_label("Top K").fill("3")
    page.shoot("settings")
    page.panel.get_by_role("button", name="Apply").press("Enter")
    page.panel.get_by_text("Settings applied").wait_for()
    assert lab.client.session("keys").info.system_prompt == "Be brief."
    assert page.faults(axe) == []
    page.raw.set_viewport_size({"width": 500, "height": 950})
    page.raw.wait_for_timeout(300)
    page.shoot("narrow")
    assert page.overflows() == []
    page.raw.set_viewport_size({"width": 1100, "height": 950})


def test_code_goes_into_a_new_cell_or_the_clipboard(lab: Lab, page: Page) -> None:
    said = [
        SessionMessage(role="user", content="code?"),
        SessionMessage(role="assistant", content=MARKDOWN),
    ]
    opened(
        lab, page, "code", "%load_ext wiz_kernel_ext", f"%wiz_chat --session {kept(lab, 'c', said)}"
    )
    page.panel.get_by_role("button", name="Insert as new cell").click()
    page.raw.wait_for_function("() => jupyterapp.shell.currentWidget.content.widgets.length === 3")
    assert page.cell(2).locator(".cm-content").inner_text() == "print('hello')"
    page.panel.get_by_role("button", name="Copy this code").click()
    page.panel.get_by_text("Code copied").first.wait_for()
    assert page.raw.evaluate("navigator.clipboard.readText()") == "print('hello')"


def test_cells_python_and_panels_see_what_each_other_say(lab: Lab, page: Page) -> None:
    opened(
        lab,
        page,
        "shared",
        LOAD,
        "import wiz_kernel_ext as wiz\nchat = wiz.Chat(temperature=0)\nchat",
        "chat",
        "wiz.Chat()",
        "%%wiz_prompt --temperature 0\nHello",
    )
    page.raw.locator(".wiz-panel[data-ready]").nth(2).wait_for()
    for number in range(3):
        panel = page.panel.nth(number)
        panel.locator(".wiz-user", has_text="Hello").wait_for()
        panel.locator(".wiz-assistant").wait_for()
    lab.client.load_model("demo")
    lab.client.create_context()
    lab.client.initialize_session(session="shared")
    answer = lab.client.prompt("What is the capital of France?", temperature=0)
    for number in range(3):
        page.panel.nth(number).locator(".wiz-assistant", has_text=answer[:20]).last.wait_for()
    page.panel.nth(1).get_by_label("Message").fill("Goodbye")
    page.panel.nth(1).get_by_label("Message").press("Enter")
    page.panel.nth(2).locator(".wiz-user", has_text="Goodbye").wait_for()
    page.raw.wait_for_function("() => !document.querySelector('[aria-busy]')")
    n_messages = lab.client.session("shared").info.n_messages
    page.panel.nth(0).get_by_role("button", name="Regenerate").click()
    page.raw.wait_for_timeout(300)
    page.raw.wait_for_function("() => !document.querySelector('[aria-busy]')")
    texts = [
        page.panel.nth(number).locator(".wiz-markdown, .wiz-text").all_text_contents()
        for number in range(3)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert lab.client.session("shared").info.n_messages == n_messages == len(texts[0])


def test_a_late_view_a_reloaded_page_and_a_restarted_kernel_show_what_was_there(
    lab: Lab, page: Page
) -> None:
    cells = [LOAD, "import wiz_kernel_ext as wiz\nchat = wiz.Chat(temperature=0)\nchat", "chat"]
    page.open(lab.notebook("late", cells))
    page.run(0)
    page.run(1)
    page.ready()
    page.say("Hello!")
    page.answered()
    page.say("How do I create a DataFrame?")
    page.answered()
    page.panel.locator(".wiz-assistant .wiz-small", has_text="tokens").nth(1).wait_for()
    early = page.drawn()
    page.run(2)
    page.raw.locator(".wiz-panel[data-ready]").nth(1).wait_for()
    assert page.drawn(1) == page.drawn(0) == early
    page.save()
    page.raw.goto(f"{lab.url}doc/tree/late.ipynb?reset")
    page.raw.locator(".wiz-panel[data-ready]").nth(1).wait_for()
    assert page.drawn(0) == page.drawn(1) == early
    page.restart_kernel()
    page.panel.nth(1).locator(".wiz-banner", has_text="restarted").wait_for()
    page.reconnect()
    page.start(0)
    page.run(1)
    page.raw.locator(".wiz-panel[data-ready]").nth(0).wait_for()
    page.panel.nth(0).get_by_label("Message").and_(page.raw.locator(":enabled")).wait_for()
    assert page.drawn(0) == early


def test_what_comes_before_the_first_word_is_shown_with_a_bar(
    lab: Lab, page: Page, slow_model: Path, axe: Path
) -> None:
    opened(
        lab,
        page,
        "reading",
        f"%load_ext wiz_kernel_ext\n%wiz_load {slow_model}",
        "%wiz_chat --max-tokens 1500 --seed 1",
    )
    page.panel.get_by_label("Message").fill("A long story. " * 250)
    page.panel.get_by_label("Message").press("Enter")
    answer = page.panel.locator(".wiz-assistant")
    answer.get_by_text(re.compile(r"reading the prompt \d+%")).wait_for()
    answer.get_by_role("progressbar", name="Before the answer").wait_for()
    left_px = page.panel.locator(".wiz-log").evaluate(
        "log => log.scrollHeight - log.scrollTop - log.clientHeight"
    )
    assert left_px < 60, "the end is out of sight"
    page.shoot("reading")
    answer.locator(".wiz-markdown p").first.wait_for(timeout=60_000)
    answer.get_by_role("progressbar").wait_for(state="hidden")
    answer.get_by_text("tokens/s").wait_for()
    page.shoot("answering")
    assert page.faults(axe) == []
    page.panel.get_by_role("button", name="Stop this answer").click()
    page.answered()
    page.panel.get_by_label("Message").fill("A much longer story. " * 500)
    page.panel.get_by_label("Message").press("Enter")
    page.panel.locator(".wiz-banner", has_text="the context holds").wait_for()
    page.shoot("too-long")
    page.panel.get_by_role("button", name="New conversation").last.click()
    page.panel.get_by_text("Nothing was said yet").wait_for()


def test_a_restarted_kernel_shows_the_answer_that_went_on(
    lab: Lab, page: Page, slow_model: Path
) -> None:
    opened(
        lab,
        page,
        "restart",
        f"%load_ext wiz_kernel_ext\n%wiz_load {slow_model}",
        "%wiz_chat --max-tokens 400 --seed 5",
    )
    page.say("Go.")
    answer = page.panel.locator(".wiz-assistant .wiz-markdown").last
    answer.locator("p").first.wait_for()
    page.restart_kernel()
    page.panel.locator(".wiz-banner", has_text="restarted").wait_for()
    page.shoot("restarted")
    page.reconnect()
    page.start(0)
    page.run(1)
    page.ready()
    shown = page.answered()
    messages = lab.client.session("restart").messages
    assert [message.role for message in messages] == ["user", "assistant"]
    assert "".join(shown.split()) == "".join(messages[1].content.split()) != ""
    assert page.panel.locator(".wiz-message").count() == 2


def test_a_saved_notebook_can_be_read_without_a_kernel(lab: Lab, page: Page) -> None:
    opened(lab, page, "saved", LOAD, "%wiz_chat --temperature 0")
    page.say("Hello!")
    answer = page.answered()
    page.save()
    saved = json.loads((lab.folder / "saved.ipynb").read_text())
    forms = [output["data"] for output in saved["cells"][1]["outputs"]]
    assert answer.strip() in "".join(forms[1]["text/plain"])
    for with_kernel in (False, True):
        page.reopen("saved.ipynb", with_kernel=with_kernel)
        page.cell(1).get_by_text(answer.strip()).wait_for()
        assert page.raw.get_by_text("model not found").count() == 0
        page.shots.mkdir(parents=True, exist_ok=True)
        page.cell(1).screenshot(path=page.shots / f"saved-{with_kernel=}.png")
    page.run(0)
    page.run(1)
    page.ready()
    assert page.cell(1).get_by_text(answer.strip(), exact=True).count() == 2
    page.save()
    page.raw.goto(f"{lab.url}doc/tree/saved.ipynb?reset")
    page.ready()
    assert page.panel.get_by_text(answer.strip()).is_visible()


def test_what_was_removed_or_stopped_elsewhere_is_told_in_place(lab: Lab, page: Page) -> None:
    opened(lab, page, "gone", LOAD, "%wiz_chat --temperature 0")
    page.say("Hello!")
    page.answered()
    lab.client.delete_session("gone")
    page.panel.locator(".wiz-banner", has_text="no session").wait_for()
    page.shoot("session-removed")
    page.panel.get_by_role("button", name="Open this notebook's conversation").click()
    page.panel.get_by_text("Nothing was said yet").wait_for()
    lab.client.stop()
    page.panel.locator(".wiz-banner", has_text="service has ended").wait_for()
    page.shoot("service-stopped")
    page.panel.get_by_label("Message").fill("Hello again!")
    page.panel.get_by_label("Message").press("Enter")
    page.panel.locator(".wiz-banner", has_text="Load").wait_for()
    page.shoot("nothing-loaded")
    page.panel.get_by_role("button", name="Load a model").last.click()
    page.panel.get_by_label("Model to load").press("Enter")
    page.panel.locator(".wiz-model").get_by_text("demo", exact=True).wait_for()
    page.panel.get_by_role("button", name="Send").click()
    page.panel.locator(".wiz-assistant:not([aria-busy])", has_text="tokens").wait_for()
    assert page.answered()
