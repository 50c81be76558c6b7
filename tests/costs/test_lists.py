"""What a list costs: one statement, and no text."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.protocol.codec import encode
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.service.operations import TITLE_LENGTH, Operation
from wiz_kernel_ext.service.records import Records, operation_info
from wiz_kernel_ext.service.sessions import Sessions

HUGE = "Be brief. " * 3_000_000  # 30 MB


async def test_lists_are_one_statement_each_and_small_whatever_the_texts(tmp_path: Path) -> None:
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    sessions = Sessions(records)
    for n in range(3):
        await sessions.open(OpenSession(session=f"s{n}", system_prompt=HUGE))
    await records.created(Operation("prompt", title=HUGE))
    sql: list[str] = []
    await records.call(records._database._connection.set_trace_callback, sql.append)
    listed = await sessions.list(20)
    rows = await records.call(records.operations.list, 20)
    await records.call(records._database._connection.set_trace_callback, None)
    assert sum(statement.lstrip().startswith("SELECT") for statement in sql) == 2
    assert len(encode([listed, [operation_info(row) for row in rows]])) < 5000
    assert {len(info.system_prompt or "") for info in listed} == {TITLE_LENGTH}
    assert (await sessions.detail("s1")).info.system_prompt == HUGE
    await records.close()
