"""What runs on from before this kernel: said at `%load_ext`, with the magic that shows it.

A kernel that restarted, and a page that was closed, left a cell that stands still; the service goes
on. Only a service that runs is asked, and not for long: loading the extension is not to be felt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import places

if TYPE_CHECKING:
    from wiz_kernel_ext.notebook.identity import Identity
    from wiz_kernel_ext.protocol.results import OperationInfo

ASKED_FOR_S = 1.0
LIMIT = 100
N_SHOWN = 5


def still_running(who: Callable[[], Identity]) -> list[str]:
    """A line for each operation of this notebook's conversation that runs, and each long job.

    Empty where the service does not run or does not answer in ASKED_FOR_S seconds.
    """
    try:
        settings = Settings.from_environment()
        if find(places(settings)) is None:
            return []
    except (WizError, OSError):  # the first magic that needs it will say what is wrong
        return []
    found: list[OperationInfo] = []
    # The asking has limits of its own, for whoever needs the answer: longer ones.
    asking = threading.Thread(
        target=_ask, args=(settings, who(), found), name="wiz-look", daemon=True
    )
    asking.start()
    asking.join(ASKED_FOR_S)
    return [_line(one) for one in found[:N_SHOWN]]


def _ask(settings: Settings, who: Identity, found: list[OperationInfo]) -> None:
    from wiz_kernel_ext.client import Client
    from wiz_kernel_ext.protocol.results import LOAD_KINDS, TERMINAL_STATES

    client = Client(settings, start=False)
    try:
        sessions = client.sessions(LIMIT)
        ours = {one.name for one in sessions if who.name == one.name or _is_same(who, one.notebook)}
        found += [
            one
            for one in client.operations(LIMIT)
            if one.state not in TERMINAL_STATES
            and (one.session in ours or one.kind not in {"prompt", *LOAD_KINDS})
        ]
    except WizError:
        pass
    finally:
        client.close()


def _is_same(who: Identity, notebook: str | None) -> bool:
    return who.notebook is not None and who.notebook == notebook


def _line(one: OperationInfo) -> str:
    from wiz_kernel_ext.commands.numbers import shortened
    from wiz_kernel_ext.commands.service_tables import TITLE_WIDTH, kind_word, state_words

    about = f"{kind_word(one)} “{shortened(one.title, TITLE_WIDTH)}” ({state_words(one)})"
    return f"Goes on from before: {about}. %wiz_attach {one.id} shows it."
