"""That a database was damaged is told once, with what was saved and where the old file lies."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.untold import Untold, said_recovered
from wiz_kernel_ext.store import Recovered


async def begun(file: Path) -> None:
    records = Records(file)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    said = [SessionMessage(role="user", content="hi")]
    await records.call(records.sessions.add_messages, session.id, said)
    await records.close()
    with file.open("r+b") as stream:
        stream.write(b"\0" * 4096)


def notices(operation: Operation) -> list[str]:
    return [n.event.text for n in operation.events if isinstance(n.event, Notice)]


def asides(folder: Path) -> list[Path]:
    return list(folder.glob("*.corrupt-*"))


async def test_the_next_operation_takes_it_along_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    await begun(file)
    # The first service that opens it is never asked anything.
    first = Records(file)
    await first.start()
    await first.close()
    records = Records(file)
    await records.start()
    told = records.untold.text
    operation, later = Operation("prompt"), Operation("prompt")
    await records.created(operation)
    await records.created(later)
    assert notices(operation) == [told]
    assert notices(later) == []
    (aside,) = asides(tmp_path)
    assert str(aside) in told
    assert "1 conversation, 1 message could be read" in told
    assert [m.content for m in (await Sessions(records).detail("mine")).messages] == ["hi"]
    await records.close()
    third = Records(file)
    await third.start()
    assert third.untold.text == ""
    await third.close()


def test_what_cannot_be_kept_on_the_disk_is_told_from_memory(tmp_path: Path) -> None:
    untold = Untold(tmp_path / "nowhere" / "x.notice")
    untold.add("one")
    untold.add("two")
    assert (untold.take(), untold.take()) == ("one two", "")


def test_a_newer_file_is_not_called_damaged() -> None:
    text = said_recovered(Recovered(Path("/old"), {}, is_newer=True))
    assert "newer version" in text and "nothing of it is left" in text and "/old" in text
