"""Interrupts in every number and rhythm, at every stage of what a cell can wait for.

`WIZ_INTERRUPT_PATTERNS=200` tries that many; without it, a few for each stage.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path

N_PATTERNS = int(os.environ.get("WIZ_INTERRUPT_PATTERNS", "14"))
SHAPE = Shape(n_layers=12, width=256, n_heads=4, n_ffn=768, n_vocab=4096, quantization="Q8_0")
NEVER = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
NO_END = f"%config WizMagics.logit_bias = {NEVER}"
REPO = "founders/demo-GGUF"
CHECKPOINT = "founders/tiny-checkpoint"
READING = "Once upon a time " * 230
# The cell, and how long after it began the first interrupt comes, in seconds.
STAGES = {
    "reading": (f"%wiz_prompt --new --max-tokens 1000 {READING}", (0.0, 0.4)),
    "writing": ("%wiz_prompt --new --max-tokens 1900 Go on.", (0.4, 1.0)),
    "waiting": ("%wiz_prompt --new --max-tokens 1900 Go on.", (0.0, 0.6)),
    "load": ("%wiz_load tiny.gguf --ctx 4000 --seqs 1 --threads 1 --reload", (0.0, 0.8)),
    "download": (f"%wiz_pull {REPO}", (0.0, 1.0)),
    "conversion": (f"%wiz_convert {CHECKPOINT} --overwrite", (0.0, 1.5)),
    "attach": ("%wiz_attach {ahead}", (0.0, 0.5)),
}
ENDS_WITHIN_S = 10.0
FREE_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInHub]:
    """A slow hub with a model and a checkpoint that takes seconds."""
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, "llama", intermediate_size=12_000, num_hidden_layers=2)
    checkpoint = {file.name: file.read_bytes() for file in folder.iterdir()}
    repositories = {
        REPO: Repository({"demo-Q8_0.gguf": model_path().read_bytes() + bytes(64 << 20)}),
        CHECKPOINT: Repository(checkpoint),
    }
    with StandInHub(repositories) as hub:
        hub.bytes_per_s = 4_000_000.0
        yield hub


@pytest.fixture(scope="module")
def kernel(hub: StandInHub) -> Iterator[FrontEnd]:
    """A kernel with a slow model loaded."""
    home = Home.make()
    home.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(home.places.models_dir / "tiny.gguf", SHAPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(home.folder / "hf"))
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        kernel = FrontEnd(home, "/work/interrupts.ipynb")
        kernel.home = home  # type: ignore[attr-defined]
        try:
            kernel.must("%load_ext wiz_kernel_ext")
            kernel.must(NO_END)
            kernel.must("%wiz_load tiny.gguf --ctx 4000 --seqs 1 --threads 1")
            yield kernel
        finally:
            kernel.close()
            home.close()


@pytest.fixture(scope="module")
def client(kernel: FrontEnd) -> Iterator[Client]:
    """Another client of the same service, which looks."""
    client = Client(kernel.home.settings)  # type: ignore[attr-defined]
    client.open_session("ahead")
    yield client
    client.close()


def running(client: Client) -> list[str]:
    """What runs or waits."""
    return [f"{one.id} {one.kind}" for one in client.operations(50) if one.ended_at is None]


def free(client: Client, but: str = "") -> list[str]:
    """What runs on although it had time to end."""
    deadline = time.monotonic() + FREE_WITHIN_S
    while time.monotonic() < deadline:
        left = [one for one in running(client) if not but or but not in one]
        if not left:
            return []
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("number", range(N_PATTERNS))
def test_the_cell_ends_the_engine_is_free_and_the_next_prompt_is_answered(
    kernel: FrontEnd, client: Client, number: int
) -> None:
    dice = random.Random(number)
    stage = list(STAGES)[number % len(STAGES)]
    code, (soonest_s, latest_s) = STAGES[stage]
    ahead = None
    if stage in ("waiting", "attach"):
        ahead = client.send_prompt(
            "Ahead.", session="ahead", max_tokens=3000, logit_bias=NEVER, autoload=True
        )
        code = code.format(ahead=ahead.id)
    message = kernel.ask(code)
    kernel.until(message, lambda found: found["msg_type"] == "execute_input")
    time.sleep(dice.uniform(soonest_s, latest_s))
    n_times = dice.choice((1, 2, 2, 3, 10))
    for _ in range(n_times):
        kernel.interrupt()
        time.sleep(dice.choice((0.0, 0.005, 0.03, 0.1, 0.3)))
    began = time.monotonic()
    page = kernel.wait(message, began)
    assert page.time_s < ENDS_WITHIN_S
    # A load may have ended before, all else takes longer than this has waited.
    if stage != "load":
        assert page.status == "error", (stage, n_times)
    if page.status == "error":
        assert page.reply["ename"] == "KeyboardInterrupt", page.error
        assert len(page.error) == 2, page.error
    if ahead is not None and stage == "waiting":
        assert ahead.state in ("queued", "running")
        left = free(client, but=ahead.id)
        ahead.cancel()
        assert free(client) == []
    else:
        left = free(client)
    if ahead is not None:
        client.delete_session("ahead")
        client.open_session("ahead")
    assert left == [], (stage, n_times)
    if "kept in `_`" in str(page.error):
        kept = kernel.must("print(_.finish_reason, len(_) > 0)").text.split()
        assert kept[0] == "cancelled"
        assert stage != "writing" or kept[1] == "True"
    answered = kernel.must("%wiz_prompt --new --max-tokens 3 Hello")
    assert "3 tokens" in answered.text
    assert Path(f"/proc/{kernel.pid}").exists()
