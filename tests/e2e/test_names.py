"""Names and paths as people type them, through the service: found, or told what was meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gguf_bytes import gguf_bytes, llama_metadata, tensor
from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    BadRequest,
    ConversionRefused,
    HubUnreachable,
    ModelFileNotFound,
    WizError,
)
from wiz_kernel_ext.local_paths import located

LONG = "n" * 300


def with_models(folder: Path) -> Path:
    """A folder with models in it."""
    (folder / "my models").mkdir(parents=True)
    for name in ("mine-Q8_0.gguf", "my models/other.gguf"):
        (folder / name).write_bytes(model_path().read_bytes())
    return folder


@pytest.fixture
def there(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with models in it."""
    folder = with_models(home.folder / "work")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such a one, of a test's own, where the service is shared: nothing in it is ever loaded."""
    folder = with_models(tmp_path / "work")
    monkeypatch.chdir(folder)
    return folder


def test_a_name_longer_than_a_files_may_be_is_a_typed_error(client: Client, there: Path) -> None:
    asks: list[Callable[[str], object]] = [
        client.load_model,
        client.load,
        client.inspect,
        client.pull,
        client.verify_model,
        client.remove_model,
        client.convert_model,
        lambda name: client.quantize_model(name, "q8_0"),
        lambda name: client.set_alias("a", name),
        lambda name: client.add_collection("a", name),
        lambda name: client.convert_model("u/r", llama_cpp=f"/{name}"),
        lambda name: client.convert_model(str(there), output=f"/tmp/{name}.gguf"),
        lambda name: client.convert_model(str(there), output=f"{name[:240]}.gguf"),
    ]
    for ask in asks:
        for name in (LONG, f"/tmp/{LONG}.gguf", f"~nobody-of-this-name/{LONG}"):
            with pytest.raises(WizError) as caught:
                ask(name)
            assert type(caught.value).__name__ != "InternalError", (name, caught.value)
            assert caught.value.hint


def test_the_directory_of_the_asker_may_be_gone(home: Home, there: Path) -> None:
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        kernel.run(f"import os; os.mkdir('{there}/gone'); os.chdir('{there}/gone')")
        kernel.run(f"os.rmdir('{there}/gone')")
        for code in (
            "%wiz_load demo",
            "%wiz_prompt Hello",
            "%wiz_models",
            "%wiz_status",
            f"%wiz_load {there}/mine-Q8_0.gguf",
            "%wiz_unload",
        ):
            cell = kernel.run(code)
            assert cell.status == "ok", (code, cell)
        cell = kernel.run("%wiz_load ./mine.gguf")
        assert cell.error_name == "ModelFileNotFound", cell
    finally:
        kernel.close()


def test_models_loaded_by_their_path_are_listed(client: Client, there: Path) -> None:
    client.load_model("mine-Q8_0.gguf")
    client.load(there / "my models" / "other.gguf")
    listed = {model.path: model for model in client.models()}
    for path in (there / "mine-Q8_0.gguf", there / "my models" / "other.gguf"):
        model = listed[str(path)]
        assert (model.origin, model.name, model.architecture) == ("path", str(path), "llama")
        assert model.last_used_at
    (there / "mine-Q8_0.gguf").unlink()
    assert str(there / "mine-Q8_0.gguf") not in {model.path for model in client.models()}


def test_quantizing_says_the_type_a_file_has(home: Home, client: Client, tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "t-F16.gguf", Shape(width=256, quantization="F16"))
    small = client.quantize_model(source, "Q4_0", output=str(tmp_path / "small.gguf"))
    with pytest.raises(ConversionRefused, match=r"quantized already \(Q4_0\)"):
        client.quantize_model(small, "Q8_0")


def test_a_name_that_is_no_hubs_may_be_a_slip_in_a_path(
    client: Client, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (there / "sub").mkdir()
    (there / "sub" / "other.gguf").write_bytes(model_path().read_bytes())
    with pytest.raises(HubUnreachable) as caught:
        client.load("sub/othre", fetch=True)
    assert str(there / "sub" / "other.gguf") in caught.value.hint
    with pytest.raises(HubUnreachable) as caught:
        client.load("u/r", fetch=True)
    assert "Did you mean" not in caught.value.hint


@pytest.mark.parametrize("name", ["my models", "my models/", "./my models", "{there}/my models"])
def test_a_folder_names_what_is_in_it(shared_client: Client, elsewhere: Path, name: str) -> None:
    client, there = shared_client, elsewhere
    for ask in (client.load_model, client.load, client.inspect):
        with pytest.raises(WizError, match=r"directory|folder|no model") as caught:
            ask(name.format(there=there))
        assert str(there / "my models" / "other.gguf") in caught.value.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mine-Q8.gguf", "mine-Q8_0.gguf"),
        ("./mine_Q8_0.gguf", "mine-Q8_0.gguf"),
        ("{there}/mine-q8_0.ggufs", "mine-Q8_0.gguf"),
        ("my models/othre.gguf", "other.gguf"),
        ("dmeo", "demo"),
        ("smal", "small"),
    ],
)
def test_a_near_miss_is_answered_with_what_was_meant(
    shared_client: Client, elsewhere: Path, name: str, meant: str
) -> None:
    client, there = shared_client, elsewhere
    client.set_alias("small", "demo")
    for ask in (client.load_model, client.load, client.inspect):
        with pytest.raises(ModelFileNotFound) as caught:
            ask(name.format(there=there))
        assert "Did you mean" in caught.value.hint
        assert meant in caught.value.hint


def test_an_address_elsewhere_names_the_hosts_that_are_read(
    shared_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with pytest.raises(BadRequest, match=r"only addresses of hf\.co, huggingface\.co"):
        shared_client.pull("https://example.com/user/repo")


def test_variables_and_the_home_directory_are_expanded(
    client: Client, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(there))
    monkeypatch.setenv("MODELS", str(there / "my models"))
    mine = str(there / "mine-Q8_0.gguf")
    for name in ("$HOME/mine-Q8_0.gguf", "~/mine-Q8_0.gguf", "${HOME}/mine-Q8_0.gguf"):
        assert located(name) == mine
        assert client.load_model(name).model_path == mine
        assert client.inspect(name).path == mine
    assert client.inspect("$MODELS/other.gguf").path == str(there / "my models" / "other.gguf")
    with pytest.raises(ModelFileNotFound, match=str(there)):
        client.load_model("$HOME/nothing.gguf")
    (there / "$odd.gguf").write_bytes(model_path().read_bytes())
    assert client.inspect("$odd.gguf").path == str(there / "$odd.gguf")


def test_a_path_with_blanks_that_is_not_quoted_is_shown_quoted(home: Home, there: Path) -> None:
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        kernel.run(f"import os; os.chdir({str(there)!r})")
        for line, quoted in (
            ("%wiz_load my models/other.gguf --ctx 512", "my models/other.gguf"),
            ("%wiz_inspect my models/other.gguf", "my models/other.gguf"),
            ("%wiz_quantize my models/other.gguf Q8_0", "my models/other.gguf"),
            ("%wiz_load not here.gguf", "not here.gguf"),
        ):
            cell = kernel.run(line)
            assert cell.error_name == "BadRequest", cell
            assert f'Quote a name that has blanks: "{quoted}"' in "".join(cell.traceback), line
        assert kernel.run('%wiz_load "my models/other.gguf"').status == "ok"
        cell = kernel.run("%wiz_load demo other words")
        assert "Unexpected argument" in "".join(cell.traceback)
        assert "Quote" not in "".join(cell.traceback)
    finally:
        kernel.close()


def test_an_entry_that_is_no_text_does_not_hide_the_list(home: Home, client: Client) -> None:
    home.places.models_dir.mkdir(parents=True)
    data = gguf_bytes(llama_metadata(), [tensor("token_embd.weight", [1024], 0, 0)], bytes(4096))
    for name in (b"caf\xe9.gguf", b"good.gguf"):
        (home.places.models_dir / os.fsdecode(name)).write_bytes(data)
    assert {"demo", "good.gguf"} <= {model.name for model in client.models()}
    client.set_alias("small", "good")
