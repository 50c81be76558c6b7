"""Jupyter's configuration files: which counts, and what is said of one that cannot be taken."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from jupyter_core import paths

from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.configuration.reading import configured_defaults, configured_limits
from wiz_kernel_ext.errors import ConfigurationError, LimitExceeded
from wiz_kernel_ext.settings import Settings


class Machine:
    """The folders that Jupyter reads, all in one place."""

    def __init__(self, folder: Path) -> None:
        self.system, self.environment, self.user = (
            folder / name for name in ("system", "environment", "user")
        )
        for place in (self.system, self.environment, self.user):
            place.mkdir()

    def write(self, place: Path, text: str, name: str = "jupyter_wiz_config.py") -> Path:
        file = place / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(paths, "SYSTEM_CONFIG_PATH", [str(machine.system)])
    monkeypatch.setattr(paths, "ENV_CONFIG_PATH", [str(machine.environment)])
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(machine.user))
    for name in ("KEEP_ALIVE_S", "IDLE_EXIT_S", "DATA_DIR", "RUNTIME_DIR", "START_TIMEOUT_S"):
        monkeypatch.delenv(f"WIZ_{name}", raising=False)
    return machine


def test_nothing_is_configured_and_nothing_limited(machine: Machine) -> None:
    assert configured_defaults() == {}
    assert configured_limits() == Limits()
    assert Settings.from_environment() == Settings()


def test_the_users_default_wins_over_the_machines_and_a_variable_over_both(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(machine.system, "c.Wiz.keep_alive_s = 60; c.Wiz.idle_exit_s = 61")
    machine.write(machine.user, "c.Wiz.keep_alive_s = 120")
    settings = Settings.from_environment()
    assert (settings.keep_alive_s, settings.idle_exit_s) == (120, 61)
    monkeypatch.setenv("WIZ_KEEP_ALIVE_S", "5")
    assert Settings.from_environment().keep_alive_s == 5


def test_the_machines_limit_and_place_win_over_variable_and_user(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = machine.write(
        machine.system,
        "c.WizLimits.max_keep_alive_s = 60\nc.WizLimits.data_dir = '$PLACE/data'\n"
        "c.WizLimits.max_idle_exit_s = 30\n",
    )
    machine.write(machine.environment, "c.WizLimits.max_keep_alive_s = 1000")
    machine.write(machine.user, "c.WizLimits.max_keep_alive_s = 2000\nc.Wiz.idle_exit_s = -1")
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("WIZ_KEEP_ALIVE_S", "-1")
    monkeypatch.setenv("WIZ_DATA_DIR", "/elsewhere")
    settings = Settings.from_environment()
    assert settings.keep_alive_s == 60
    assert settings.idle_exit_s == 30
    assert settings.data_dir == tmp_path / "data"
    assert configured_limits().files["max_keep_alive_s"] == str(file)
    # The twin: without the machine's file, the variable is what counts.
    file.unlink()
    assert Settings.from_environment().data_dir == Path("/elsewhere")


@pytest.mark.parametrize(
    "name",
    [
        "jupyter_config.json",
        "jupyter_wiz_config.json",
        "jupyter_wiz_config.d/site.json",
        "jupyter_config.d/site.json",
    ],
)
def test_every_file_of_jupyters_is_read(machine: Machine, name: str) -> None:
    machine.write(machine.system, json.dumps({"WizLimits": {"max_threads": 2}}), name)
    assert configured_limits().max_threads == 2


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("c.WizLimits.max_threads = 'two'", "WizLimits.max_threads"),
        ("c.WizLimits.max_threads = 0", "WizLimits.max_threads"),
        ("c.WizLimits.max_thread = 2", "WizLimits.max_thread"),
        ("c.WizLimits.allowed_models = 'demo'", "WizLimits.allowed_models"),
        ("c.WizLimits.max_keep_alive_s = -2", "WizLimits.max_keep_alive_s"),
        ("c.Wiz.keep_alive_s = float('nan')", "Wiz.keep_alive_s"),
        ("c.Wiz.idle_exit_s = True", "Wiz.idle_exit_s"),
    ],
)
def test_what_cannot_be_taken_names_its_file_and_option(
    machine: Machine, line: str, field: str
) -> None:
    file = machine.write(machine.user, line)
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment()
    assert str(file) in caught.value.message
    assert field in caught.value.message
    assert caught.value.details == {"file": str(file), "field": field}


def test_a_file_that_cannot_be_run_names_itself(machine: Machine) -> None:
    file = machine.write(machine.user, "c.Wiz.keep_alive_s = 60 +")
    with pytest.raises(ConfigurationError, match="SyntaxError") as caught:
        Settings.from_environment()
    assert str(file) in caught.value.message
    machine.write(machine.user, "c.Wiz.keep_alive_s = 60\nprint('not shown')")
    assert Settings.from_environment().keep_alive_s == 60


def test_minus_one_is_without_end_everywhere(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KEEP_ALIVE_S", "IDLE_EXIT_S", "START_TIMEOUT_S", "DRAIN_TIMEOUT_S"):
        monkeypatch.setenv(f"WIZ_{name}", "-1" if name != "IDLE_EXIT_S" else "inf")
    settings = Settings.from_environment()
    assert settings.keep_alive_s == settings.idle_exit_s == -1
    assert settings.start_wait_s == settings.drain_wait_s == math.inf


def test_models_are_allowed_by_repository_name_path_or_folder(tmp_path: Path) -> None:
    cached = tmp_path / "hub/models--nice--model-GGUF/snapshots/1/m-Q8_0.gguf"
    own = tmp_path / "own" / "mine.gguf"
    limits = Limits(allowed_models=("nice/*", "mine.gguf"), files={"allowed_models": "/etc/x.py"})
    for allowed in (cached, own):
        limits.check_model(allowed)
    limits.check_repo("nice/other")
    with pytest.raises(LimitExceeded, match=r"other\.gguf is not allowed") as caught:
        limits.check_model(tmp_path / "other.gguf")
    assert "/etc/x.py says so (c.WizLimits.allowed_models)" in caught.value.hint
    with pytest.raises(LimitExceeded, match="bad/other is not allowed"):
        limits.check_repo("bad/other")


def test_a_link_does_not_lead_out_of_the_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "m.gguf").touch()
    (inside / "link.gguf").symlink_to(outside / "m.gguf")
    (inside / "m.gguf").touch()
    limits = Limits(model_dirs=(str(inside),))
    limits.check_model(inside / "m.gguf")
    for path in (inside / "link.gguf", inside / ".." / "out" / "m.gguf"):
        with pytest.raises(LimitExceeded, match="may not be loaded here"):
            limits.check_model(path)
