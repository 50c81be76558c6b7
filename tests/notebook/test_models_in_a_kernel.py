"""Models of a hub in a real kernel: found, fetched, loaded, converted, named, looked into, removed.

The hub is the stand-in on loopback; the service, its download process and the engine are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.notebook.kernels import FrontEnd
from tests.support.gguf_bytes import small_model
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.demo import model_path

REPO = "founders/demo-GGUF"
OTHER = "founders/other-GGUF"
SEVERAL = "founders/several-GGUF"
CHECKPOINT = "founders/tiny-checkpoint"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInHub]:
    """A hub with GGUFs, equals among them, and a checkpoint."""
    model = model_path().read_bytes()
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, "llama", dtype="BF16")
    repositories = {
        REPO: Repository({"demo-Q8_0.gguf": model}, facts={"downloads": 1234, "likes": 5}),
        # Another file to the hub: a copy of the same bytes would be here already.
        OTHER: Repository({"other-Q8_0.gguf": model + b"\0" * 32}),
        SEVERAL: Repository({f"{name}-Q8_0.gguf": small_model() for name in ("a", "b")}),
        CHECKPOINT: Repository({file.name: file.read_bytes() for file in folder.iterdir()}),
    }
    with StandInHub(repositories) as hub:
        yield hub


@contextmanager
def asking(hub: StandInHub, home: Home) -> Iterator[FrontEnd]:
    """A kernel whose service asks the stand-in hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(home.folder / "hf"))
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        kernel = FrontEnd(home, "/work/models.ipynb")
        try:
            kernel.must("%load_ext wiz_kernel_ext")
            yield kernel
        finally:
            hub.bytes_per_s = None
            kernel.close()


@pytest.fixture
def kernel(hub: StandInHub, home: Home) -> Iterator[FrontEnd]:
    """A kernel and a service of the test's own; nothing is here yet."""
    with asking(hub, home) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def looking() -> Iterator[Home]:
    """The home of a service for tests that leave nothing behind."""
    home = Home.make()
    yield home
    home.close()


@pytest.fixture(scope="module")
def looker(hub: StandInHub, looking: Home) -> Iterator[FrontEnd]:
    """A kernel for them."""
    with asking(hub, looking) as kernel:
        yield kernel


def ggufs(home: Home) -> list[Path]:
    """Every model in the hub's cache."""
    return [path for path in (home.folder / "hf").rglob("*.gguf") if path.exists()]


def moves(message: dict[str, Any]) -> bool:
    """Whether a message draws a bar that is somewhere."""
    html = message["content"].get("data", {}).get("text/html", "")
    return "downloading" in html and "<progress value=" in html


def test_a_model_is_searched_for_pulled_loaded_and_asked(kernel: FrontEnd) -> None:
    found = kernel.must("%wiz_search demo --fits")
    assert REPO in found.text
    assert "1.2k" in found.text
    assert "fits" in found.text
    listed = kernel.must(f"%wiz_search {REPO} --ctx 512").text
    assert f"{REPO}:Q8_0 *" in listed
    assert "context 512" in listed
    assert "here" not in listed.split("verdict")[1]

    pulled = kernel.must(f"%wiz_pull {REPO}")
    (bar,) = pulled.outputs.values()
    assert bar["text/plain"].startswith(f"{REPO}: /")
    assert bar["text/plain"].endswith("demo-Q8_0.gguf")
    assert f"{REPO}:Q8_0" in kernel.must("%wiz_models --check").text

    loaded = kernel.must(f"%wiz_load {REPO} --ctx 512 --seqs 1 --threads 1")
    assert "session models (new)" in loaded.text
    assert "shared" in kernel.must(f"%wiz_load {REPO}:Q8_0").text
    asked = kernel.must("%%wiz_prompt -o reply --temperature 0 --max-tokens 20\nHello")
    assert "tokens" in asked.text
    assert kernel.must("len(reply) > 0").text == "True"
    assert kernel.must(f"%wiz_verify {REPO}").text.endswith("1 file as the hub promised.")


def test_a_name_that_is_not_here_is_pulled_with_its_bar_and_then_loaded_also_by_an_alias(
    kernel: FrontEnd,
) -> None:
    kernel.must(f"%wiz_alias small {OTHER}")
    assert OTHER in kernel.must("%wiz_alias").text
    loaded = kernel.must("%wiz_load small --ctx 512 --seqs 1 --threads 1")
    (output,) = loaded.outputs.values()  # a bar while it came, then what is loaded
    assert "context 512" in output["text/plain"]
    kernel.must("%wiz_alias --default small")
    again = kernel.must("%wiz_load")
    assert "shared" in again.text
    assert "downloading" not in again.text
    assert "small" in kernel.complete("%wiz_load sm")


def test_a_model_is_looked_into_where_it_is_and_nothing_of_it_is_fetched(
    looker: FrontEnd, looking: Home
) -> None:
    text = looker.must(f"%wiz_inspect {REPO} --ctx 1024").text
    assert "architecture" in text
    assert "context of 1024" in text
    assert "fits: needs" in text
    assert "Q8_0" in text
    assert ggufs(looking) == []


def test_a_model_is_deleted_once_the_user_agreed(kernel: FrontEnd, home: Home) -> None:
    kernel.must(f"%wiz_pull {REPO}")

    def answered(code: str, answer: str) -> str:
        cell = kernel.ask(code)
        question = kernel.client.get_stdin_msg(timeout=60)["content"]["prompt"]
        assert question == f"Delete {REPO}:Q8_0? [y/N] "
        kernel.client.input(answer)
        page = kernel.wait(cell)
        assert page.status == "ok", page.error
        assert "deleting 1 file frees 3.4 MB" in page.text
        assert "demo-Q8_0.gguf" in page.text
        return page.text

    assert "Nothing was deleted." in answered(f"%wiz_rm {REPO}", "")
    assert len(ggufs(home)) == 1
    unwatched = kernel.page(f"%wiz_rm {REPO}", watched=False)
    assert unwatched.reply["ename"] == "BadRequest"
    assert "nobody can be asked" in unwatched.error[0]
    assert unwatched.error[1] == f"→ To delete it: %wiz_rm {REPO} --yes"
    assert len(ggufs(home)) == 1
    assert "3.4 MB freed" in answered(f"%wiz_rm {REPO}", "y")
    assert ggufs(home) == []
    kernel.must(f"%wiz_pull {REPO}")
    assert "3.4 MB freed" in kernel.must(f"%wiz_rm {REPO} --yes").text
    assert ggufs(home) == []


def test_a_loaded_model_the_bundled_one_and_what_is_no_model_are_not_deleted(
    kernel: FrontEnd, home: Home
) -> None:
    notes = home.folder / "notes.txt"
    notes.write_text("keep me")
    assert "no .gguf file" in kernel.page(f"%wiz_rm {notes} --yes").error[0]
    assert notes.exists()
    kernel.must(f"%wiz_load {REPO} --ctx 512 --seqs 1 --threads 1")
    assert kernel.page(f"%wiz_rm {REPO} --yes").reply["ename"] == "Conflict"
    bundled = kernel.page("%wiz_rm demo --yes")
    assert bundled.reply["ename"] == "BadRequest"
    assert len(bundled.error) == 2


@pytest.mark.parametrize("magic", ["wiz_attach", f"wiz_pull {OTHER}"])
def test_a_new_kernel_sees_the_download_of_the_old_one_go_on(
    kernel: FrontEnd, hub: StandInHub, home: Home, magic: str
) -> None:
    hub.bytes_per_s = 2e5
    n_asked = len(hub.asked_for("GET", "store"))
    pulling = kernel.ask(f"%wiz_pull {OTHER}")
    kernel.until(pulling, moves)
    kernel.restart()
    kernel.must("%load_ext wiz_kernel_ext")
    following = kernel.ask(f"%{magic}")
    kernel.until(following, moves)
    hub.bytes_per_s = None
    ended = kernel.wait(following)
    assert ended.status == "ok", ended.error
    assert "other-Q8_0.gguf" in ended.text
    assert "done" in kernel.must("%wiz_ops -n 1").text
    assert kernel.must("import wiz_kernel_ext as w; len(w.Client().operations())").text == "1"
    assert len(hub.asked_for("GET", "store")) == n_asked + 1
    assert len(ggufs(home)) == 1


def test_two_notebooks_that_pull_the_same_file_share_one_transfer_and_both_see_it_move(
    kernel: FrontEnd, hub: StandInHub, home: Home
) -> None:
    other = FrontEnd(home, "/work/other.ipynb")
    try:
        other.must("%load_ext wiz_kernel_ext")
        hub.bytes_per_s = 2e5
        n_asked = len(hub.asked_for("GET", "store"))
        cells = [(one, one.ask(f"%wiz_pull {OTHER}")) for one in (kernel, other)]
        for one, cell in cells:
            one.until(cell, moves)
        hub.bytes_per_s = None
        for one, cell in cells:
            page = one.wait(cell)
            assert page.status == "ok", page.error
            assert "other-Q8_0.gguf" in page.text
        assert len(hub.asked_for("GET", "store")) == n_asked + 1
    finally:
        other.close()


def test_an_interrupted_pull_is_cancelled_and_goes_on_when_it_is_run_again(
    kernel: FrontEnd, hub: StandInHub
) -> None:
    hub.bytes_per_s = 4e5
    pulling = kernel.ask(f"%wiz_pull {OTHER}")
    kernel.until(pulling, moves)
    kernel.interrupt()
    ended = kernel.wait(pulling)
    assert ended.reply["ename"] == "KeyboardInterrupt"
    assert len(ended.error) == 2
    hub.bytes_per_s = None
    assert "other-Q8_0.gguf" in kernel.must(f"%wiz_pull {OTHER}").text


def test_equals_are_listed_with_their_sizes_and_verdicts(looker: FrontEnd) -> None:
    for magic in ("wiz_load", "wiz_pull"):
        page = looker.page(f"%{magic} {SEVERAL}")
        assert page.reply["ename"] == "AmbiguousModel"
        assert "could be any of 2 models" in page.error[0]
        assert f"{SEVERAL}/a-Q8_0.gguf" in page.error[1]
        for word in (f"{SEVERAL}/b-Q8_0.gguf", "verdict", "fits", "KB"):
            assert word in page.text


def test_a_checkpoint_that_cannot_be_converted_is_not_offered_to_be(
    looker: FrontEnd, hub: StandInHub
) -> None:
    config = b'{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}'
    hub.repositories["founders/moe"] = Repository({"config.json": config, "m.safetensors": b"x"})
    page = looker.page("%wiz_load founders/moe")
    what, next_step = page.error
    assert what.endswith("cannot be converted: MixtralForCausalLM is a mixture of experts.")
    assert "%wiz_convert founders/moe --llama-cpp" in next_step


def test_a_checkpoint_is_offered_to_be_converted_and_is_when_told(
    kernel: FrontEnd, home: Home
) -> None:
    offered = kernel.page(f"%wiz_load {CHECKPOINT}")
    assert offered.reply["ename"] == "HubNotFound"
    what, next_step = offered.error
    assert "no GGUF model, but a safetensors checkpoint" in what
    assert f"%wiz_load {CHECKPOINT} --convert" in next_step
    assert "(bf16)" in next_step
    assert "then about" in next_step

    load = f"%wiz_load {CHECKPOINT} --convert --ctx 128 --seqs 1 --threads 1"
    loaded = kernel.must(load)
    assert "session models" in loaded.text
    made = home.places.models_dir / "tiny-checkpoint-BF16.gguf"
    assert made.exists()
    again = kernel.must(load)
    assert "was converted already" in again.text
    assert "shared" in again.text

    made.rename(made.with_name("mine.gguf"))
    small = kernel.must("%wiz_quantize mine.gguf q8_0 --output smaller.gguf")
    assert "smaller.gguf" in small.text
    listed = kernel.must("%wiz_models").text
    assert "smaller.gguf" in listed
    assert "models directory" in listed


@pytest.mark.parametrize(
    ("code", "name", "what"),
    [
        ("%wiz_pull founders/nothing-here", "HubNotFound", "founders/nothing-here"),
        (f"%wiz_pull {REPO}:Q2_K", "HubNotFound", "no Q2_K"),
        (f"%wiz_load {REPO}/other.gguf", "HubNotFound", "other.gguf"),
        ("%wiz_pull ../../etc/passwd.gguf", "ModelFileNotFound", "passwd"),
        ("%wiz_rm founders/nothing-here --yes", "ModelFileNotFound", "not on this machine"),
        ("%wiz_quantize demo Q3_X", "BadRequest", "Q3_X"),
        ("%wiz_alias a/b demo", "BadRequest", "a/b"),
        ("%wiz_alias small", "BadRequest", "small"),
        ("%wiz_collections remove nothing", "NotFound", "nothing"),
        ("%wiz_search --ctx 1 x", "BadRequest", "--ctx"),
        ("%wiz_convert nowhere", "ModelFileNotFound", "nowhere"),
        ("%wiz_inspect nowhere.gguf", "ModelFileNotFound", "nowhere.gguf"),
    ],
)
def test_what_cannot_be_is_told_in_two_lines(
    looker: FrontEnd, code: str, name: str, what: str
) -> None:
    page = looker.page(code)
    assert page.reply["ename"] == name, page.error
    assert what in page.error[0]
    assert len(page.error) == 2, page.error
