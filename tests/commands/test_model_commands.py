"""`jupyter wiz search`, `pull`, `rm` and the others as processes, against a real service."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.cli.test_commands import wiz
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.cli.terminal_ui import CALLED_OFF
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path

REPO = "founders/demo-GGUF"
LARGE = "founders/large-GGUF"
SEVERAL = "founders/several-GGUF"


@pytest.fixture(scope="module")
def hub() -> Iterator[StandInHub]:
    """A hub with two models and a choice."""
    model = model_path().read_bytes()
    repositories = {
        REPO: Repository({"demo-Q8_0.gguf": model}, facts={"downloads": 7}),
        LARGE: Repository({"large-Q8_0.gguf": model + b"\0" * 32}),
        SEVERAL: Repository({f"{name}-Q8_0.gguf": model for name in ("a", "b")}),
    }
    with StandInHub(repositories) as hub:
        yield hub


@pytest.fixture(scope="module")
def here(hub: StandInHub) -> Iterator[Home]:
    """One service for this module that asks the stand-in hub."""
    here = Home.make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(here.folder / "hf"))
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        yield here
    here.close()


def told(here: Home, *arguments: str) -> str:
    """What a command that must not fail writes to standard output."""
    ran = wiz(here, *arguments)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def json_of(here: Home, *arguments: str) -> Any:
    """What it says as JSON."""
    return json.loads(told(here, *arguments, "--json"))


def test_a_model_is_found_fetched_verified_listed_and_deleted(here: Home, hub: StandInHub) -> None:
    assert REPO in told(here, "search", "demo")
    (hit,) = json_of(here, "search", "demo", "--fits")
    assert (hit["repo"], hit["downloads"]) == (REPO, 7)
    assert hit["models"][0]["fit"]["verdict"] == "fits"
    (listed,) = json_of(here, "search", REPO)["models"]
    assert (listed["name"], listed["downloaded"]) == (f"{REPO}:Q8_0", False)

    path = Path(told(here, "pull", REPO).strip())
    assert path.name == "demo-Q8_0.gguf"
    assert path.is_file()
    page = f"{hub.url}/{REPO}/blob/main/demo-Q8_0.gguf"
    assert told(here, "pull", page).strip() == str(path)
    models = {model["name"]: model for model in json_of(here, "models", "--check")}
    assert models[f"{REPO}:Q8_0"]["path"] == str(path)
    assert models[f"{REPO}:Q8_0"]["newer"] is False
    assert "hub cache" in told(here, "models")
    assert told(here, "verify", REPO) == f"{REPO}:Q8_0: 1 file as the hub promised.\n"

    refused = wiz(here, "rm", REPO)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[1] == f"→ To delete it: jupyter wiz rm {REPO} --yes"
    assert path.exists()
    assert "3.4 MB freed" in told(here, "rm", REPO, "--yes")
    assert not path.exists()


def test_a_person_at_a_terminal_is_asked_before_anything_is_deleted(here: Home) -> None:
    path = Path(told(here, "pull", REPO).strip())
    for answer, remains in (("n", True), ("y", False)):
        arguments = ["-m", "wiz_kernel_ext", "rm", REPO]
        child: Any = pexpect.spawn(
            sys.executable, arguments, env=environment(here), encoding="utf-8", timeout=60
        )
        child.expect(r"Delete .*Q8_0\? \[y/N\] ")
        assert "deleting 1 file frees" in child.before
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        assert path.exists() == remains


def test_a_model_is_looked_into_from_a_script(here: Home) -> None:
    found = json_of(here, "inspect", REPO, "--ctx", "512")
    assert found["architecture"] == "llama"
    assert found["fit"]["context_size"] == 512
    assert found["path"] == ""
    assert "fits: needs" in told(here, "inspect", "demo")


def test_names_and_collections_are_kept(here: Home) -> None:
    told(here, "alias", "small", REPO)
    told(here, "alias", "--default", "small")
    assert json_of(here, "alias") == {"aliases": {"small": REPO}, "default": "small"}
    assert "There is no alias" in told(here, "alias", "--remove", "small", "--no-default")
    team = here.folder / "team.txt"
    team.write_text(f"{REPO}\n# later\n")
    assert REPO in told(here, "collections", "add", "team", str(team))
    team.write_text(f"{REPO}:Q8_0\n")
    (collection,) = json_of(here, "collections", "refresh")
    assert collection["models"] == [f"{REPO}:Q8_0"]
    assert "forgotten" in told(here, "collections", "remove", "team")
    assert json_of(here, "collections") == []


def test_a_large_model_is_made_smaller(here: Home) -> None:
    large = write_tiny_gguf(
        here.folder / "tiny-F16.gguf", Shape(width=256, n_ffn=512, quantization="F16")
    )
    path = Path(told(here, "quantize", str(large), "q8_0").strip())
    assert path.parent == here.places.models_dir
    assert path.stat().st_size < large.stat().st_size
    again = wiz(here, "quantize", str(large), "q8_0")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr


def test_a_collection_of_the_hub_is_added_read_again_and_forgotten(
    here: Home, hub: StandInHub
) -> None:
    slug = "founders/best-64f0aaaaaaaaaaaaaaaa"
    hub.collections[slug] = [REPO]
    assert REPO in told(here, "collections", "add", "best", f"{hub.url}/collections/{slug}")
    hub.collections[slug] = [REPO, LARGE]
    (collection,) = json_of(here, "collections", "refresh")
    assert collection["models"] == [REPO, LARGE]
    del hub.collections[slug]
    (collection,) = json_of(here, "collections", "refresh")
    assert (collection["models"], bool(collection["problem"])) == ([REPO, LARGE], True)
    told(here, "collections", "remove", "best")
    assert json_of(here, "collections") == []


def test_what_we_do_not_convert_goes_to_a_llama_cpp_checkout_that_is_named(
    here: Home, hub: StandInHub
) -> None:
    config = b'{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}'
    files = {"config.json": config, "tokenizer.model": b"t", "model.safetensors": bytes(1 << 20)}
    hub.repositories["founders/moe"] = Repository(files)
    refused = wiz(here, "convert", "founders/moe")
    assert "MixtralForCausalLM is a mixture of experts" in refused.stderr
    assert "jupyter wiz convert founders/moe --llama-cpp CHECKOUT" in refused.stderr
    assert not any("safetensors" in asked.path for asked in hub.asked)
    nowhere = wiz(here, "convert", "founders/moe", "--llama-cpp", "/nowhere")
    assert "There is no convert_hf_to_gguf.py in /nowhere" in nowhere.stderr
    assert not any("safetensors" in asked.path for asked in hub.asked)
    checkout = here.folder / "llama.cpp"
    checkout.mkdir()
    (checkout / "convert_hf_to_gguf.py").write_text(
        "import os, sys\n"
        "source, out = sys.argv[1], sys.argv[sys.argv.index('--outfile') + 1]\n"
        "open(out, 'w').write(' '.join(sorted(os.listdir(source))))\n"
    )
    made = told(here, "convert", "founders/moe", "--llama-cpp", str(checkout)).strip()
    assert Path(made).read_text() == "config.json model.safetensors tokenizer.model"
    Path(made).unlink()


def test_other_tools_models_are_listed_looked_into_and_left_alone(
    here: Home, tmp_path: Path
) -> None:
    model = model_path().read_bytes()
    digest = hashlib.sha256(model).hexdigest()
    user = tmp_path / "user"
    for place, data in {
        ".lmstudio/models/acme/m/m-Q8_0.gguf": model,
        ".cache/llama.cpp/acme_m-Q8_0.gguf": model + b"\0" * 32,
        f".ollama/models/blobs/sha256-{digest}": model,
        ".ollama/models/manifests/registry.ollama.ai/library/tiny/latest": json.dumps(
            {"layers": [{"mediaType": "application/vnd.ollama.image.model",
                         "digest": f"sha256:{digest}"}]}
        ).encode(),
    }.items():  # fmt: skip
        (user / place).parent.mkdir(parents=True, exist_ok=True)
        (user / place).write_bytes(data)
    other = Home.make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(user))
        patch.delenv("XDG_CACHE_HOME", raising=False)
        try:
            models = {model["origin"]: model for model in json_of(other, "models")}
            assert set(models) == {"demo", "lm-studio", "llama.cpp", "ollama"}
            assert models["ollama"]["name"] == "ollama:tiny:latest"
            for origin in ("lm-studio", "llama.cpp", "ollama"):
                name = models[origin]["name"]
                assert models[origin]["architecture"] == "llama"
                assert "llama" in told(other, "inspect", name)
                told(other, "prompt", "--model", name, "--max-tokens", "2", "Hello")
                told(other, "unload")
                refused = wiz(other, "rm", name, "--yes")
                assert "is not deleted: It belongs to" in refused.stderr
        finally:
            other.close()


def test_a_rate_bounds_a_download(here: Home) -> None:
    began_s = time.monotonic()
    told(here, "pull", LARGE, "--limit-rate", "2MB")
    assert time.monotonic() - began_s > 1.2
    told(here, "rm", LARGE, "--yes")


def test_ctrl_c_cancels_the_download(here: Home, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    pulling = subprocess.Popen(
        [sys.executable, "-m", "wiz_kernel_ext", "pull", LARGE],
        env=environment(here), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    client = Client(here.settings, start=False)
    try:
        while not any(info.done > 0 and info.title == LARGE for info in client.operations(1)):
            assert pulling.poll() is None
        pulling.send_signal(signal.SIGINT)
        _, errors = pulling.communicate(timeout=30)
        assert pulling.returncode == 130
        assert errors.decode() == f"{CALLED_OFF}\n"
        operation = client.attach(client.operations(1)[0].id)
        with pytest.raises(Exception, match="cancelled"):
            operation.result(timeout_s=10)
    finally:
        hub.bytes_per_s = None
        client.close()


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("pull",), 2, "required: MODEL"),
        (("search", "x", "--json", "--limit", "0"), 2, "--limit takes a whole number"),
        (("pul", REPO), 2, "Did you mean pull?"),
        (("pull", f"{REPO}/demo-Q8.gguf"), 1, f"{REPO}:Q8_0 (3.4 MB"),
        (("quantize", "demo", "q4km"), 1, "Did you mean Q4_K_M?"),
        (("convert", "demo"), 1, "jupyter wiz quantize demo Q4_K_M"),
        (("pull", "founders/none"), 1, "founders/none"),
        (("verify", "nowhere"), 1, "nowhere"),
        (("collections", "forget", "x"), 1, "refresh"),
    ],
)
def test_what_cannot_be_fails_in_two_lines(
    here: Home, arguments: tuple[str, ...], code: int, what: str
) -> None:
    ran = wiz(here, *arguments)
    assert ran.returncode == code
    assert ran.stdout == ""
    assert what in ran.stderr
    assert len(ran.stderr.splitlines()) == 2


def test_choices_are_a_table_beside_the_error(here: Home) -> None:
    ran = wiz(here, "pull", SEVERAL)
    assert (ran.returncode, ran.stdout) == (1, "")
    *table, what, next_step = ran.stderr.splitlines()
    assert [line.split()[0] for line in table[2:]] == [f"{SEVERAL}/{x}-Q8_0.gguf" for x in "ab"]
    assert table[2].split()[1:] == ["Q8_0", "3.4", "MB", "fits"]
    assert "could be any of 2 models" in what
    assert next_step == f"→ Name one of them, like {SEVERAL}/a-Q8_0.gguf."


def environment(here: Home) -> dict[str, str]:
    """What a process of this home is started with."""
    return {**os.environ, **here.environment}
