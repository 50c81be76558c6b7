"""What a chat panel tells its page, told by what happens in the service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.widgets.fakes import FakeClient, turn
from wiz_kernel_ext.errors import BadRequest, ServiceNotRunning, SessionNotFound, WorkerDied
from wiz_kernel_ext.notebook.widgets.conversation import Conversation
from wiz_kernel_ext.notebook.widgets.pagination import PAGE_CHARS, PAGE_SIZE, page_before
from wiz_kernel_ext.protocol.events import Delta, Progress, StateChanged
from wiz_kernel_ext.protocol.results import SessionMessage


class Page:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.client = FakeClient()
        self.client.keep("own")
        self.told: list[dict[str, Any]] = []
        client: Any = self.client
        self.talk = Conversation(
            lambda: client, client, lambda new: client.open_session("own"), self.told.append
        )

    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.told]

    def last(self, kind: str) -> dict[str, Any]:
        return next(message for message in reversed(self.told) if message["kind"] == kind)

    def wait(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not happened():
            assert time.monotonic() < deadline, self.told
            time.sleep(0.005)


@pytest.fixture
def page() -> Page:
    page = Page()
    page.talk.begin()
    return page


def test_it_begins_with_the_notebooks_own_session_and_what_was_said() -> None:
    page = Page()
    page.client.keep("own", *turn("hello", "hi"))
    page.talk.begin()
    state = page.last("state")
    assert [message["text"] for message in state["messages"]] == ["hello", "hi"]
    assert (state["head"]["session"], state["answering"]) == ("own", None)


def test_a_question_is_sent_with_the_options_and_its_answer_comes_in_numbered_pieces(
    page: Page,
) -> None:
    page.talk.set_options({"temperature": 0.5, "seed": None})
    page.talk.send("hello")
    (prompt,) = page.client.prompts
    assert (prompt.prompt, prompt.session, prompt.autoload) == ("hello", "own", True)
    assert prompt.options.given() == {"temperature": 0.5}
    assert page.last("asked")["answering"]["prompt"] == "hello"
    operation = page.client.attached["op1"]
    operation.feed.put([StateChanged(state="running"), Progress(stage="prompt", done=5, total=10)])
    operation.feed.put([Delta(text="h"), Delta(text="i")])
    operation.feed.put([Delta(text="!")])
    page.client.keep("own", *turn("hello", "hi!", "op1"))
    page.client.end("op1")
    page.wait(lambda: "messages" in page.kinds())
    pieces = [message for message in page.told if message["kind"] == "piece"]
    assert [(piece["n"], piece["text"]) for piece in pieces] == [(0, ""), (1, "hi"), (2, "!")]
    assert (pieces[0]["small"], pieces[0]["fraction"]) == ("reading the prompt 50%", 0.5)
    assert pieces[-1]["fraction"] is None
    assert page.last("ended")["small"] == "10 tokens · 20 tokens/s"
    assert [m["text"] for m in page.last("messages")["messages"]] == ["hello", "hi!"]
    assert page.talk.answering is None


def test_what_others_say_is_followed_and_then_added(page: Page) -> None:
    operation = page.client.begin("theirs", "own")
    page.talk.refresh()
    assert page.last("asked")["answering"]["prompt"] == "prompt theirs"
    operation.feed.put([Delta(text="yes")])
    page.wait(lambda: "piece" in page.kinds())
    assert page.talk.answering is not None
    assert page.talk.answering.snapshot()["text"] == "yes"
    page.client.keep("own", *turn("prompt theirs", "yes", "theirs"))
    page.client.end("theirs")
    page.wait(lambda: "messages" in page.kinds())
    assert page.last("messages")["first"] == 0


def test_prompts_that_wait_are_followed_in_their_turn(page: Page) -> None:
    page.client.begin("one", "own")
    page.client.begin("two", "own")
    page.talk.refresh()
    assert page.last("head")["head"]["queued"] == ["prompt two"]
    assert page.talk.answering is not None
    assert page.talk.answering.id == "one"
    page.client.end("one")
    page.wait(lambda: page.talk.answering is not None and page.talk.answering.id == "two")
    page.client.end("two")


def test_stop_cancels_what_is_being_answered(page: Page) -> None:
    page.talk.stop()
    assert page.client.cancelled == []
    page.talk.send("hello")
    page.talk.stop()
    assert page.client.cancelled == ["op1"]
    page.client.end("op1")


def test_a_failed_answer_gives_the_question_back_with_what_to_do(page: Page) -> None:
    page.talk.send("hello")
    page.client.attached["op1"].outcome = WorkerDied("It died.", hint="Again.")
    page.client.end("op1")
    page.wait(lambda: "ended" in page.kinds())
    ended = page.last("ended")
    assert ended["prompt"] == "hello"
    assert ended["problem"] == {"error": "WorkerDied", "message": "It died.", "hint": "Again."}


def test_a_question_that_failed_before_anyone_looked_is_told_all_the_same(page: Page) -> None:
    request = page.client.request

    def fail_at_once(asked: Any) -> str:
        id = request(asked)
        page.client.attached[id].outcome = WorkerDied("It died.")
        page.client.end(id)
        return id

    page.client.request = fail_at_once  # type: ignore[assignment, method-assign]
    page.talk.send("hello")
    page.wait(lambda: "ended" in page.kinds())
    assert page.last("ended")["problem"]["error"] == "WorkerDied"


def test_regenerating_asks_the_last_question_again_in_place_of_its_answer(page: Page) -> None:
    page.client.keep("own", *turn("a", "b"), *turn("c", "d"))
    page.talk.refresh()
    page.talk.regenerate()
    assert page.client.prompts[-1].prompt == "c"
    assert [message.content for message in page.talk.messages] == ["a", "b"]
    with pytest.raises(BadRequest, match="being written"):
        page.talk.regenerate()
    page.client.end("op1")


def test_there_is_nothing_to_regenerate_in_an_empty_session_and_nothing_to_send_in_no_text(
    page: Page,
) -> None:
    with pytest.raises(BadRequest, match="Nothing was asked"):
        page.talk.regenerate()
    with pytest.raises(BadRequest, match="empty"):
        page.talk.send(" \n")
    with pytest.raises(BadRequest, match="temperatur"):
        page.talk.set_options({"temperature": -1})


def test_another_session_is_shown_with_its_own_messages(page: Page) -> None:
    page.client.keep("other", *turn("x", "y"))
    page.talk.open("other")
    assert page.last("state")["head"]["session"] == "other"
    assert [message["text"] for message in page.last("state")["messages"]] == ["x", "y"]
    with pytest.raises(SessionNotFound):
        page.talk.open("nobody")


def test_a_session_that_was_removed_is_told_and_what_changed_in_the_middle_is_drawn_anew(
    page: Page,
) -> None:
    page.client.keep("own", *turn("a", "b"))
    page.talk.refresh()
    page.client.say("own", turn("c", "d"))
    page.told.clear()
    page.talk.refresh()
    assert [message["text"] for message in page.last("state")["messages"]] == ["c", "d"]
    del page.client.kept["own"]
    page.talk.refresh()
    assert page.last("lost")["error"] == "SessionNotFound"


def test_a_service_that_is_gone_is_the_callers_to_tell(page: Page) -> None:
    page.client.up = False
    with pytest.raises(ServiceNotRunning):
        page.talk.refresh()
    page.talk.gone()
    assert page.kinds()[-1] == "gone"
    page.client.up = True
    page.talk.refresh()
    assert page.last("head")["head"]["session"] == "own"


def test_a_long_conversation_comes_in_pages_from_its_end() -> None:
    page = Page()
    page.client.keep("own", *[SessionMessage(role="user", content=str(n)) for n in range(250)])
    page.talk.begin()
    state = page.last("state")
    first = state["first"]
    assert len(state["messages"]) == PAGE_SIZE == 250 - first
    texts = [message["text"] for message in state["messages"]]
    while first > 0:
        earlier = page.talk.earlier(first, "view")
        first = earlier["first"]
        texts = [message["text"] for message in earlier["messages"]] + texts
    assert texts == [str(n) for n in range(250)]


def test_a_page_of_long_messages_is_a_short_one() -> None:
    long = [SessionMessage(role="user", content="x" * PAGE_CHARS)] * 5
    assert page_before(long, 5, 40) == 4
    assert page_before([], 0, 40) == 0
