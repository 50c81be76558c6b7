"""What is on this machine: found, named, checked, verified and deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub.conftest import SMALL
from tests.support.gguf_bytes import small_model
from tests.support.hub_user import HubUser, names_below
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    AmbiguousModel,
    BadRequest,
    HubUnreachable,
    ModelFileNotFound,
    NotFound,
    OperationCancelled,
    WizError,
)
from wiz_kernel_ext.hub.collections import Collections
from wiz_kernel_ext.hub.deletion import remove
from wiz_kernel_ext.hub.updates import with_updates
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.protocol.hub import Deletion, LibraryModel

OTHER = small_model(payload_bytes=8192)


class Home:
    """A user's home with a library; files are put where tools put them."""

    def __init__(self, folder: Path, user: HubUser) -> None:
        self.folder = folder
        self.user = user
        user.environment |= {"HOME": str(folder / "home"), "XDG_CACHE_HOME": ""}
        for name in ("OLLAMA_MODELS", "LLAMA_CACHE", "HF_HUB_CACHE"):
            user.environment.pop(name, None)
        self.models_dir = folder / "models"
        self.library = self.open()
        self.collections = Collections(folder / "data", environment=user.environment)

    async def remove(self, model: str, only_ask: bool = False) -> Deletion:
        return await remove(
            self.library, model, only_ask=only_ask, environment=self.user.environment
        )

    def open(self) -> Library:
        """The library as another process sees it."""
        return Library(
            self.folder / "data",
            self.models_dir,
            environment=self.user.environment,
            clock=lambda: 1000.0,
        )

    def put(self, place: str, data: bytes = SMALL) -> Path:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def put_in_hub(
        self, repo: str, file: str, commit: str, ref: str = "", data: bytes = SMALL
    ) -> Path:
        """As a download leaves it; its blob is named by the file's name."""
        root = self.user.home / "hub" / f"models--{repo.replace('/', '--')}"
        blob = root / "blobs" / f"{hash(file) & 0xFFFF:064x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        path = root / "snapshots" / commit / file
        path.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (2 + file.count("/"))
        path.symlink_to(f"{up}blobs/{blob.name}")
        if ref:
            (root / "refs").mkdir(exist_ok=True)
            (root / "refs" / ref).write_text(commit)
        return path

    async def listed(self, check: bool = False) -> dict[str, LibraryModel]:
        models = self.library.models()
        if check:
            models = await with_updates(models, environment=self.user.environment)
        return {model.name: model for model in models}


@pytest.fixture
def home(tmp_path: Path, user: HubUser) -> Home:
    return Home(tmp_path, user)


A, B = "a" * 40, "b" * 40


async def test_models_of_every_place_are_found_with_their_facts(home: Home) -> None:
    home.put("models/mine-Q8_0.gguf")
    home.put("models/sub/split-00001-of-00002.gguf")
    home.put("models/sub/split-00002-of-00002.gguf")
    home.put("models/mmproj-x.gguf")
    home.put_in_hub("u/r", "q/m-Q4_K_M.gguf", A, "main")
    studio = home.put("home/.lmstudio/models/pub/repo/s.gguf")
    cpp = home.put("home/.cache/llama.cpp/ggml-org_x.gguf")
    blob = home.put("home/.ollama/models/blobs/sha256-" + "c" * 64)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "c" * 64}
    manifest = json.dumps({"layers": [layer]}).encode()
    home.put("home/.ollama/models/manifests/registry.ollama.ai/library/tiny/8b", manifest)
    home.put("home/.ollama/models/manifests/registry.ollama.ai/library/tiny/bad", b"{")
    listed = await home.listed()
    assert {name: model.origin for name, model in listed.items()} == {
        "demo": "demo",
        "mine-Q8_0.gguf": "models",
        "sub/split-00001-of-00002.gguf": "models",
        "u/r:Q4_K_M": "hub",
        str(studio): "lm-studio",
        str(cpp): "llama.cpp",
        "ollama:tiny:8b": "ollama",
    }
    split = listed["sub/split-00001-of-00002.gguf"]
    assert (split.n_files, split.size_bytes) == (2, 2 * len(SMALL))
    hub = listed["u/r:Q4_K_M"]
    assert (hub.repo, hub.commit, hub.revision, hub.architecture) == ("u/r", A, "main", "llama")
    assert (hub.n_ctx_train, hub.quant) == (2048, "Q8_0")
    assert "/snapshots/" in hub.path
    assert listed["ollama:tiny:8b"].path == str(blob)
    for name, model in listed.items():
        assert home.library.resolve(name) == Path(model.path)


async def test_an_older_version_is_told_apart_by_its_commit(home: Home) -> None:
    home.put_in_hub("u/r", "m-Q8_0.gguf", A, "main")
    home.put_in_hub("u/r", "only-old-Q6_K.gguf", B, data=OTHER)
    root = home.user.home / "hub" / "models--u--r"
    (root / "blobs" / ("e" * 64)).write_bytes(OTHER)
    (root / "snapshots" / B / "m-Q8_0.gguf").symlink_to("../../blobs/" + "e" * 64)
    listed = await home.listed()
    assert {"u/r:Q8_0", f"u/r@{B}/m-Q8_0.gguf", "u/r:Q6_K"} <= set(listed)
    assert home.library.resolve(f"u/r@{B}/m-Q8_0.gguf") == root / "snapshots" / B / "m-Q8_0.gguf"


async def test_a_broken_file_is_listed_with_its_problem(home: Home) -> None:
    home.put("models/cut.gguf", SMALL[:-5])
    assert "incomplete" in (await home.listed())["cut.gguf"].problem


async def test_facts_are_read_once_and_again_when_the_file_changes(home: Home) -> None:
    path = home.put("models/m.gguf")
    await home.listed()
    first = json.loads((home.folder / "data" / "library.json").read_text())
    assert first["facts"][str(path)]["architecture"] == "llama"
    path.write_bytes(OTHER)
    assert (await home.listed())["m.gguf"].n_params == 2048


def test_names_mean_paths_then_aliases_then_the_hub(home: Home, tmp_path: Path) -> None:
    library = home.library
    assert library.resolve("demo") == model_path()
    mine = home.put("models/mine.gguf")
    assert library.resolve("mine") == library.resolve("mine.gguf") == mine
    assert library.resolve("hf.co/u/r:Q4_K_M") == ModelName("u/r", None, "Q4_K_M")
    assert library.resolve(f"{home.user.environment['HF_ENDPOINT']}/u/r") == ModelName("u/r")
    here = home.put("u/r")
    assert library.resolve("u/r", tmp_path) == here


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", BadRequest),
        ("nothing", ModelFileNotFound),
        ("no thing", ModelFileNotFound),
        ("./nothing", ModelFileNotFound),
        ("/no/such.gguf", ModelFileNotFound),
        ("ollama:no:1b", ModelFileNotFound),
        ("u/../r", BadRequest),
        ("a\0b", BadRequest),
    ],
)
def test_a_name_that_means_nothing_is_an_error(home: Home, name: str, kind: type[WizError]) -> None:
    with pytest.raises(kind) as caught:
        home.library.resolve(name)
    assert caught.value.hint


def test_a_name_on_the_hub_means_the_copy_that_is_here(home: Home) -> None:
    path = home.put_in_hub("u/r", "m-Q4_K_M.gguf", A, "main")
    for name in ("u/r", "u/r:q4_k_m", "u/r/m-Q4_K_M.gguf", f"u/r@{A}", "hf://u/r"):
        assert home.library.resolve(name) == path
    assert home.library.resolve("u/r:Q8_0") == ModelName("u/r", None, "Q8_0")
    assert home.library.resolve("u/r@v2") == ModelName("u/r", "v2")


def test_a_model_knows_where_on_the_hub_it_came_from(home: Home) -> None:
    home.put_in_hub("u/r", "q/m-Q4_K_M.gguf", A, "main")
    home.library.set_alias("small", "u/r")
    assert home.library.upstream("small") == ModelName("u/r", None, None, "q/m-Q4_K_M.gguf")
    assert home.library.upstream("u/other:Q8_0") == ModelName("u/other", None, "Q8_0")
    with pytest.raises(NotFound, match="no hub"):
        home.library.upstream("demo")


def test_equals_that_are_here_are_not_guessed(home: Home) -> None:
    home.put_in_hub("u/r", "a-Q5_0.gguf", A, "main")
    home.put_in_hub("u/r", "b-Q5_0.gguf", A, "main")
    with pytest.raises(AmbiguousModel):
        home.library.resolve("u/r")


async def test_aliases_and_the_default_are_kept(home: Home) -> None:
    path = home.put("models/m.gguf")
    home.library.set_alias("small", "m.gguf")
    home.library.set_alias("best", "small")
    home.library.set_default("best")
    again = home.open()
    assert again.resolve("small") == again.resolve("best") == again.resolve(None) == path
    assert again.aliases() == {"small": "m.gguf", "best": "small"}
    listed = (await home.listed())["m.gguf"]
    assert (listed.aliases, listed.is_default) == (["best", "small"], True)
    again.set_alias("best", None)
    assert home.library.aliases() == {"small": "m.gguf"}
    again.set_default("m.gguf")
    assert (await home.listed())["m.gguf"].is_default
    again.set_default(None)
    assert home.library.default() is None


async def test_a_model_is_listed_with_every_name_that_leads_to_it(home: Home) -> None:
    home.put_in_hub("u/r", "m-Q8_0.gguf", A, "main")
    home.put("models/other.gguf", OTHER)
    for alias, model in {"a": "u/r", "b": "u/r:Q8_0", "c": "a", "d": "u/none", "e": "d"}.items():
        home.library.set_alias(alias, model)
    home.library.set_default("c")
    listed = await home.listed()
    assert (listed["u/r:Q8_0"].aliases, listed["u/r:Q8_0"].is_default) == (["a", "b", "c"], True)
    assert (listed["other.gguf"].aliases, listed["other.gguf"].is_default) == ([], False)


def test_aliases_that_cannot_be_are_refused(home: Home) -> None:
    for alias in ("demo", "a/b", "x.gguf", "a:b", "./x"):
        with pytest.raises(BadRequest):
            home.library.set_alias(alias, "demo")
    with pytest.raises(ModelFileNotFound):
        home.library.set_alias("x", "x")
    with pytest.raises(NotFound):
        home.library.set_alias("never", None)
    with pytest.raises(ModelFileNotFound):
        home.library.set_alias("x", "nothing")
    assert home.library.aliases() == {}


def test_aliases_in_a_circle_end(home: Home) -> None:
    home.library.set_alias("a", "demo")
    home.library.set_alias("b", "a")
    with pytest.raises(BadRequest):
        home.library.set_alias("a", "b")
    assert home.library.resolve("b") == model_path()


async def test_the_last_use_is_kept(home: Home) -> None:
    path = home.put("models/m.gguf")
    home.library.used(path)
    assert (await home.listed())["m.gguf"].last_used_at == 1000.0


def test_a_file_of_the_library_that_is_broken_is_moved_aside(home: Home) -> None:
    home.put("data/library.json", b'{"aliases": 3}')
    assert home.library.aliases() == {}
    home.library.set_alias("small", "demo")
    assert "library.json.unreadable" in names_below(home.folder)


def test_many_who_change_it_at_once_lose_nothing(home: Home) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: home.open().set_alias(f"a{i}", "demo"), range(40)))
    assert len(home.library.aliases()) == 40


async def test_a_model_of_ours_is_deleted_when_told(home: Home) -> None:
    path = home.put("models/m.gguf")
    asked = await home.remove("m.gguf", only_ask=True)
    assert (asked.freed_bytes, asked.allowed, path.exists()) == (len(SMALL), True, True)
    assert (await home.remove("m.gguf")).freed_bytes == len(SMALL)
    assert not path.exists()
    with pytest.raises(NotFound):
        await home.remove("m.gguf")


async def test_a_model_of_the_hub_is_deleted_by_its_own_rules(home: Home, hub: StandInHub) -> None:
    await home.user.fetch("wiz/models", "small.gguf")
    hub.repositories["wiz/models"].files["extra-Q8_0.gguf"] = OTHER
    await home.user.fetch("wiz/models", "extra-Q8_0.gguf")
    name = "wiz/models/small.gguf"
    asked = await home.remove(name, only_ask=True)
    assert asked.freed_bytes == len(SMALL)
    assert name in await home.listed()
    assert (await home.remove(name)).freed_bytes == len(SMALL)
    listed = await home.listed()
    assert name not in listed and "wiz/models:Q8_0" in listed
    await home.remove("wiz/models:Q8_0")
    assert home.user.size_bytes() < 500


async def test_what_belongs_to_others_is_not_deleted(home: Home) -> None:
    path = home.put("home/.lmstudio/models/pub/repo/s.gguf")
    for model, owner in ((str(path), "LM Studio"), ("demo", "this package")):
        deletion = await home.remove(model)
        assert not deletion.allowed and owner in deletion.reason
    assert path.exists() and model_path().exists()


async def test_a_newer_file_is_told_by_its_checksum_not_by_the_commit(
    home: Home, hub: StandInHub
) -> None:
    await home.user.fetch("wiz/models", "small.gguf")
    hub.repositories["wiz/models"].files["README.md"] = b"edited"
    assert (await home.listed(check=True))["wiz/models/small.gguf"].newer is False
    hub.repositories["wiz/models"].files["small.gguf"] = OTHER
    listed = await home.listed(check=True)
    assert listed["wiz/models/small.gguf"].newer is True
    assert listed["demo"].newer is None
    del hub.repositories["wiz/models"]
    hub.repositories["wiz/gone"] = Repository({})
    assert (await home.listed(check=True))["wiz/models/small.gguf"].newer is None
    home.user.environment["HF_HUB_OFFLINE"] = "1"
    with pytest.raises(HubUnreachable):
        await home.listed(check=True)


async def test_asking_for_newer_ones_leaves_the_cache_as_it_is(home: Home, hub: StandInHub) -> None:
    await home.user.fetch("wiz/models", "small.gguf")
    before = sorted(names_below(home.user.home))
    hub.repositories["wiz/models"].files["small.gguf"] = OTHER
    await home.listed(check=True)
    assert sorted(names_below(home.user.home)) == before


async def test_a_damaged_file_is_found_by_verifying(home: Home) -> None:
    path = await home.user.fetch("wiz/models", "small.gguf")
    progress: list[tuple[int, int | None]] = []
    good = await home.library.verify(path, lambda done, total: progress.append((done, total)))
    assert (good.checked, good.bad, good.unknown) == (1, [], [])
    assert progress[-1] == (len(SMALL), len(SMALL))
    damage(Path(path))
    bad = await home.library.verify("wiz/models/small.gguf")
    assert bad.bad == [path]


async def test_a_file_without_a_checksum_is_checked_for_its_length(home: Home) -> None:
    path = home.put("models/m.gguf", SMALL[:-1])
    found = await home.library.verify("m.gguf")
    assert (found.checked, found.unknown, found.bad) == (0, [str(path)], [str(path)])


async def test_verifying_can_be_called_off(home: Home) -> None:
    home.put("models/m.gguf")
    cancelled = asyncio.Event()
    cancelled.set()
    with pytest.raises(OperationCancelled):
        await home.library.verify("m.gguf", cancelled=cancelled)


async def test_a_collection_in_a_file_is_added_refreshed_and_removed(home: Home) -> None:
    path = home.put("team.txt", b"# ours\nu/r:Q4_K_M\n\nu/other  # small\n")
    added = await home.collections.add("team", str(path))
    assert added.models == ["u/r:Q4_K_M", "u/other"]
    path.write_text('{"models": ["a/b"]}')
    assert (await home.collections.list())[0].models == ["u/r:Q4_K_M", "u/other"]
    assert (await home.collections.list(refresh=True))[0].models == ["a/b"]
    path.unlink()
    again = Collections(home.folder / "data", environment=home.user.environment)
    (kept,) = await again.list(refresh=True)
    assert kept.models == ["a/b"] and "cannot be read" in kept.problem
    home.collections.remove("team")
    assert await home.collections.list() == []
    with pytest.raises(NotFound):
        home.collections.remove("team")


async def test_a_collection_on_the_hub_is_read_from_there(home: Home, hub: StandInHub) -> None:
    slug = "wiz/best-of-0123456789abcdef01234567"
    hub.collections[slug] = ["u/r", "a/b"]
    added = await home.collections.add("best", f"{hub.url}/collections/{slug}")
    assert added.models == ["u/r", "a/b"]


@pytest.mark.parametrize(
    "make",
    [
        lambda home: home.put("x.txt", b"not a name"),
        lambda home: home.put("x.json", b'{"a": 1}'),
        lambda home: home.folder / "none.txt",
        lambda home: home.put("x.txt", b"x" * (1 << 21)),
    ],
)
async def test_what_is_no_collection_is_refused(home: Home, make: Callable[[Home], Path]) -> None:
    with pytest.raises(BadRequest):
        await home.collections.add("x", str(make(home)))
    assert await home.collections.list() == []


def damage(path: Path) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
