"""Entry of the child: one task on standard input, lines on standard output, then the end.

The end of its standard input calls it off, which is also what the death of its parent looks like.
What it received so far stays, for the next one to go on with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from wiz_kernel_ext.children.in_child import Speaker, end_with_parent
from wiz_kernel_ext.children.lines import Line
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.fetch import tasks as m


def run_task(task: m.AnyTask, say: Callable[[Line], None]) -> Any:
    """The result of `task`; raises WizError."""
    # Each imports huggingface_hub, and fails in its own words where that is broken.
    match task:
        case m.Download():
            from wiz_kernel_ext.hub.fetch.download import download

            return download(task, say)
        case m.DeleteFiles():
            from wiz_kernel_ext.hub.fetch.deleting import delete_files

            return delete_files(task)
        case m.DiscardParts():
            from wiz_kernel_ext.hub.fetch.deleting import discard_parts

            return discard_parts(task, say)
    from wiz_kernel_ext.hub.fetch import queries as looking

    match task:
        case m.Search():
            return looking.search(task, say)
        case m.ListRepo():
            return looking.list_repo(task, say)
        case m.AskUpstream():
            return looking.ask_upstream(task, say)
        case m.Reach():
            return looking.reach(task, say)
        case m.ReadCollection():
            return looking.read_collection(task, say)


def error_of(task: m.AnyTask, error: Exception) -> WizError:
    """`error`, whatever it is, as one of ours."""
    from wiz_kernel_ext.hub.fetch.failures import Subject, explain

    return explain(error, Subject(getattr(task, "repo", ""), getattr(task, "file", "")))


def main() -> None:
    """Do what the task on standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=m.Order)
    # Before huggingface_hub is imported, which reads it once. Nobody sees it from outside.
    os.environ.update(order.environment)
    task = order.task
    speaker = Speaker()
    end_with_parent()
    try:
        speaker.result(run_task(task, speaker.say))
    except WizError as error:
        speaker.error(error)
    except Exception as error:
        speaker.error(error_of(task, error))
    # Transfers that another's failure left behind are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
