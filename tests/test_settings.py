"""Settings: read from the environment, once, with errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.settings import Settings


def test_the_environment_wins_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIZ_SERVICE", "mine")
    monkeypatch.setenv("WIZ_DATA_DIR", "~/data")
    monkeypatch.setenv("WIZ_KEEP_ALIVE_S", "-1")
    settings = Settings.from_environment()
    assert settings.name == "mine"
    assert settings.data_dir == Path.home() / "data"
    assert settings.keep_alive_s == -1.0


@pytest.mark.parametrize("text", ["soon", "nan"])
def test_a_number_that_is_none_is_refused_by_the_variables_name(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIZ_IDLE_EXIT_S", text)
    with pytest.raises(BadRequest, match="WIZ_IDLE_EXIT_S") as caught:
        Settings.from_environment()
    assert caught.value.details["field"] == "WIZ_IDLE_EXIT_S"


def test_every_environment_has_the_same_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIZ_SERVICE", raising=False)
    here = Settings.from_environment().name
    monkeypatch.setattr("sys.prefix", "/another/environment")
    assert Settings.from_environment().name == here
