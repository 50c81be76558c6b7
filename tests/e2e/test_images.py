"""Images from every face, through the service to a model with a tiny projector."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.multimodal import needs_images
from tests.support.tiny_projector import N_PIECES, png, write_tiny_projector
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import BadRequest, NotSupported

DEMO_WIDTH = 256
GREEDY = {"temperature": 0, "max_tokens": 6}


@pytest.fixture
def projector(tmp_path: Path) -> Path:
    return write_tiny_projector(tmp_path / "mmproj.gguf", DEMO_WIDTH)


def test_a_model_without_a_projector_says_what_to_load(client: Client) -> None:
    client.load("demo", session="none")
    with pytest.raises(NotSupported, match="without a projector"):
        client.prompt("What is this?", images=png(1), session="none", **GREEDY)
    with pytest.raises(BadRequest, match="no PNG"):
        client.prompt("What is this?", images=b"nothing", session="none", **GREEDY)


@needs_images
def test_a_session_goes_on_about_an_image(client: Client, projector: Path) -> None:
    loaded = client.load("demo", projector=projector, session="seen", reload=True)
    assert loaded.model.projector == str(projector)
    first = client.prompt("What is <image> here?", images=[png(1)], session="seen", **GREEDY)
    second = client.prompt("And now?", session="seen", **GREEDY)
    assert first.usage.n_prompt_tokens > N_PIECES
    assert second.usage.n_cached_tokens >= first.usage.n_prompt_tokens
    asked = client.session("seen").messages[0]
    assert asked.content == "What is <image> here?"
    client.unload_model(force=True)


@needs_images
def test_a_cell_and_a_terminal_take_a_picture_by_its_path(
    home: Home, projector: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "a picture.png"
    picture.write_bytes(png(3))
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        kernel.run(f"%wiz_load demo --projector {projector}")
        kernel.run(f'%wiz_prompt --image "{picture}" --max-tokens 4 -o seen What is this?')
        assert int(kernel.run("print(seen.usage.n_prompt_tokens)").text) > N_PIECES
    finally:
        kernel.close()
    command = [sys.executable, "-m", "wiz_kernel_ext", "prompt", "--image"]
    refused = run([*command, str(projector), "?"], capture_output=True, text=True, check=False)
    assert "no PNG, JPEG, BMP or GIF file" in refused.stderr
    answered = run([*command, str(picture), "?"], capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr
