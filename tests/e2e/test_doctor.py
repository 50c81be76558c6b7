"""`jupyter wiz doctor` as it is run, in environments that are not as they should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import Environment, edit, make_environment
from tests.support.homes import Home


def examined(
    home: Home, python: str = sys.executable, **variables: str
) -> tuple[int, dict[str, Any]]:
    """The exit code, and the finding of each check by what it is about."""
    done = subprocess.run(
        [python, "-m", "wiz_kernel_ext", "doctor", "--json"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", **home.environment, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
    )
    assert done.stdout, done.stderr
    return done.returncode, {one["about"]: one for one in json.loads(done.stdout)}


def run(home: Home, environment: Environment) -> None:
    environment.run(home, "client.load('demo')")


def test_a_sound_machine_ends_well_and_a_wrong_variable_does_not(home: Home) -> None:
    code, found = examined(home)
    assert (code, found["engine"]["state"]) == (0, "ok")
    assert found["hub"]["text"] == "not asked: offline mode is set (HF_HUB_OFFLINE)"
    code, found = examined(home, WIZ_KEEP_ALIVE_S="soon")
    assert code == 1
    assert "WIZ_KEEP_ALIVE_S is 'soon'" in found["configuration"]["text"]
    assert found["engine"]["state"] == "ok"  # the others went on


def test_a_configuration_file_that_is_wrong_is_named(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "jupyter_wiz_config.py"
    file.write_text("c.Wiz.keep_alive_s = 'soon'")
    code, found = examined(home, JUPYTER_CONFIG_DIR=str(tmp_path))
    assert code == 1
    assert f"{file}: Wiz.keep_alive_s is 'soon'" in found["configuration"]["text"]


def test_without_an_engine_it_says_how_to_get_one(home: Home, tmp_path: Path) -> None:
    without = make_environment(tmp_path / "without", engine=False)
    code, found = examined(home, without.python)
    assert code == 1
    assert found["engine"]["state"] == "must"
    assert "pip install llama-cpp-python" in found["engine"]["remedy"]


@pytest.mark.parametrize(("protocol", "state"), [(None, "note"), (0, "must")])
def test_an_older_service_is_told_with_both_versions_and_what_ends_it(
    home: Home, tmp_path: Path, protocol: int | None, state: str
) -> None:
    older = make_environment(tmp_path / "older", version="0.0.1", protocol=protocol)
    run(home, older)
    code, found = examined(home)
    assert (code, found["versions"]["state"]) == (1 if protocol == 0 else 0, state)
    assert "0.0.1" in found["versions"]["text"]
    assert "jupyter wiz stop" in found["versions"]["remedy"]


def test_two_installations_over_each_other_are_told(home: Home, tmp_path: Path) -> None:
    mixed = make_environment(tmp_path / "mixed", version="99.0")
    (site,) = mixed.folder.glob("lib/python*/site-packages")
    noted = site / "wiz_kernel_ext-98.0.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text("Metadata-Version: 2.1\nName: wiz-kernel-ext\nVersion: 98.0\n")
    code, found = examined(home, mixed.python)
    assert code == 1
    assert "pip has version 98.0 noted" in found["package"]["text"]
    edit(noted / "METADATA", "98.0", "99.0")
    assert examined(home, mixed.python)[1]["package"]["state"] == "ok"
