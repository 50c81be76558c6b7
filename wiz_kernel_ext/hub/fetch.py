"""The child process that downloads one file: `python -m wiz_kernel_ext.hub.fetch`.

Reads an `Order` as one line of JSON, says `Ticked` lines and one `Fetched` or `Failed` on standard
output, and is called off by the end of its standard input, which is also what the death of its
parent looks like. A process of its own, because a transfer by huggingface_hub cannot be stopped
from inside (https://github.com/huggingface/huggingface_hub/issues/4632). `download` starts it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import psutil

TICK_INTERVAL_S = 0.1
# huggingface_hub reports, and could be stopped, only every 10 MiB.
CHUNK_BYTES = 2**20
CALLED_OFF = 3


class Order(msgspec.Struct, frozen=True):
    """What to fetch."""

    repo: str
    file: str
    revision: str | None = None


class Ticked(msgspec.Struct, frozen=True, tag="ticked"):
    """How many bytes are here, of how many (None: unknown)."""

    done: int
    total: int | None = None


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    """The file is here."""

    path: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The file could not be fetched."""

    message: str
    hint: str
    details: dict[str, Any] = {}


Line = Ticked | Fetched | Failed
Say = Callable[[Line], None]


def progress_bar(say: Say, clock: Callable[[], float] = time.monotonic) -> type:
    """A class that huggingface_hub uses like tqdm's, and that says how far it is.

    A transfer may have two bars at a time (bytes received, bytes put together): the one that is
    further speaks.
    """
    furthest = -1
    told_at_s = -TICK_INTERVAL_S

    class Bar:
        def __init__(self, total: int | None = None, initial: int = 0, **_: Any) -> None:
            self.total = total
            self.n = initial
            self.tell()

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            self.tell()

        def refresh(self, *_: Any, **__: Any) -> None:
            self.tell()

        def set_postfix_str(self, *_: Any, **__: Any) -> None:
            pass

        def close(self) -> None:
            self.tell(last=True)

        def __enter__(self) -> Bar:
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            self.close()

        def tell(self, last: bool = False) -> None:
            nonlocal furthest, told_at_s
            now_s = clock()
            if self.n <= furthest or (now_s - told_at_s < TICK_INTERVAL_S and not last):
                return
            furthest, told_at_s = self.n, now_s
            say(Ticked(self.n, int(self.total) if self.total else None))

    return Bar


def fetch(order: Order, say: Say) -> None:
    """Fetch into the standard cache; ends in one `Fetched` or `Failed`."""
    from huggingface_hub import constants, hf_hub_download

    from wiz_kernel_ext.hub.failures import explain

    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    try:
        path = hf_hub_download(
            order.repo, order.file, revision=order.revision, tqdm_class=progress_bar(say)
        )
    except Exception as error:
        failure = explain(error, order.repo, order.file, order.revision)
        say(Failed(failure.message, failure.hint, failure.details))
    else:
        say(Fetched(path))


def call_off() -> None:
    """End at once; what was received so far would only lie about, as nothing resumes it."""
    with contextlib.suppress(psutil.Error, OSError):
        for open_file in psutil.Process().open_files():
            if open_file.path.endswith(".incomplete"):
                Path(open_file.path).unlink(missing_ok=True)
    os._exit(CALLED_OFF)


def _call_off_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    call_off()


def _say_to(output: BinaryIO) -> Say:
    lock = threading.Lock()

    def say(line: Line) -> None:
        # Bars are updated from a thread of the transfer's own.
        with lock, contextlib.suppress(BrokenPipeError):
            output.write(msgspec.json.encode(line) + b"\n")
            output.flush()

    return say


def main() -> None:
    """Do what the order on standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    # Whatever else is printed must not be taken for a line of ours.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_call_off_at_end_of_input, daemon=True).start()
    fetch(order, _say_to(output))
    # Threads of the transfer are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
