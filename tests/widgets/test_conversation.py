"""What a chat panel tells its page, told by what happens in the service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.support.fake_client import FakeClient, turn
from wiz_kernel_ext.errors import BadRequest, ServiceNotRunning, SessionNotFound, WorkerDied
from wiz_kernel_ext.notebook.widgets.conversation import ChatState, Conversation
from wiz_kernel_ext.notebook.widgets.pagination import PAGE_CHARS, PAGE_SIZE, latest
from wiz_kernel_ext.notebook.widgets.shared_state import SharedState
from wiz_kernel_ext.protocol.events import Delta, Progress, StateChanged, Thinking
from wiz_kernel_ext.protocol.hub import LibraryModel
from wiz_kernel_ext.protocol.results import SessionMessage


class Page:
    """A page: the state it shows, and all it was told."""

    def __init__(self, client: FakeClient | None = None) -> None:
        self.client = client or FakeClient()
        if client is None:
            self.client.keep("own")
        self.told: list[dict[str, Any]] = []
        self.shared = SharedState(ChatState(), self.told.append)
        asked: Any = self.client
        self.talk = Conversation(
            lambda: asked, asked, lambda new: asked.open_session("own"), self.shared.change
        )

    @property
    def state(self) -> ChatState:
        return self.shared.now

    def texts(self) -> list[str]:
        return [message["text"] for message in self.state.messages]

    def seen(self, part: str) -> list[Any]:
        """What the page was told of a part, in order: of a text, what came new."""
        both = [{**told.get("state", {}), **told.get("grown", {})} for told in self.told]
        return [parts[part] for parts in both if part in parts]

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
    assert page.texts() == ["hello", "hi"]
    assert page.state.session == {"id": "own", "name": "own", "system": ""}
    assert page.state.answer is None


def test_a_question_is_sent_with_the_options_and_its_answer_comes_as_it_grows(
    page: Page,
) -> None:
    page.talk.set_options({"temperature": 0.5, "seed": None})
    page.talk.send("hello")
    (prompt,) = page.client.sent
    assert (prompt.prompt, prompt.session, prompt.autoload) == ("hello", "own", True)
    assert prompt.options.given() == {"temperature": 0.5}
    assert page.state.answer is not None
    assert page.state.answer["prompt"] == "hello"
    operation = page.client.attached["op1"]
    operation.feed.put([StateChanged(state="running"), Progress(stage="prompt", done=5, total=10)])
    operation.feed.put([Delta(text="h"), Delta(text="i")])
    operation.feed.put([Delta(text="!")])
    page.wait(lambda: page.state.answer_text == "hi!")
    assert page.seen("answer_text") == ["hi", "!"]
    answers = page.seen("answer")
    assert ("reading the prompt 50%", 0.5) in [(one["small"], one["fraction"]) for one in answers]
    assert answers[-1]["fraction"] is None
    page.client.keep("own", *turn("hello", "hi!", "op1"))
    page.client.end("op1")
    page.wait(lambda: page.texts() == ["hello", "hi!"] and page.talk.answering is None)
    assert page.state.messages[-1]["small"] == "10 tokens · 20 tokens/s"
    assert not page.state.answer
    assert not page.state.answer_text


def test_what_is_thought_is_shown_apart_from_the_answer(page: Page) -> None:
    page.talk.send("hello")
    operation = page.client.attached["op1"]
    operation.feed.put([Thinking(text="See."), Delta(text="Four")])
    page.wait(lambda: page.state.answer_text == "Four")
    assert page.state.answer_thinking == "See."
    asked, said = turn("hello", "Four", "op1")
    page.client.keep("own", asked, msgspec.structs.replace(said, thinking="See."))
    page.client.end("op1")
    page.wait(lambda: page.texts() == ["hello", "Four"] and page.talk.answering is None)
    assert [message["thinking"] for message in page.state.messages] == ["", "See."]
    assert page.state.answer_thinking == ""


def test_what_others_say_is_followed_and_then_added(page: Page) -> None:
    operation = page.client.begin("theirs", "own")
    page.talk.refresh()
    assert page.state.answer is not None
    assert page.state.answer["prompt"] == "prompt theirs"
    operation.feed.put([Delta(text="yes")])
    page.wait(lambda: page.state.answer_text == "yes")
    page.client.keep("own", *turn("prompt theirs", "yes", "theirs"))
    page.client.end("theirs")
    page.wait(lambda: page.texts() == ["prompt theirs", "yes"])
    assert page.state.first == 0


def test_prompts_that_wait_are_followed_in_their_turn(page: Page) -> None:
    page.client.begin("one", "own")
    page.client.begin("two", "own")
    page.talk.refresh()
    assert page.state.n_waiting == 1
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
    page.wait(lambda: page.state.failed is not None)
    failed = page.state.failed
    assert failed is not None
    assert (failed["prompt"], failed["small"]) == ("hello", "not answered")
    assert failed["problem"]["message"] == "It died."
    assert (failed["problem"]["error"], failed["problem"]["hint"]) == ("WorkerDied", "Again.")
    assert page.state.answer is None
    page.talk.send("hello again")
    assert page.state.failed is None
    page.client.end("op2")


def test_a_question_that_failed_before_anyone_looked_is_told_all_the_same(page: Page) -> None:
    request = page.client.request

    def fail_at_once(asked: Any) -> str:
        id: str = request(asked)
        page.client.attached[id].outcome = WorkerDied("It died.")
        page.client.end(id)
        return id

    page.client.request = fail_at_once  # type: ignore[assignment, method-assign]
    page.talk.send("hello")
    page.wait(lambda: page.state.failed is not None)
    assert page.state.failed is not None
    assert page.state.failed["problem"]["error"] == "WorkerDied"


def test_regenerating_asks_the_last_question_again_in_place_of_its_answer(page: Page) -> None:
    page.client.keep("own", *turn("a", "b"), *turn("c", "d"))
    page.talk.refresh()
    page.talk.regenerate()
    assert page.client.sent[-1].prompt == "c"
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
    assert page.state.session is not None
    assert page.state.session["name"] == "other"
    assert page.texts() == ["x", "y"]
    with pytest.raises(SessionNotFound):
        page.talk.open("nobody")


def test_a_session_that_was_removed_is_told_and_what_changed_in_the_middle_is_drawn_anew(
    page: Page,
) -> None:
    page.client.keep("own", *turn("a", "b"))
    page.talk.refresh()
    page.client.say("own", turn("c", "d"))
    page.talk.refresh()
    assert page.texts() == ["c", "d"]
    session = page.client.kept.pop("own")
    page.talk.refresh()
    assert "no session" in page.state.lost
    page.client.kept["own"] = session
    page.talk.refresh()
    assert page.state.lost == ""


def test_a_service_that_is_gone_is_the_callers_to_tell(page: Page) -> None:
    page.client.is_running = False
    with pytest.raises(ServiceNotRunning):
        page.talk.refresh()
    page.talk.gone()
    assert page.state.gone
    page.client.is_running = True
    page.talk.refresh()
    assert not page.state.gone


def test_a_long_conversation_comes_in_pages_from_its_end() -> None:
    page = Page()
    page.client.keep("own", *[SessionMessage(role="user", content=str(n)) for n in range(250)])
    page.talk.begin()
    first, texts = page.state.first, page.texts()
    assert PAGE_SIZE <= len(texts) <= 2 * PAGE_SIZE
    assert first + len(texts) == 250
    while first > 0:
        earlier = page.talk.earlier(first)
        assert len(earlier["messages"]) <= 2 * PAGE_SIZE
        first = earlier["first"]
        texts = [message["text"] for message in earlier["messages"]] + texts
    assert texts == [str(n) for n in range(250)]


def test_a_page_of_long_messages_is_a_short_one() -> None:
    long = [SessionMessage(role="user", content="x" * PAGE_CHARS)] * 5
    assert latest(long) == 3
    assert latest([]) == 0


def test_a_conversation_that_goes_on_adds_to_what_a_page_has() -> None:
    page = Page()
    page.talk.begin()
    for n in range(2 * PAGE_SIZE):
        page.client.keep("own", SessionMessage(role="user", content=f"message {n}"))
        page.talk.refresh()
        if n:
            assert [m["text"] for m in page.told[-2]["grown"]["messages"]] == [f"message {n}"]
    assert page.state.first == 0
    page.client.keep("own", SessionMessage(role="user", content="one more"))
    page.talk.refresh()
    assert page.state.first == PAGE_SIZE


def test_a_panel_of_a_restarted_kernel_shows_what_the_old_one_did(page: Page) -> None:
    page.client.keep("own", *turn("a", "b"))
    page.talk.send("hello")
    page.client.attached["op1"].feed.put([Delta(text="hi!")])
    page.client.keep("own", *turn("hello", "hi!", "op1"))
    page.client.end("op1")
    page.wait(lambda: page.talk.answering is None)
    page.talk.send("and now?")
    page.client.attached["op2"].outcome = WorkerDied("It died.", hint="Again.")
    page.client.end("op2", "failed")
    page.wait(lambda: page.state.failed is not None)
    page.talk.refresh()
    again = Page(page.client)
    again.talk.begin()
    again.wait(lambda: again.state == page.state)
    assert again.state.failed is not None
    assert again.state.messages[-1]["small"] == "10 tokens · 20 tokens/s"


def test_one_model_has_one_name_loaded_or_not(page: Page) -> None:
    page.client.library = [LibraryModel(name="u/r:Q8_0", path="/m/demo.gguf", origin="hub")]
    again = Page(page.client)
    page.client.say("own", [], model_path="/m/demo.gguf")
    again.talk.begin()
    assert again.state.models == [{"path": "/m/demo.gguf", "name": "u/r:Q8_0"}]
    assert again.state.remembered == "u/r:Q8_0"
