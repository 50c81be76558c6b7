"""Sessions: found under every name they had, with all they were told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wiz_kernel_ext.errors import Conflict, SessionNotFound
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store import Database, OperationStore, SessionStore
from wiz_kernel_ext.store.database import LISTED_LENGTH

ODD_NAMES = [
    "Prompt.ipynb",
    "notebooks/análise — versão 2.ipynb",
    "会話 🧙‍♂️",
    'it\'s "quoted"; DROP TABLE sessions; --',
    "two\nlines\tand a tab",
    "%_*?[]",
    " ",
    "nul\0inside",
    "x" * 200,
    "é",
    "e\u0301",
]


def said(*texts: str) -> list[SessionMessage]:
    return [SessionMessage(role="user", content=text) for text in texts]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_text_is_a_name(sessions: SessionStore, name: str) -> None:
    other = sessions.create("other")
    row = sessions.create(name, "be brief", name, "kernel")
    assert sessions.find(name) == sessions.find(row.id) == row
    assert sessions.find_by_notebook(name) == row
    sessions.rename(row.id, name + "!")
    found = sessions.find(name)
    assert found is not None and (found.id, found.name) == (row.id, name + "!")
    sessions.delete(row.id)
    assert (sessions.find(name), sessions.find("other")) == (None, other)


def test_names_that_look_alike_stay_apart(sessions: SessionStore) -> None:
    ids = {sessions.create(name).id for name in ("é", "e\u0301", "É", "E", "e", "e ")}
    assert len(ids) == 6


def test_what_is_unknown_is_none_or_a_typed_error(sessions: SessionStore) -> None:
    assert sessions.find("nobody") is None
    assert sessions.find_by_notebook("a.ipynb", "k") is None
    assert sessions.find_by_notebook() is None
    assert sessions.messages("nobody") == []
    calls: list[Callable[[], None]] = [
        lambda: sessions.rename("nobody", "x"),
        lambda: sessions.set_aside("nobody", "x"),
        lambda: sessions.set_notebook("nobody", None, None),
        lambda: sessions.set_system_prompt("nobody", "x"),
        lambda: sessions.set_notebook("nobody", "x", None),
        lambda: sessions.set_model("nobody", "x", {}, {}),
        lambda: sessions.add_messages("nobody", said("hi")),
        lambda: sessions.delete("nobody"),
    ]
    for call in calls:
        with pytest.raises(SessionNotFound, match="nobody"):
            call()


def test_a_name_in_use_is_a_conflict(sessions: SessionStore) -> None:
    a, b = sessions.create("a"), sessions.create("b")
    with pytest.raises(Conflict):
        sessions.create("a")
    with pytest.raises(Conflict):
        sessions.rename(b.id, "a")
    with pytest.raises(Conflict):
        sessions.set_aside(b.id, "a")
    sessions.rename(a.id, "a")
    assert [row.name for row in sessions.list()] == ["b", "a"]


def test_messages_keep_their_order_and_their_marks(sessions: SessionStore) -> None:
    row = sessions.create("chat")
    turns = [
        SessionMessage(role="user", content="2+2?", operation_id="op1"),
        SessionMessage(
            role="assistant", content="4 é", operation_id="op1", finish_reason="cancelled"
        ),
        SessionMessage(role="tool", content="nul\0 🧙"),
    ]
    for turn in turns:
        sessions.add_messages(row.id, [turn])
    sessions.add_messages(row.id, said(*(f"{n}" for n in range(20))))
    messages = sessions.messages(row.id)
    assert messages[:3] == turns
    assert [message.content for message in messages[3:]] == [f"{n}" for n in range(20)]
    found = sessions.find("chat")
    assert found is not None and found.n_messages == 23


def test_every_older_name_finds_a_session_and_a_name_in_use_wins(sessions: SessionStore) -> None:
    row = sessions.create("one")
    for name in ("two", "three"):
        sessions.rename(row.id, name)
    assert {found.id for n in ("one", "two", "three") if (found := sessions.find(n))} == {row.id}
    new = sessions.create("one")
    assert sessions.find("one") == new
    sessions.rename(row.id, "two")
    found = sessions.find("three")
    assert found is not None and (found.id, found.name) == (row.id, "two")


def test_a_name_may_go_back_and_forth(sessions: SessionStore) -> None:
    row = sessions.create("a")
    for name in ("b", "a", "b", "a"):
        sessions.rename(row.id, name)
        for known in ("a", "b"):
            found = sessions.find(known)
            assert found is not None and (found.id, found.name) == (row.id, name)


def test_a_session_set_aside_leaves_its_names_and_its_notebook(sessions: SessionStore) -> None:
    row = sessions.create("old", None, "n.ipynb", "kernel")
    sessions.add_messages(row.id, said("kept"))
    sessions.rename(row.id, "name")
    sessions.set_aside(row.id, "name (before)")
    assert sessions.find("name") is None
    assert sessions.find("old") is None
    assert sessions.find_by_notebook("n.ipynb", "kernel") is None
    assert sessions.messages(row.id) == said("kept")
    new = sessions.create("name", None, "n.ipynb", "kernel")
    sessions.set_notebook(row.id, None, None)
    assert sessions.find_by_notebook("n.ipynb", "kernel") == new


def test_a_notebook_finds_its_session_by_path_then_by_kernel(sessions: SessionStore) -> None:
    by_path = sessions.create("a", None, "a.ipynb", "kernel-1")
    by_kernel = sessions.create("b", None, "b.ipynb", "kernel-2")
    assert sessions.find_by_notebook("a.ipynb", "kernel-2") == by_path
    assert sessions.find_by_notebook("renamed.ipynb", "kernel-2") == by_kernel
    assert sessions.find_by_notebook(None, "kernel-1") == by_path
    sessions.set_notebook(by_kernel.id, "renamed.ipynb", None)
    found = sessions.find_by_notebook("renamed.ipynb")
    assert found is not None and found.id == by_kernel.id and found.kernel_id == "kernel-2"


def test_of_two_sessions_of_a_notebook_the_last_used_is_found(sessions: SessionStore) -> None:
    first = sessions.create("first", None, "n.ipynb", now=1.0)
    second = sessions.create("second", None, "n.ipynb", now=2.0)
    assert sessions.find_by_notebook("n.ipynb") == second
    sessions.set_notebook(first.id, None, None)
    found = sessions.find_by_notebook("n.ipynb")
    assert found is not None and found.id == first.id


def test_settings_come_back_as_they_were_given(sessions: SessionStore) -> None:
    row = sessions.create("a")
    load = {"gpuLayers": "auto", "useMmap": None, "keepAliveS": 1.5}
    context = {"contextSize": 4096, "kvType": "q8_0"}
    sessions.set_model(row.id, "/models/é x.gguf", load, context)
    sessions.set_system_prompt(row.id, "be brief")
    found = sessions.find("a")
    assert found is not None
    assert (found.model_path, found.system_prompt) == ("/models/é x.gguf", "be brief")
    assert (found.load_options, found.context_options) == (load, context)
    assert found.adapters == []
    sessions.set_adapters(row.id, ["/a/é=x.gguf=0.5", "/b.gguf"])
    assert [one.adapters for one in sessions.list()] == [["/a/é=x.gguf=0.5", "/b.gguf"]]
    sessions.set_system_prompt(row.id, None)
    found = sessions.find("a")
    assert found is not None and found.system_prompt is None


def test_the_list_is_by_last_use_and_bounded(sessions: SessionStore) -> None:
    rows = [sessions.create(f"{n}") for n in range(5)]
    sessions.add_messages(rows[1].id, said("hi"))
    sessions.set_notebook(rows[3].id, None, None)
    assert [row.name for row in sessions.list()] == ["3", "1", "4", "2", "0"]
    assert [row.name for row in sessions.list(2)] == ["3", "1"]


def test_deleting_takes_messages_and_names_and_leaves_the_history(
    database: Database, sessions: SessionStore, operations: OperationStore
) -> None:
    row = sessions.create("a")
    sessions.rename(row.id, "b")
    sessions.add_messages(row.id, said("hi"))
    operations.create("op", "prompt", "hi", row.id, None, 1.0)
    sessions.delete(row.id)
    for table in ("sessions", "messages", "aliases"):
        assert database.rows(f"SELECT * FROM {table}") == []
    kept = operations.get("op")
    assert kept is not None and kept.session_id is None and kept.session is None


def test_many_sessions_do_not_mix(sessions: SessionStore) -> None:
    rows = [sessions.create(f"s{n}") for n in range(20)]
    for turn in range(3):
        for n, row in enumerate(rows):
            sessions.add_messages(row.id, said(f"{n}/{turn}"))
    for n, row in enumerate(rows):
        assert [m.content for m in sessions.messages(row.id)] == [f"{n}/{t}" for t in range(3)]


def test_the_last_turn_goes_from_the_users_last_message_on(sessions: SessionStore) -> None:
    row = sessions.create("talk")
    turn = [
        SessionMessage(role="user", content="sum?"),
        SessionMessage(role="assistant", content="<tool_call>"),
        SessionMessage(role="tool", content="4"),
        SessionMessage(role="assistant", content="It is 4.", finish_reason="length"),
    ]
    sessions.add_messages(row.id, [*said("hello"), *turn])
    assert sessions.drop_last_turn(row.id) == turn
    assert sessions.messages(row.id) == said("hello")
    sessions.add_messages(row.id, turn[:1])
    assert [m.content for m in sessions.messages(row.id)] == ["hello", "sum?"]


def test_a_session_without_a_question_has_no_turn_to_drop(sessions: SessionStore) -> None:
    row = sessions.create("empty")
    assert sessions.drop_last_turn(row.id) == []
    with pytest.raises(SessionNotFound):
        sessions.drop_last_turn("nobody")


def test_an_answer_outlives_the_operation_that_had_its_text(
    sessions: SessionStore, operations: OperationStore, database: Database
) -> None:
    row = sessions.create("s")
    for id in ("op0", "op1"):
        operations.create(id, "prompt", "why?", row.id, None, 1.0)
        operations.finish(id, "done", f"because {id}", b"", 3, 2.0)
        turn = [
            SessionMessage(role="user", content="why?", operation_id=id),
            SessionMessage(role="assistant", content=f"because {id}", operation_id=id),
        ]
        sessions.add_messages(row.id, turn)
    said = sessions.messages(row.id)
    assert [m.content for m in said] == ["why?", "because op0", "why?", "because op1"]
    kept = "SELECT count(content) AS n FROM messages WHERE role = 'assistant'"
    assert database.rows(kept) == [{"n": 0}]
    assert operations.prune(1) == 1
    assert sessions.messages(row.id) == said
    assert database.rows(kept) == [{"n": 1}]
    operations.forget("prompt", "why?", "op1")
    assert sessions.messages(row.id) == said
    assert sessions.drop_last_turn(row.id) == said[2:]


def test_an_answer_that_is_not_its_operations_text_is_kept_itself(
    sessions: SessionStore, operations: OperationStore
) -> None:
    row = sessions.create("s")
    operations.create("op", "prompt", "why?", row.id, None, 1.0)
    said = [
        SessionMessage(role="assistant", content=text, operation_id=id)
        for text, id in (("other", "op"), ("", "op"), ("lost", "no such operation"))
    ]
    sessions.add_messages(row.id, said)
    operations.finish("op", "done", "", b"", 1, 2.0)
    assert sessions.messages(row.id) == said


def test_a_list_reads_the_beginning_of_a_system_prompt(sessions: SessionStore) -> None:
    row = sessions.create("s", "Be brief. " * 100_000)
    (listed,) = sessions.list()
    assert listed.system_prompt == ("Be brief. " * 100_000)[:LISTED_LENGTH]
    found = sessions.find(row.id)
    assert found is not None and len(found.system_prompt or "") == 1_000_000
