"""A real JupyterLab, a real browser, and a home of their own for both.

Without a browser every test here is skipped by name; where CI is set that is a failure instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Lab
from tests.browser.models import Open
from tests.browser.page import Page
from tests.making.convert.checkpoints import write_checkpoint
from tests.support.homes import Home
from tests.support.leaks import held, left_behind
from tests.support.stand_in_hub import Repository, StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import OperationNotFound

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "browser"
TOKEN = "hf_abcdefgh12345678"
AXE = "axe-core@4.10.3"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing() -> str:
    """What there is not, or nothing."""
    packages = [name for name in ("playwright", "jupyterlab", "anywidget") if not find_spec(name)]
    if packages:
        return f"not installed: {', '.join(packages)}"
    return "" if CHROMIUM else "no Chromium on this machine (Debian: apt-get install chromium)"


@pytest.fixture(autouse=True)
def nothing_left_behind(
    request: pytest.FixtureRequest, temporary_folder: Path, lasting_threads: None
) -> Iterator[None]:
    """Fail a test that leaves a process or a temporary file.

    Connections and threads are the shared browser's and the shared JupyterLab's client's, which
    make them when a test first needs them, and again when a test stops the service.
    """
    before = held()
    yield
    if left := left_behind(before, ("process", "temporary")):
        pytest.fail("\n  ".join([f"{request.node.nodeid} left behind:", *left]), pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run them last, and skip, or fail where nothing may be left out.

    The browser's driver leaves an event loop running in this thread.
    """
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    items[:] = [item for item in items if item not in here] + here
    reason = missing()
    if here and reason and os.environ.get("CI"):
        pytest.exit(f"browser tests cannot be left out in CI: {reason}", returncode=1)
    if reason:
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInHub]:
    """A hub with models for everybody, one for who has a token, and a checkpoint."""
    model = model_path().read_bytes()
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, "llama", intermediate_size=24_000, num_hidden_layers=4)
    checkpoint = {file.name: file.read_bytes() for file in folder.iterdir()}
    facts = {"downloads": 12345, "tags": ["license:mit"], "gguf": {"total": 3_500_000}}
    # Zeros after the last tensor: still a model, and large enough to be watched on its way.
    repositories = {
        "founders/demo-GGUF": Repository({"demo-Q8_0.gguf": model + bytes(20 << 20)}, facts=facts),
        "founders/second-GGUF": Repository({"second-Q8_0.gguf": model + bytes(16 << 20)}),
        "founders/third-with-a-very-long-name-that-somebody-thought-was-a-good-idea-v1.5-GGUF": (
            Repository({"third-Q8_0.gguf": model + bytes(12 << 20)})
        ),
        "founders/private-GGUF": Repository({"private-Q8_0.gguf": model}, token=TOKEN),
        "founders/gated-GGUF": Repository({"gated-Q8_0.gguf": model}, gated=True),
        "founders/checkpoint": Repository(checkpoint),
    }
    with StandInHub(repositories) as hub:
        yield hub


@pytest.fixture(autouse=True)
def _hub_as_it_was(hub: StandInHub) -> Iterator[None]:
    """Whatever a test does to the hub ends with it."""
    yield
    hub.bytes_per_s = None
    hub.statuses.clear()


@contextlib.contextmanager
def serving(home: Home, hub: StandInHub) -> Iterator[Lab]:
    """A JupyterLab server whose kernels find `home`'s service, and the stand-in hub."""
    variables = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home.folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }
    lab = Lab(home, variables=variables)
    # The service that a test's own client may be first to start needs them too.
    patch = pytest.MonkeyPatch()
    for name, value in variables.items():
        patch.setenv(name, value)
    try:
        lab.start()
        yield lab
    finally:
        patch.undo()
        lab.close()
        home.close()


@pytest.fixture(scope="session")
def lab(hub: StandInHub) -> Iterator[Lab]:
    """A JupyterLab with a home of its own."""
    with serving(Home.make(), hub) as lab:
        yield lab


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def notebook7(lab: Lab) -> Iterator[Lab]:
    """A Notebook 7 server on the same service."""
    if not find_spec("notebook"):
        pytest.skip("not installed: notebook")
    server = Lab(lab.home, "notebook")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accessibility checker's script, from the npm registry."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None and not os.environ.get("CI"):
        pytest.skip("no npm on this machine to fetch axe-core with")
    assert npm is not None, "no npm (Debian: apt-get install npm)"
    subprocess.run([npm, "pack", AXE], cwd=folder, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "axe.min.js"


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that takes seconds for an answer, whatever it says."""
    shape = Shape(
        n_layers=12, width=512, n_heads=8, n_kv_heads=4, n_ffn=1536, n_vocab=4096,
        n_ctx_train=8192, quantization="Q8_0",
    )  # fmt: skip
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "slow.gguf", shape)


@pytest.fixture(scope="session")
def fast_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that says a thousand tokens a second."""
    shape = Shape(n_vocab=4096, n_ctx_train=8192)
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "fast.gguf", shape)


@pytest.fixture(scope="session")
def tab(browser: Any) -> Iterator[Any]:
    """One page of the browser for all tests: JupyterLab takes its time to appear."""
    context = browser.new_context(viewport={"width": 1100, "height": 950})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def tidy(client: Client) -> None:
    """Leave the service as a test found it: nothing loaded, fetched or on its way."""
    for operation in client.operations(50):
        if operation.kind == "download":
            # One that was resumed is gone with its resumption.
            with contextlib.suppress(OperationNotFound):
                client.discard_download(operation.id)
        else:
            client.cancel(operation.id)
    for worker in client.status().workers:
        client.unload_model(worker.model_path, force=True)
    for model in client.models():
        if model.origin in ("hub", "models"):
            client.remove_model(model.name)


@pytest.fixture
def page(lab: Lab, tab: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """JupyterLab in the browser; errors in its console fail the test."""
    page = Page(tab, lab, ARTIFACTS / request.module.__name__.rpartition(".test_")[2])
    yield page
    tab.screenshot(path=page.shots / f"last-of-{request.node.name}.png")
    errors = page.end()
    tidy(lab.client)
    assert not errors, errors


@pytest.fixture
def opened(lab: Lab, page: Page) -> Open:
    """Opens a notebook and shows a downloader in its second cell."""

    def opened(name: str, *more: str) -> Page:
        page.open(lab.notebook(name, ["%load_ext wiz_kernel_ext", "%wiz_download", *more]))
        page.run(0)
        page.run(1)
        page.ready()
        return page

    return opened
