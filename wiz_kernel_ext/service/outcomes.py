"""How operations ended, for as long as that cannot be written: a full disk ends, an answer stays.

Held in the order in which they ended, which is that of a conversation's turns. Bounded: more than
`max_bytes` are refused, and their askers told. Pure; written by `records`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import End
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.encoded_log import EncodedEvent
from wiz_kernel_ext.service.kept_log import answer_of
from wiz_kernel_ext.service.operations import Operation

MAX_WAITING_BYTES = 64 * 2**20
# An operation without a word still takes this much.
_OVERHEAD_BYTES = 1000


@dataclass(frozen=True)
class Outcome:
    """An operation's end. `is_kept`: its row is in the store already."""

    operation: Operation
    end: End
    is_kept: bool

    def entries(self) -> list[EncodedEvent]:
        """The whole log, the end included, also before the asker hears of it."""
        log = self.operation.events
        entries = list(log)
        if not self.operation.ended:
            entries.append(EncodedEvent.of(log.next_seq, raw(self.end)))
        return entries

    @property
    def n_bytes(self) -> int:
        """About what it takes in memory."""
        return _OVERHEAD_BYTES + sum(memoryview(e.data).nbytes for e in self.operation.events)

    def turn(self) -> list[SessionMessage]:
        """What it adds to its conversation; one without any answer leaves no trace there."""
        asked = self.operation.asked
        if asked is None:
            return []
        return turn_of(asked, self.operation.text, self.end, self.operation.thinking)


class Waiting:
    """The outcomes that are still to be written, first come first written."""

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._outcomes: deque[tuple[Outcome, int]] = deque()
        self._n_bytes = 0

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def first(self) -> Outcome:
        """The one to be written next."""
        return self._outcomes[0][0]

    def add(self, outcome: Outcome) -> bool:
        """Hold one more; False where there is no room for it."""
        n_bytes = outcome.n_bytes
        if self._n_bytes + n_bytes > self._max_bytes:
            return False
        self._outcomes.append((outcome, n_bytes))
        self._n_bytes += n_bytes
        return True

    def drop_first(self) -> None:
        """The first is written, or never will be."""
        self._n_bytes -= self._outcomes.popleft()[1]

    def operations(self) -> list[Operation]:
        """Whose ends they are, oldest first."""
        return [outcome.operation for outcome, _ in self._outcomes]

    def turns(self, session_id: str) -> list[SessionMessage]:
        """What a conversation does not have yet."""
        mine = [o for o, _ in self._outcomes if o.operation.session_id == session_id]
        return [message for outcome in mine for message in outcome.turn()]


def turn_of(asked: SessionMessage, text: str, end: End, thinking: str = "") -> list[SessionMessage]:
    """A question and its answer, as a conversation keeps them; nothing without an answer."""
    if not text:
        return []
    answer = answer_of(end)
    answered = SessionMessage(
        role="assistant",
        content=text,
        thinking=thinking if answer is None else answer.thinking,
        operation_id=asked.operation_id,
        finish_reason=_finish_reason(answer),
    )
    return [asked, answered]


def _finish_reason(answer: AnswerInfo | None) -> str | None:
    """Why an answer is only partial; None where it is whole."""
    if answer is None:
        return "interrupted"
    return None if answer.finish_reason == "stop" else answer.finish_reason
