"""What a new service does about the operations that an earlier one left unfinished.

Their logs were closed by the records; here the conversations get the turns that were cut off.
"""

from __future__ import annotations

from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.store import OperationRow


async def recover(unfinished: list[OperationRow], sessions: Sessions) -> None:
    """Add each cut-off prompt and its partial answer, marked, to its session."""
    for row in unfinished:
        if row.kind != "prompt" or row.session_id is None or not row.text:
            continue
        kept = (await sessions.detail(row.session_id)).messages
        # The service may have ended between keeping the turn and noting the operation's end.
        if not any(message.operation_id == row.id for message in kept):
            asked = SessionMessage(role="user", content=row.title, operation_id=row.id)
            answered = SessionMessage(
                role="assistant",
                content=row.text,
                operation_id=row.id,
                finish_reason="interrupted",
            )
            await sessions.add(row.session_id, [asked, answered])
