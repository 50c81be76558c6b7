"""A call: where its events go, and what happens when its asker gives up."""

from __future__ import annotations

import threading

from wiz_kernel_ext.protocol.events import AnyEvent, Delta
from wiz_kernel_ext.worker.call import Call


def test_events_reach_the_asker_in_order_and_nobody_needs_to_listen() -> None:
    heard: list[AnyEvent] = []
    call = Call(heard.append)
    for text in "ab":
        call.emit(Delta(text=text, n_tokens=1))
    assert heard == [Delta(text="a", n_tokens=1), Delta(text="b", n_tokens=1)]
    Call().emit(Delta(text="a", n_tokens=1))


def test_a_cancel_calls_every_callback_once_however_often_it_comes() -> None:
    call, called = Call(), list[str]()
    call.on_cancel(lambda: called.append("a"))
    call.on_cancel(lambda: called.append("b"))
    assert called == []
    call.cancel()
    call.cancel()
    assert call.cancelled
    assert called == ["a", "b"]


def test_a_callback_that_comes_after_the_cancel_is_called_at_once() -> None:
    call, called = Call(), list[str]()
    call.cancel()
    call.on_cancel(lambda: called.append("late"))
    assert called == ["late"]


def test_a_callback_may_ask_for_another_or_cancel_again() -> None:
    call, called = Call(), list[str]()

    def again() -> None:
        call.cancel()
        call.on_cancel(lambda: called.append("inner"))

    call.on_cancel(again)
    call.cancel()
    assert called == ["inner"]


def test_an_asker_whose_event_loop_is_closed_gives_the_request_up() -> None:
    def gone(event: AnyEvent) -> None:
        raise RuntimeError("Event loop is closed")

    call, called = Call(gone), list[str]()
    call.on_cancel(lambda: called.append("ended"))
    call.emit(Delta(text="a", n_tokens=1))
    assert call.cancelled
    assert called == ["ended"]


def test_of_many_threads_that_cancel_and_ask_no_callback_is_lost_or_called_twice() -> None:
    for _ in range(50):
        _race()


def _race() -> None:
    call, called, start = Call(), list[int](), threading.Barrier(5)

    def ask(n: int) -> None:
        start.wait()
        call.on_cancel(lambda: called.append(n))

    def cancel() -> None:
        start.wait()
        call.cancel()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    threads += [threading.Thread(target=cancel) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(called) == [0, 1, 2]
