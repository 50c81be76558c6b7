"""The status panel in JupyterLab."""

from __future__ import annotations

from pathlib import Path

from tests.browser.lab import Lab
from tests.browser.page import Page


def test_a_saved_notebook_shows_models_and_status_without_a_kernel(lab: Lab, page: Page) -> None:
    cells = ["%load_ext wiz_kernel_ext\n%wiz_load demo", "%wiz_download", "%wiz_status --panel"]
    page.open(lab.notebook("kept", cells))
    for number in range(3):
        page.run(number)
    page.raw.locator(".wiz-panel[data-ready]").nth(1).wait_for()
    page.save()
    for with_kernel in (False, True):
        page.reopen("kept.ipynb", with_kernel=with_kernel)
        page.cell(1).get_by_text("Models here").wait_for()
        page.cell(1).get_by_role("cell", name="demo", exact=True).wait_for()
        page.cell(2).get_by_role("cell", name="demo", exact=True).first.wait_for()
        assert page.raw.get_by_text("model not found").count() == 0
        assert page.panel.filter(visible=True).count() == 0
        page.cell(1).screenshot(path=page.shots / f"saved-models-{with_kernel=}.png")
        page.cell(2).screenshot(path=page.shots / f"saved-status-{with_kernel=}.png")
    for number in range(3):
        page.run(number)
    page.raw.locator(".wiz-panel[data-ready]").nth(1).wait_for()
    assert not page.cell(1).get_by_text("Models here").is_visible()


def test_the_service_is_seen_at_work_and_told_to_stop(
    lab: Lab, page: Page, slow_model: Path, axe: Path
) -> None:
    cells = [
        f"%load_ext wiz_kernel_ext\n%wiz_load {slow_model}",
        "%wiz_status --panel",
        "op = %wiz_prompt Go. --max-tokens 3000 --background --logit-bias '<|im_end|>=-100' "
        "--logit-bias '<|endoftext|>=-100'",
    ]
    page.open(lab.notebook("status", cells))
    page.run(0)
    page.run(1)
    page.ready()
    models = page.panel.get_by_role("region", name="Models")
    models.get_by_role("row").filter(has_text="tiny").wait_for()
    page.run(2)
    row = page.panel.get_by_role("row").filter(has_text="Go.").first
    row.get_by_text("tokens/s").wait_for()
    page.shoot("at-work")
    assert page.faults(axe) == []
    page.raw.set_viewport_size({"width": 500, "height": 950})
    page.raw.wait_for_timeout(300)
    page.shoot("narrow")
    assert page.overflows() == []
    page.raw.set_viewport_size({"width": 1100, "height": 950})
    row.get_by_role("button", name="Cancel").click()
    row.get_by_text("cancelled").wait_for()
    page.panel.get_by_text("Log", exact=True).click()
    page.panel.get_by_role("region", name="Log of the service").get_by_text("serving at").wait_for()
    for button in models.get_by_role("button", name="Unload").all()[::-1]:
        button.click()
    models.get_by_text("No model is loaded").wait_for()
    page.panel.get_by_role("button", name="Stop the service").click()
    page.shoot("stop")
    page.panel.get_by_role("button", name="Stop it").click()
    page.panel.get_by_text("No service is running").wait_for()
    page.shoot("stopped")
    assert page.faults(axe) == []
    assert not lab.client.running()
    lab.client.status()
    page.panel.get_by_text("No model is loaded").wait_for()
