"""Files that set the magics' defaults, in a real kernel: taken, or named where they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel

SHOW = "m = get_ipython().magics_manager.registry['WizMagics']; (m.temperature, m.top_k, m.session)"


@pytest.fixture
def start(home: Home, tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    kernels: list[Kernel] = []

    def start() -> Kernel:
        environment = {**home.environment, "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
        kernels.append(Kernel(environment))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_ipythons_file_wins_over_jupyters_and_what_is_wrong_names_its_file(
    home: Home, tmp_path: Path, start: Callable[[], Kernel]
) -> None:
    jupyters = write(
        tmp_path / "jupyter" / "jupyter_wiz_config.py",
        "c.WizMagics.temperature = 0.25\nc.WizMagics.top_k = 7\nc.WizMagics.nonsense = 1\n",
    )
    ipythons = write(
        home.folder / "ipython" / "profile_default" / "ipython_kernel_config.py",
        "c = get_config()\nc.WizMagics.temperature = 0.75\nc.WizMagics.session = 3\n",
    )
    kernel = start()
    loaded = kernel.run("%load_ext wiz_kernel_ext")
    assert loaded.status == "ok"
    assert f"{jupyters}: WizMagics.nonsense is no option" in loaded.text
    assert f"{ipythons}: WizMagics.session is 3; it takes" in loaded.text
    assert "(0.75, 7, '')" in "".join(kernel.run(SHOW).shown)


def test_a_place_that_is_wrong_is_said_at_once_and_named_again_by_the_first_magic(
    tmp_path: Path, start: Callable[[], Kernel]
) -> None:
    file = write(
        tmp_path / "jupyter" / "jupyter_wiz_config.json", '{"Wiz": {"keep_alive_s": "long"}}'
    )
    kernel = start()
    loaded = kernel.run("%load_ext wiz_kernel_ext")
    assert loaded.status == "ok"
    assert f"{file}: Wiz.keep_alive_s is 'long'" in loaded.text
    refused = kernel.run("%wiz_load demo")
    assert (refused.status, refused.error_name) == ("error", "ConfigurationError")
    # Mended, it counts for the next cell.
    file.write_text('{"Wiz": {"keep_alive_s": 60}}')
    assert kernel.run("%wiz_load demo").status == "ok"
