"""Entry of the child: one order on standard input, lines on standard output, then the end.

The end of its standard input calls it off, which is also what the death of its parent looks like.
What it received so far stays, for the next one to go on with.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.fetch import messages as m

CALLED_OFF = 3


def carry_out(order: m.AnyOrder, say: Callable[[m.Line], None]) -> Any:
    """The result of `order`; raises WizError."""
    # Each imports huggingface_hub, and fails in its own words where that is broken.
    match order:
        case m.Download():
            from wiz_kernel_ext.hub.fetch.download import download

            return download(order, say)
        case m.DeleteFiles():
            from wiz_kernel_ext.hub.fetch.deleting import delete_files

            return delete_files(order)
    from wiz_kernel_ext.hub.fetch import looking

    match order:
        case m.Search():
            return looking.search(order, say)
        case m.ListRepo():
            return looking.list_repo(order, say)
        case m.AskUpstream():
            return looking.ask_upstream(order, say)
        case m.ReadCollection():
            return looking.read_collection(order, say)


def end_of(order: m.AnyOrder, say: Callable[[m.Line], None]) -> m.Line:
    """The last line: a result or an error, whatever happens."""
    try:
        return m.Done(msgspec.Raw(msgspec.json.encode(carry_out(order, say))))
    except WizError as error:
        return m.Failed(error.info())
    except Exception as error:
        from wiz_kernel_ext.hub.fetch.failures import Subject, explain

        subject = Subject(getattr(order, "repo", ""), getattr(order, "file", ""))
        return m.Failed(explain(error, subject).info())


def main() -> None:
    """Do what the order on standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=m.AnyOrder)
    # Whatever else is printed must not be taken for a line of ours.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_input, daemon=True).start()
    lock = threading.Lock()

    def say(line: m.Line) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            output.write(msgspec.json.encode(line) + b"\n")
            output.flush()

    say(end_of(order, say))
    # Transfers that another's failure left behind are not waited for.
    os._exit(0)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(CALLED_OFF)


if __name__ == "__main__":
    main()
