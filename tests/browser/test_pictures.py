"""The pictures of the docs: the three panels in the middle of a day's work.

`WIZ_PICTURES=1 python -m pytest tests/browser/test_pictures.py` writes docs/pictures; without the
variable they are made all the same, among the artifacts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS, serving
from tests.browser.lab import ROOT, Lab
from tests.browser.page import Page
from tests.browser.small_png import shrink
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.free_memory import free_bytes
from wiz_kernel_ext.protocol.hub_requests import PullModel
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store import Database, SessionStore

LARGEST_BYTES = 60_000
LOCAL = {
    "pebble-20m-chat-F32": Shape(n_layers=6, width=512, n_heads=8, n_ffn=1536, n_vocab=4096),
    "pebble-20m-chat-Q8_0": Shape(
        n_layers=6, width=512, n_heads=8, n_ffn=1536, n_vocab=4096, quantization="Q8_0"
    ),
}
CELLS = [
    "%load_ext wiz_kernel_ext\n%wiz_load demo",
    "%wiz_download",
    "%wiz_chat",
    "%wiz_status --panel",
]
THEMES = ("dark", "light")
# The answer goes on for as long as the picture takes.
LONG: dict[str, Any] = {
    "max_tokens": 20_000,
    "logit_bias": {"<|im_end|>": -100.0, "<|endoftext|>": -100.0},
}
QUESTION = "Which file format should I keep a table of measurements in?"
ANSWER = """For a table of measurements:

| format | size | keeps types |
|---|---|---|
| CSV | large | no |
| Parquet | small | **yes** |

1. Use `Parquet` for your own work.
2. Write CSV only for *other people*.

```python
frame.to_parquet("measurements.parquet")
```
"""


def story() -> StandInHub:
    """A hub with a family of models around this machine's memory, and three to download."""
    available = free_bytes()
    sizes = {
        "Q4_K_M": int(0.3 * available),
        "Q8_0": int(0.95 * available) - 1_700_000_000,
        "BF16": int(1.6 * available),
    }
    family = [
        {"rfilename": f"Aurora-14B-Instruct-{quant}.gguf", "size": size, "lfs": None}
        for quant, size in sizes.items()
    ]
    facts = {"tags": ["license:apache-2.0"], "downloads": 48_210, "gguf": {"total": 14_800_000_000}}
    small = {"tags": ["license:mit"], "downloads": 9_120, "gguf": {"total": 494_000_000}}
    return StandInHub(
        {
            "aurora-lab/Aurora-14B-Instruct-GGUF": Repository(
                {f"{file['rfilename']}": bytes(1 << 20) for file in family},
                facts=facts | {"siblings": family},
            ),
            "aurora-lab/Aurora-0.5B-Instruct-GGUF": Repository(
                {"Aurora-0.5B-Instruct-Q4_K_M.gguf": bytes(398 << 20)}, facts=small
            ),
            "harbour/Lantern-1B-GGUF": Repository({"Lantern-1B-Q4_0.gguf": bytes(612 << 20)}),
            "harbour/Codex-Mini-GGUF": Repository({"Codex-Mini-Q5_K_M.gguf": bytes(288 << 20)}),
        },
        bytes_per_s=7_300_000.0,
    )


@pytest.fixture(scope="module")
def day() -> Iterator[Lab]:
    """A JupyterLab whose service has seen nothing but this story."""
    home = Home.make()
    models = home.folder / "d" / "models"
    models.mkdir(parents=True)
    for name, shape in LOCAL.items():
        write_tiny_gguf(models / f"{name}.gguf", shape)
    with story() as hub, serving(home, hub) as lab:
        yield lab


@pytest.fixture
def user(day: Lab, tab: Any) -> Iterator[Page]:
    """A page on that JupyterLab."""
    tab.goto("about:blank")
    page = Page(tab, day, ARTIFACTS / "pictures")
    yield page
    tab.screenshot(path=page.shots.parent / "last-of-pictures.png")
    errors = page.end()
    tab.goto("about:blank")
    assert not errors, errors


def test_the_pictures_tell_a_story_and_are_small(user: Page, day: Lab) -> None:
    page, client = user, day.client
    remember(day)
    paused = client.start(PullModel(model="harbour/Codex-Mini-GGUF:Q5_K_M"))
    page.open(day.notebook("measurements", CELLS))
    for number in (0, 1):
        page.run(number)
    page.ready()
    page.raw.get_by_text("s left").first.wait_for()
    pause(page, 4000)
    paused.cancel()
    for name in ("harbour/Lantern-1B-GGUF:Q4_0", "aurora-lab/Aurora-0.5B-Instruct-GGUF:Q4_K_M"):
        client.start(PullModel(model=name))
        pause(page, 1500)
    page.panel.get_by_role("searchbox").fill("aurora")
    page.panel.locator(".wiz-card", has_text="14B").locator("summary").click()
    page.panel.get_by_text("too big").wait_for()
    page.raw.mouse.move(0, 0)
    pause(page, 2500)
    page.shoot("downloader")
    page.run(2)
    chat = page.raw.locator(".wiz-chat-page")
    chat.get_by_text("frame.to_parquet").wait_for()
    page.shoot("chat", chat)
    page.run(3)
    status = page.raw.locator(".wiz-status-page")
    client.load_model("pebble-20m-chat-Q8_0.gguf")
    client.create_context()
    client.initialize_session(session="meeting notes")
    client.send_prompt("Summarise the decisions of these notes.", **LONG)
    status.get_by_text("tokens/s").wait_for()
    pause(page, 1500)
    page.shoot("status", status)
    for operation in client.operations(10):
        client.cancel(operation.id)
    pictures = sorted(page.shots.glob("*.png"))
    for picture in pictures:
        shrink(page.raw, picture)
    assert [picture.stem for picture in pictures] == [
        f"{panel}-{theme}" for panel in ("chat", "downloader", "status") for theme in THEMES
    ]
    assert max(picture.stat().st_size for picture in pictures) <= LARGEST_BYTES
    if os.environ.get("WIZ_PICTURES"):
        for picture in pictures:
            shutil.copy(picture, ROOT / "docs" / "pictures" / picture.name)


def pause(page: Page, for_docs_ms: int) -> None:
    """Let the figures become those of a day's work, where the pictures are made for the docs."""
    page.raw.wait_for_timeout(for_docs_ms if os.environ.get("WIZ_PICTURES") else 300)


def remember(day: Lab) -> None:
    """Conversations there have been."""
    day.client.status()
    database = Database.open(day.home.places.database_file)
    store = SessionStore(database)
    said = [
        SessionMessage(role="user", content=QUESTION),
        SessionMessage(role="assistant", content=ANSWER),
    ]
    for name in ("thesis chapter 2", "meeting notes", "measurements"):
        store.add_messages(store.create(name).id, said)
    database.close()
