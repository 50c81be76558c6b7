"""What is drawn for which events: in a notebook, in a terminal, and how often."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.fake_client import answer
from tests.support.fake_screen import FakeScreen
from wiz_kernel_ext.errors import WorkerDied
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.answer import PlainAnswer, RichAnswer, marked, took
from wiz_kernel_ext.notebook.views.load import LoadView, about_session
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S, MAX_BYTES_PER_S, Pace
from wiz_kernel_ext.notebook.views.tables import tables_drawing
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import WAITING, Delta, Notice, Progress, Thinking
from wiz_kernel_ext.protocol.results import (
    AnswerInfo,
    ContextInfo,
    Loaded,
    LoadTimings,
    ModelInfo,
    SessionInfo,
)


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def rich(screen: FakeScreen, clock: Clock | None = None) -> RichAnswer:
    """An answer that has begun."""
    view = RichAnswer(screen, "session notes", "op1", clock or Clock())
    view.begin()
    return view


def test_the_first_text_is_drawn_at_once_and_more_of_it_at_most_every_interval() -> None:
    screen, clock = FakeScreen(), Clock()
    view = rich(screen, clock)
    for _ in range(10):
        view.take([Delta(text="a ")])
        clock.now += INTERVAL_S / 5
    texts = [drawing.plain for drawing in screen.slots[0].drawings]
    assert texts[:2] == ["", "a "]
    assert len(texts) <= 5


def test_text_is_drawn_as_markdown_and_plain_and_never_as_html() -> None:
    screen = FakeScreen()
    view = rich(screen)
    view.take([Delta(text="<script>alert(1)</script>")])
    view.end(answer("<script>alert(1)</script> **b**"))
    for drawing in screen.slots[0].drawings:
        assert drawing.html is None
        assert drawing.markdown == drawing.plain.replace("<", "&lt;")
    assert screen.slots[0].last.plain == "<script>alert(1)</script> **b**"


def test_the_end_carries_the_truth() -> None:
    screen = FakeScreen()
    view = rich(screen)
    view.take([Delta(text="only a prev")])
    view.end(answer("the whole answer"))
    assert screen.slots[0].last.plain == "the whole answer"


def test_the_small_print_tells_the_stage_then_the_session_and_the_speed() -> None:
    screen = FakeScreen()
    view = rich(screen)
    view.take([Progress(stage="load", done=0.5, total=1.0)])
    assert screen.slots[1].last.plain == (
        "loading the model 50% · session notes · if this stands still: %wiz_attach op1"
    )
    view.take([Progress(stage="prompt", done=64, total=256)])
    assert screen.slots[1].last.plain.startswith("reading the prompt 25%")
    view.take([Notice(text="no disk"), Delta(text="a b")])
    view.end(answer("a b"))
    assert screen.slots[1].last.plain == "2 tokens · 10 tokens/s · session notes · no disk"


def test_the_small_print_tells_the_speed_while_the_answer_comes_and_a_latecomers_own() -> None:
    screen, clock = FakeScreen(), Clock()
    view = rich(screen, clock)
    view.take(
        [Progress(stage="prompt", done=64, total=256), Delta(text="long before", n_tokens=900)]
    )
    assert screen.slots[1].last.plain.startswith("900 tokens · session notes · ")
    for _ in range(20):
        clock.now += 0.1
        view.take([Delta(text="a ", n_tokens=2)])
    assert " tokens · 20 tokens/s · session notes · " in screen.slots[1].last.plain
    assert len(screen.slots[1].drawings) <= 7, "no more often than one reads"


def test_the_small_print_escapes_what_others_named() -> None:
    drawing = Drawing.small("session <img src=x>")
    assert drawing.html is not None
    assert "<img" not in drawing.html


def test_a_failed_answer_keeps_its_text() -> None:
    screen = FakeScreen()
    view = rich(screen)
    view.take([Delta(text="half an ans")])
    view.fail(WorkerDied("gone"))
    assert screen.slots[0].last.plain == "half an ans"
    assert screen.slots[1].last.plain == "WorkerDied · session notes"


@pytest.mark.parametrize(
    ("text", "reason", "drawn"),
    [
        ("done", "stop", "done"),
        ("cut", "length", "cut"),
        ("par", "cancelled", "par\n\n*(interrupted)*"),
        ("```py\nx", "cancelled", "```py\nx\n```\n\n*(interrupted)*"),
        ("```py\nx\n```", "interrupted", "```py\nx\n```\n\n*(interrupted)*"),
        ("", "cancelled", "*(interrupted)*"),
    ],
)
def test_an_interrupted_answer_is_marked_outside_its_code(
    text: str, reason: str, drawn: str
) -> None:
    assert marked(answer(text, reason)) == drawn


def test_json_is_drawn_as_code_and_what_was_cut_says_that_it_is_not_whole() -> None:
    info = AnswerInfo(text='{"a": 1}', shape="json", finish_reason="stop")
    assert marked(Answer(info)) == '```json\n{"a": 1}\n```'
    cut = Answer(AnswerInfo(text='{"a', shape="json", finish_reason="length", incomplete=True))
    assert took(cut).endswith("cut off at the limit · not whole: it has no value")


def test_what_is_kept_of_a_lost_answer_counts_nothing() -> None:
    lost = Answer(AnswerInfo(text="half", finish_reason="interrupted"))
    assert took(lost) == "cut off"
    assert took(answer("one two", "cancelled")) == "2 tokens · 10 tokens/s · interrupted"
    assert took(answer("")) == "0 tokens"


def test_a_terminal_gets_each_piece_once_and_the_rest_at_the_end() -> None:
    screen = FakeScreen(rich=False)
    view = PlainAnswer(screen, "session notes")
    view.begin()
    view.take([Delta(text="one "), Delta(text="two")])
    view.end(answer("one two three"))
    assert screen.written == "one two three\n[3 tokens · 10 tokens/s · session notes]\n"


def test_a_terminal_gets_the_truth_where_the_preview_was_wrong() -> None:
    screen = FakeScreen(rich=False)
    view = PlainAnswer(screen, "session notes")
    view.take([Notice(text="slow disk"), Delta(text="wrong")])
    view.end(answer("right"))
    assert screen.written.startswith("[slow disk]\nwrong\nright\n[1 token")


def test_a_long_text_is_drawn_so_rarely_that_the_server_lets_all_of_it_pass() -> None:
    clock = Clock()
    pace = Pace(clock)
    size_bytes, sent = 200_000, 0
    for _ in range(1000):
        clock.now += 0.01
        sent += size_bytes if pace.due(size_bytes) else 0
    assert sent <= 10 * MAX_BYTES_PER_S + size_bytes


def test_loading_is_a_bar_and_then_two_lines() -> None:
    screen = FakeScreen()
    view = LoadView(screen, "<demo>", Clock())
    view.begin()
    view.take([Progress(stage="load", done=0.25, total=1.0)])
    slot = screen.slots[0]
    assert slot.last.html == 'Loading &lt;demo&gt; <progress value="0.250"></progress>'
    model = ModelInfo(model_path="/m/demo.gguf", size_bytes=5 << 20, worker_pid=9)
    context = ContextInfo(
        model_path="/m/demo.gguf", context_size=2048, sequences=4, threads=2, batch_size=512,
        pool_size=8192,
    )  # fmt: skip
    timings = LoadTimings(loaded_s=0.25, total_s=0.25)
    view.end(Loaded(model=model, context=context, timings=timings), "session notes (new)")
    assert slot.last.plain == (
        "demo.gguf (5.0 MB) loaded in 0.2 s · context 2048 · sequences 4 · threads 2 · worker 9\n"
        "session notes (new)"
    )
    assert len(screen.slots) == 1


def test_a_session_is_introduced_once() -> None:
    session = SessionInfo(id="1", name="notes", n_messages=4)
    assert about_session(session, known=False) == "session notes (continued, 4 messages)"
    assert about_session(session, known=True) == "session notes"
    styled = msgspec.structs.replace(session, adapters=["/a/style.gguf=0.5", "/b.gguf"])
    assert about_session(styled, known=True) == "session notes + style.gguf=0.5 + b.gguf"


def test_tables_are_escaped() -> None:
    from wiz_kernel_ext.commands.service_tables import Table

    table = Table("Things", ("a", "b"), [("<i>", "2")], "none")
    drawing = tables_drawing("", [table, Table("More", ("x",), [], "none here")])
    assert drawing.html is not None
    assert "<td>&lt;i&gt;</td>" in drawing.html
    assert "none here" in drawing.html
    assert drawing.plain.splitlines() == ["Things", "  a    b", "  <i>  2", "none here"]


def test_a_terminal_is_told_of_one_matter_once() -> None:
    screen = FakeScreen(rich=False)
    view = PlainAnswer(screen, "session s")
    view.begin()
    for what in ("This answer", "The session", "This turn"):
        view.take([Notice(text=f"{what} cannot be kept: the disk is full")])
    assert "".join(screen.written).count("the disk is full") == 1


WAITS = [
    Progress(
        stage=WAITING, done=0, text=f"waiting for op-1 ({n} tokens): `wiz cancel op-1` ends it"
    )
    for n in (1, 2)
]


def test_what_an_answer_waits_for_stands_in_its_footer_until_it_begins() -> None:
    screen = FakeScreen()
    view = rich(screen)
    for wait in WAITS:
        view.take([wait])
        assert wait.words in screen.slots[1].drawings[-1].plain
    view.take([Delta(text="Hello")])
    assert "waiting" not in screen.slots[1].drawings[-1].plain


def test_a_terminal_is_told_once_what_an_answer_waits_for() -> None:
    screen = FakeScreen()
    view = PlainAnswer(screen, "session notes")
    view.take(WAITS)
    view.take([Delta(text="Hello")])
    assert screen.written == f"[{WAITS[0].words}]\nHello"


def test_what_a_load_waits_for_is_drawn() -> None:
    screen = FakeScreen()
    view = LoadView(screen, "demo", Clock())
    view.begin()
    view.take(WAITS[:1])
    assert screen.slots[0].drawings[-1].plain == f"demo: {WAITS[0].words}"


def thinking_answer(text: str, thinking: str) -> Answer:
    return Answer(AnswerInfo(text=text, thinking=thinking))


def test_what_is_thought_stands_folded_above_the_answer_and_open_while_it_comes() -> None:
    screen, clock = FakeScreen(), Clock()
    view = rich(screen, clock)
    view.take([Thinking(text="Let me <b>see</b>. ")])
    thoughts, body, foot = screen.slots
    assert thoughts.last.html is not None and "<details open" in thoughts.last.html
    assert "Let me &lt;b&gt;see&lt;/b&gt;." in thoughts.last.html
    assert thoughts.last.markdown is None
    clock.now += INTERVAL_S
    view.take([Thinking(text="So."), Delta(text="It is *four*.")])
    assert thoughts.last.html is not None and "<details style" in thoughts.last.html
    assert body.last.markdown == "It is *four*."
    view.end(thinking_answer("It is *four*.", "Let me <b>see</b>. So."))
    assert thoughts.last.plain == "[thinking]\nLet me <b>see</b>. So."
    assert (body.last.plain, body.last.html) == ("It is *four*.", None)
    assert foot.last.plain.endswith("session notes")


def test_an_answer_without_thinking_has_two_places_and_one_with_it_three() -> None:
    screen = FakeScreen()
    rich(screen).end(answer("four"))
    assert len(screen.slots) == 2
    rich(screen).end(thinking_answer("four", "See."))
    assert [slot.last.plain for slot in screen.slots[2:4]] == ["[thinking]\nSee.", "four"]


def test_a_lost_answer_keeps_what_was_thought_folded() -> None:
    screen = FakeScreen()
    view = rich(screen)
    view.take([Thinking(text="See.")])
    view.fail(WorkerDied("gone"))
    assert screen.slots[0].last.html is not None
    assert "<details style" in screen.slots[0].last.html


def test_a_terminal_is_told_where_the_thinking_ends() -> None:
    screen = FakeScreen(rich=False)
    view = PlainAnswer(screen, "session notes")
    view.take([Thinking(text="See. "), Thinking(text="So."), Delta(text="Four")])
    view.end(thinking_answer("Four.", "See. So."))
    assert screen.written.startswith("[thinking]\nSee. So.\n[answer]\nFour.\n[")
