"""`docs/administrators.md` says what the code does: options, variables, defaults."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from wiz_kernel_ext.client.discovery import MAX_LOG_BYTES
from wiz_kernel_ext.configuration.options import Wiz, WizLimits
from wiz_kernel_ext.engine.snapshots import MOST_BYTES, MOST_OF_DISK
from wiz_kernel_ext.service.records import N_OPERATIONS_KEPT
from wiz_kernel_ext.service.snapshots import UNUSED_S
from wiz_kernel_ext.service.spawning import N_LOGS_KEPT
from wiz_kernel_ext.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "administrators.md"


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text()


def test_every_option_is_there_and_no_other(text: str) -> None:
    named = set(re.findall(r"c\.WizLimits\.(\w+) =", text))
    assert named == set(WizLimits.class_traits(config=True)) - {"parent", "config"}
    for name in Wiz.class_traits(config=True):
        assert f"`{name}`" in text
        assert f"WIZ_{name.upper()}" in text


def test_the_example_is_taken(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_core import paths

    from wiz_kernel_ext.configuration.reading import configured_limits

    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "jupyter_wiz_config.py").write_text(example)
    monkeypatch.setattr(paths, "SYSTEM_CONFIG_PATH", [str(tmp_path)])
    limits = configured_limits()
    assert limits.max_memory_bytes == 16_000_000_000
    assert all(getattr(limits, field.name) not in (None, "", (), False) for field in fields(limits))


def test_the_defaults_are_the_codes(text: str) -> None:
    seconds = ("keep_alive_s", "idle_exit_s", "start_timeout_s", "drain_timeout_s", "hung_after_s")
    for name in seconds:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert float(row.split("|")[3]) == getattr(Settings(), name)
    assert f"{N_OPERATIONS_KEPT:,} operations" in text
    assert f"the last {N_LOGS_KEPT} are" in text
    assert f"more than {MOST_BYTES >> 30} GiB or a twentieth of" in text
    assert MOST_OF_DISK == 1 / 20
    assert f"after {UNUSED_S / 86_400:.0f} days" in text
    assert f"at {MAX_LOG_BYTES // 1_000_000} MB" in text
