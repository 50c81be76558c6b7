"""What a model's process prints never holds it up, and its log has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faulty_engine import Fault, FaultyEngine
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt

HELLO = Prompt(
    prompt="What is the capital of France?",
    messages=[],
    model_path="demo",
    autoload=True,
    options=PromptOptions(temperature=0.0),
)
SAID = "a library says something"


@pytest.mark.parametrize("stage", ["import", "load", "context", "decode"])
def test_a_megabyte_on_standard_output_does_not_hold_up_the_model(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client, stage: str
) -> None:
    switch = tmp_path / "now"
    fault = Fault(stage, "print", when=str(switch))
    for name, value in FaultyEngine.make(tmp_path / "engine", fault).environment.items():
        monkeypatch.setenv(name, value)
    # The engine is tried before, in a process that is heard anyway.
    client.load_model("demo")
    client.unload_model()
    switch.touch()
    assert "Paris" in client.start(HELLO).result(timeout_s=60)
    (worker,) = home.workers()
    log = home.places.logs_of_workers()[-1]
    assert log.read_text().count(SAID) > 1000
    assert worker.is_running()
