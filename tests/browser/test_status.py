"""The status panel in JupyterLab."""

from __future__ import annotations

from pathlib import Path

from tests.browser.lab import Lab, Page


def test_the_service_is_seen_at_work_and_told_to_stop(
    lab: Lab, page: Page, slow_model: Path, axe: Path
) -> None:
    cells = [
        f"%load_ext wiz_kernel_ext\n%wiz_load {slow_model}",
        "%wiz_status --panel",
        "op = %wiz_prompt Go. --max-tokens 3000 --background",
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
    assert not lab.client.running()
    lab.client.status()
    page.panel.get_by_text("No model is loaded").wait_for()
