"""The service is told to end while prompts run, wait and hang: each hears so, and no turn is lost.

An idle one that withdraws, a logout and an upgrade all send this signal.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_survival import LONG, LONG_OPTIONS, wait_text
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import OperationInterrupted

ENDS_WITHIN_S = 20.0


@pytest.fixture
def session(client: Client, slow_model: Path) -> str:
    """A conversation with the slow model."""
    loaded = client.load(str(slow_model), session="talk")
    assert loaded.session is not None
    return loaded.session.id


def test_who_waits_and_who_is_answered_is_told_that_the_service_stopped(
    home: Home, client: Client, session: str
) -> None:
    answered = client.send_prompt(LONG, session=session, **LONG_OPTIONS)
    waiting = client.send_prompt("And then?", session=session)
    text = wait_text(client, answered.id)
    assert waiting.state == "queued"
    home.services()[0].terminate()
    with pytest.raises(OperationInterrupted, match=r"service was stopped before its turn") as late:
        waiting.result(ENDS_WITHIN_S)
    with pytest.raises(OperationInterrupted, match=r"service was stopped") as partial:
        answered.result(ENDS_WITHIN_S)
    assert partial.value.details["text"].startswith(text)
    assert "again" in late.value.hint
    assert client.operation(waiting.id).state == "interrupted"
    assert client.operation(answered.id).state == "interrupted"
    question, answer = client.session(session).messages
    assert (question.content, answer.content) == (LONG, partial.value.details["text"])
    assert answer.finish_reason == "interrupted"


def test_a_load_is_told_so_too(home: Home, client: Client, session: str) -> None:
    (worker,) = home.workers()
    worker.send_signal(signal.SIGSTOP)
    answered = client.send_prompt("Hello", session=session)
    time.sleep(0.2)
    home.services()[0].terminate()
    with pytest.raises(OperationInterrupted, match=r"service was stopped"):
        answered.result(ENDS_WITHIN_S)


def test_a_stop_in_the_middle_of_a_slow_step_keeps_the_turn(
    home: Home, client: Client, session: str
) -> None:
    answered = client.send_prompt(LONG, session=session, **LONG_OPTIONS)
    wait_text(client, answered.id)
    (worker,), (service,) = home.workers(), home.services()
    worker.send_signal(signal.SIGSTOP)  # as long as any step can take
    time.sleep(0.3)
    text = client.operation(answered.id).text
    service.terminate()
    with pytest.raises(OperationInterrupted, match=r"service was stopped") as partial:
        answered.result(ENDS_WITHIN_S)
    assert partial.value.details["text"] == text
    psutil.wait_procs([service, worker], timeout=ENDS_WITHIN_S)
    question, answer = client.session(session).messages
    assert (question.content, answer.content) == (LONG, text)
