"""The page's modules, joined."""

from __future__ import annotations

import re

import pytest

from wiz_kernel_ext.notebook.widgets.pages import FOLDER, module, style

PANELS = ["chat.js", "status.js", "downloader.js"]


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_travels_as_one_module_with_one_export(name: str) -> None:
    text = module(name)
    assert "\nimport " not in text
    assert re.findall(r"^export (.*) \{$", text, re.MULTILINE) == ["default"]


@pytest.mark.parametrize("name", PANELS)
def test_no_name_stands_at_the_top_of_two_files(name: str) -> None:
    pattern = r"^(?:async )?(?:function|class|const|let) (\w+)"
    names = re.findall(pattern, module(name), re.MULTILINE)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.js")), ids=lambda file: file.name)
def test_text_never_becomes_html(file: object) -> None:
    text = file.read_text()  # type: ignore[attr-defined]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in text


def test_every_rule_of_the_style_sheets_stays_in_a_panel() -> None:
    for sheet in FOLDER.glob("*.css"):
        text = re.sub(r"/\*.*?\*/|@[^{]*\{", "", style(sheet.name), flags=re.DOTALL)
        text = re.sub(r"\{[^{}]*\}|\}", ";", text)
        for selector in re.split(r"[;,]", text):
            assert not selector.strip() or selector.strip().startswith(".wiz-"), selector
