"""What the tests of the chat do again and again."""

from __future__ import annotations

import time

from tests.browser.lab import Lab
from tests.browser.page import Page
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store import Database, SessionStore

LOAD = "%load_ext wiz_kernel_ext\n%wiz_load demo"
STOP_WITHIN_S = 0.5
MARKDOWN = (
    "Some **bold** text, `code` and a list:\n\n- one\n- two\n\n```python\nprint('hello')\n```\n"
)


def opened(lab: Lab, page: Page, name: str, *cells: str) -> None:
    """A notebook whose cells were run, the last of which shows a panel."""
    page.open(lab.notebook(name, cells))
    for number in range(len(cells)):
        page.run(number)
    page.ready()


def kept(lab: Lab, name: str, messages: list[SessionMessage]) -> str:
    """A session that has these messages already."""
    lab.client.status()
    database = Database.open(lab.home.places.database_file)
    store = SessionStore(database)
    store.add_messages(store.create(name).id, messages)
    database.close()
    return name


def stopped_s(lab: Lab, page: Page) -> float:
    """Click Stop; how long until the engine answers nobody, in seconds."""
    page.panel.get_by_role("button", name="Stop this answer").click()
    clicked = time.monotonic()
    while any(worker.n_running for worker in lab.client.status().workers):
        assert time.monotonic() - clicked < 10
    return time.monotonic() - clicked
