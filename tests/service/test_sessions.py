"""Conversations: found by name, notebook and after a rename; begun anew, the old one kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wiz_kernel_ext.errors import SessionNotFound, StoreError
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.sessions import Sessions


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    yield Sessions(records)
    await records.close()


def turn(question: str, answer: str) -> list[SessionMessage]:
    return [
        SessionMessage(role="user", content=question),
        SessionMessage(role="assistant", content=answer),
    ]


async def add(sessions: Sessions, session_id: str, messages: list[SessionMessage]) -> None:
    records = sessions._records
    await records.call(records.sessions.add_messages, session_id, messages)


async def test_a_notebook_finds_its_own_again(sessions: Sessions) -> None:
    ask = OpenSession(session="analysis", notebook="/a/analysis.ipynb", kernel_id="k1")
    first = await sessions.open(ask)
    assert (await sessions.open(ask)).id == first.id


async def test_two_notebooks_of_one_file_name_are_two_conversations(sessions: Sessions) -> None:
    one = await sessions.open(OpenSession(session="x", notebook="/a/x.ipynb", kernel_id="k1"))
    two = await sessions.open(OpenSession(session="x", notebook="/b/x.ipynb", kernel_id="k2"))
    assert one.id != two.id
    assert two.name == "x #2"
    again = await sessions.open(OpenSession(session="x", notebook="/b/x.ipynb", kernel_id="k3"))
    assert (again.id, again.name) == (two.id, "x #2")


async def test_a_renamed_notebook_keeps_its_conversation_under_both_names(
    sessions: Sessions,
) -> None:
    old = await sessions.open(OpenSession(session="old", notebook="/old.ipynb", kernel_id="k"))
    new = await sessions.open(OpenSession(session="new", notebook="/new.ipynb", kernel_id="k"))
    assert (new.id, new.name) == (old.id, "new")
    assert (await sessions.find("old")).id == old.id


async def test_a_new_conversation_keeps_the_old_one_under_another_name(sessions: Sessions) -> None:
    ask = OpenSession(session="mine", notebook="/mine.ipynb", kernel_id="k")
    old = await sessions.open(ask)
    await add(sessions, old.id, turn("q", "a"))
    new = await sessions.open(
        OpenSession(session="mine", notebook="/mine.ipynb", kernel_id="k", new=True)
    )
    assert new.id != old.id
    assert (new.name, new.n_messages) == ("mine", 0)
    kept = await sessions.find(old.id)
    assert kept.n_messages == 2
    assert kept.name.startswith("mine (")
    assert (await sessions.open(ask)).id == new.id


async def test_an_empty_conversation_is_not_set_aside_for_a_new_one(sessions: Sessions) -> None:
    first = await sessions.open(OpenSession(session="mine"))
    assert (await sessions.open(OpenSession(session="mine", new=True))).id == first.id


async def test_the_history_begins_with_the_system_prompt(sessions: Sessions) -> None:
    row = await sessions.begin("s", "Be brief.")
    await add(sessions, row.id, turn("q", "a"))
    history = await sessions.history(await sessions.find("s"))
    assert [(m.role, m.content) for m in history] == [
        ("system", "Be brief."),
        ("user", "q"),
        ("assistant", "a"),
    ]


async def test_sessions_without_a_name_get_one_of_their_own(sessions: Sessions) -> None:
    one, two = await sessions.begin(None, None), await sessions.begin(None, None)
    assert one.id != two.id
    assert one.name != two.name


async def test_sessions_begun_at_the_same_instant_each_get_a_name(sessions: Sessions) -> None:
    rows = await asyncio.gather(*(sessions.begin(None, None) for _ in range(8)))
    assert len({row.name for row in rows}) == 8


async def test_a_deleted_session_is_not_found(sessions: Sessions) -> None:
    await sessions.begin("s", None)
    await sessions.delete("s")
    with pytest.raises(SessionNotFound, match="'s'"):
        await sessions.find("s")


async def test_a_conversation_is_found_also_where_nothing_can_be_written(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = OpenSession(session="analysis", notebook="/a/analysis.ipynb", kernel_id="k1")
    first = await sessions.open(ask)

    def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(sessions._records.sessions, "set_notebook", full)
    assert (await sessions.open(ask)).id == first.id
    with pytest.raises(StoreError):
        monkeypatch.setattr(sessions._records.sessions, "set_system_prompt", full)
        await sessions.open(OpenSession(session="analysis", system_prompt="Be brief."))
