"""Models through the service: fetched once for all, named, made smaller, verified, removed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client, Operation
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    Conflict,
    ConversionRefused,
    ModelFileNotFound,
    OperationCancelled,
)
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.hub_requests import ConvertModel, PullModel, QuantizeModel

REPO = "founders/demo-GGUF"


@pytest.fixture
def hub(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    model = model_path().read_bytes()
    with StandInHub({REPO: Repository({"demo-Q8_0.gguf": model, "README.md": b"hello"})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield hub


def test_two_askers_of_one_model_share_one_transfer_and_both_see_its_progress(
    hub: StandInHub, home: Home, client: Client
) -> None:
    hub.bytes_per_s = 2e6
    other = Client()
    one = client.start(PullModel(model=f"{REPO}:Q8_0"))
    two = other.start(PullModel(model=f"{REPO}:Q8_0"))
    assert one.id == two.id
    assert one.result(timeout_s=60) == two.result(timeout_s=60)
    for operation in (one, two):
        assert any(isinstance(event, Progress) for event in operation.events())
    fetched = [asked for asked in hub.asked if asked.origin == "store" and asked.method == "GET"]
    assert len(fetched) == 1
    other.close()


def test_a_name_on_the_hub_is_inspected_pulled_called_short_and_loaded(
    hub: StandInHub, client: Client
) -> None:
    (hit,) = client.search("demo")
    assert hit.repo == REPO
    (model,) = client.list_repo(REPO).models
    assert model.fit is not None
    assert model.fit.verdict == "fits"
    assert client.inspect(model.name).architecture == "llama"
    with pytest.raises(ModelFileNotFound, match="not on this machine"):
        client.load_model(model.name)
    path = client.pull(REPO)
    client.set_alias("small", REPO)
    client.set_default_model("small")
    for name in ("small", REPO, model.name, path, None):
        assert client.load_model(name).model_path == path
    assert not client.verify_model("small").bad
    with pytest.raises(Conflict, match="is loaded"):
        client.remove_model("small")
    client.unload_model(path)
    assert client.remove_model("small", only_ask=True).freed_bytes > 1e6
    assert Path(path).exists()
    client.remove_model("small")
    assert not Path(path).exists()


def test_what_the_hub_has_anew_is_fetched_when_told(hub: StandInHub, client: Client) -> None:
    old = client.pull(REPO)
    newer = Path(old).read_bytes() + bytes(32)
    hub.repositories[REPO] = Repository({"demo-Q8_0.gguf": newer})
    assert client.pull(REPO) == old
    (model,) = [m for m in client.models(check=True) if m.origin == "hub"]
    assert model.newer
    new = client.pull(REPO, update=True)
    assert new != old
    assert Path(new).read_bytes() == newer
    # Two snapshots of one model are here now: the name means main's.
    assert client.load_model(f"{REPO}:Q8_0").model_path == new


def test_an_update_does_not_join_a_pull_that_began_before_there_was_something_newer(
    hub: StandInHub, client: Client
) -> None:
    hub.bytes_per_s = 2e6
    plain = client.start(PullModel(model=REPO))
    until_it_comes(plain)
    newer = model_path().read_bytes() + bytes(32)
    hub.repositories[REPO] = Repository({"demo-Q8_0.gguf": newer})
    update = client.start(PullModel(model=REPO, update=True))
    again = client.start(PullModel(model=REPO, update=True))
    assert update.id != plain.id
    assert update.id == again.id
    hub.bytes_per_s = None
    assert Path(update.result(timeout_s=60)).read_bytes() == newer


def until_it_comes(operation: Operation) -> None:
    """Wait for the first bytes of a download."""
    for event in operation.events():
        if isinstance(event, Progress) and event.done:
            return


def test_two_sources_are_not_written_to_one_file(home: Home, client: Client) -> None:
    shape = Shape(width=512, n_ffn=4096, n_layers=4, quantization="F16")
    names = [home.folder / name / "tiny-F16.gguf" for name in ("a", "b")]
    for name in names:
        name.parent.mkdir()
        write_tiny_gguf(name, shape)
    begun = client.start(QuantizeModel(model=str(names[0]), quant="q4_k_m"))
    joined = client.start(QuantizeModel(model=str(names[0]), quant="q4_k_m"))
    assert joined.id == begun.id
    with pytest.raises(Conflict, match=r"being written already, from tiny-F16\.gguf"):
        client.quantize_model(str(names[1]), "q4_k_m")
    assert Path(begun.result(timeout_s=60)).is_file()


def test_a_large_gguf_is_made_smaller_and_is_then_a_model_like_any_other(
    home: Home, client: Client
) -> None:
    shape = Shape(width=256, n_ffn=512, quantization="F16")
    large = write_tiny_gguf(home.folder / "tiny-F16.gguf", shape)
    small = Path(client.quantize_model(str(large), "q8_0"))
    assert small.parent == home.places.models_dir
    assert small.name == "tiny-Q8_0.gguf"
    assert small.stat().st_size < 0.7 * large.stat().st_size
    assert small.name in {Path(model.path).name for model in client.models()}
    assert client.load_model(small.name).model_path == str(small)


def test_a_checkpoint_on_the_hub_becomes_a_gguf_that_loads(
    hub: StandInHub, home: Home, client: Client
) -> None:
    folder = home.folder / "checkpoint"
    write_checkpoint(folder, "llama")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories["founders/tiny"] = Repository(files)
    operation = client.start(ConvertModel(source="founders/tiny", out_type="f16"))
    path = Path(operation.result(timeout_s=120))
    stages = {event.stage for event in operation.events() if isinstance(event, Progress)}
    assert stages == {"download", "convert"}
    assert (path.parent, path.name) == (home.places.models_dir, "tiny-F16.gguf")
    client.load_model(str(path))
    client.create_context()
    client.initialize_session()
    assert client.prompt("Hello", max_tokens=3, temperature=0).usage.n_tokens == 3

    shutil.rmtree(home.folder / "hf")
    with pytest.raises(Conflict, match="exists already"):
        client.convert_model("founders/tiny", out_type="f16")
    assert not (home.folder / "hf").exists()


def test_long_work_ends_within_half_a_second_of_being_cancelled_and_leaves_nothing(
    hub: StandInHub, home: Home, client: Client
) -> None:
    large = write_tiny_gguf(
        home.folder / "large-F16.gguf",
        Shape(width=512, n_ffn=4096, n_layers=8, quantization="F16"),
    )
    checkpoint = home.folder / "checkpoint"
    write_checkpoint(checkpoint, "llama", intermediate_size=30_000, num_hidden_layers=3)
    hub.bytes_per_s = 2e5
    requests = [
        PullModel(model=REPO),
        QuantizeModel(model=str(large), quant="iq4_xs"),
        ConvertModel(source=str(checkpoint), out_type="f32"),
    ]
    for request in requests:
        took_s = min(_cancelled_in_s(client.start(request)) for _ in range(3))
        assert took_s < 0.5, request
    assert not [p for p in home.folder.rglob("*.gguf") if p.is_file() and p != large]
    assert not list(home.folder.rglob(".*.part"))


def _cancelled_in_s(operation: Operation) -> float:
    until_it_comes(operation)
    began_s = time.monotonic()
    operation.cancel()
    with pytest.raises(OperationCancelled):
        operation.result(timeout_s=10)
    return time.monotonic() - began_s


def test_what_cannot_be_converted_is_refused_before_its_weights_are_fetched(
    hub: StandInHub, client: Client
) -> None:
    config = b'{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}'
    hub.repositories["founders/moe"] = Repository(
        {"config.json": config, "tokenizer.json": b"{}", "model.safetensors": bytes(2_000_000)}
    )
    with pytest.raises(ConversionRefused, match=r"founders/moe|Mixtral"):
        client.convert_model("founders/moe")
    assert not any("safetensors" in asked.path for asked in hub.asked if asked.method == "GET")
