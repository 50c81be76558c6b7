"""Following an operation to its end: in the cell, where an interrupt cancels it, or behind it.

Knows the client's `Operation` and a view. The magics call it; only here is an interrupt handled.
More interrupts change nothing: see `interrupts.held`, in which every magic runs.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.errors import OperationEnded, WizError
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.notebook.magic_parser import interrupted
from wiz_kernel_ext.notebook.views.answer import AnswerView
from wiz_kernel_ext.notebook.views.job import WorkView
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.results import AnswerInfo

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation

CANCEL_WAIT_S = 0.25


def follow(
    operation: Operation,
    view: AnswerView,
    keep: Callable[[Answer], None],
    leaving: Callable[[], bool],
) -> Answer:
    """Draw `operation` until it ends, and keep its answer; raises what it failed with.

    A KeyboardInterrupt cancels it, keeps and draws what there is, and goes on as one; if the kernel
    is `leaving`, the answer is written on in the service.
    """
    view.begin()
    try:
        with taken():
            answer: Answer = _drawn(operation, view)
    except KeyboardInterrupt:
        if leaving():
            raise interrupted(f"The answer is written on: %wiz_attach {operation.id}.") from None
        answer = cancelled(operation)
        view.end(answer)
        keep(answer)
        kept = "What there is of the answer is kept in `_`."
        raise interrupted(kept if answer else "It had not begun to answer.") from None
    except OperationEnded as error:
        partial = _partial(operation, error)
        if partial:
            view.end(partial)
            keep(partial)
        else:
            view.fail(error)
        raise
    except WizError as error:
        view.fail(error)
        raise
    view.end(answer)
    keep(answer)
    return answer


def follow_behind(operation: Operation, view: AnswerView) -> None:
    """Draw `operation` in the output of this cell while others run.

    The copied context pins the output to this cell: a front end files it by its parent's id.
    """

    def draw() -> None:
        try:
            view.end(_drawn(operation, view))
        except WizError as error:
            view.fail(error, alone=True)

    view.begin()
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(draw,), name="wiz-background", daemon=True
    )
    thread.start()


def follow_work(operation: Operation, view: WorkView, leaving: Callable[[], bool]) -> Any:
    """Draw work that ends in no answer until it does; its result, or what it failed with.

    A KeyboardInterrupt cancels it and goes on as one; if the kernel is `leaving`, the work goes on.
    """
    view.begin()
    try:
        outcome = drawn(operation, view, leaving)
    except KeyboardInterrupt:
        view.say("cancelled")
        raise interrupted("Run the cell again: what is downloaded is not fetched twice.") from None
    except WizError:
        view.say("not done")
        raise
    view.end(outcome)
    return outcome


def drawn(operation: Operation, view: Any, leaving: Callable[[], bool]) -> Any:
    """Give `view` what comes of `operation` until its end; its result, or what it failed with.

    A KeyboardInterrupt cancels it, unless the kernel is `leaving`, and goes on.
    """
    try:
        with taken():
            return _drawn(operation, view)
    except KeyboardInterrupt:
        if not leaving():
            with suppress(WizError, TimeoutError):
                operation.cancel(CANCEL_WAIT_S)
                operation.result(timeout_s=CANCEL_WAIT_S)
        raise


def cancelled(operation: Operation) -> Answer:
    """Cancel `operation` and return what there is of its answer, after a short wait for its end."""
    try:
        operation.cancel(CANCEL_WAIT_S)
        answer = operation.result(timeout_s=CANCEL_WAIT_S)
    except (WizError, TimeoutError):
        answer = None
    if isinstance(answer, Answer):
        return answer
    return Answer(
        AnswerInfo(text=operation.text, finish_reason="cancelled", operation_id=operation.id)
    )


def _drawn(operation: Operation, view: Any) -> Any:
    for events in operation.batches(INTERVAL_S):
        view.take(events)
    return operation.result()


def _partial(operation: Operation, error: OperationEnded) -> Answer | None:
    text = error.details.get("text") or operation.text
    if not text:
        return None
    return Answer(AnswerInfo(text=text, finish_reason="interrupted", operation_id=operation.id))
