"""Conversations: found, named, kept, and given to the model as its history.

Knows the store and the rule that prompts on one session run in order; not sockets or workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wiz_kernel_ext.errors import Conflict, SessionNotFound, StoreError
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import SessionDetail, SessionInfo, SessionMessage
from wiz_kernel_ext.service.operations import shorten
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.session_images import SessionImages
from wiz_kernel_ext.service.snapshots import SnapshotFolders
from wiz_kernel_ext.store import SessionRow

log = logging.getLogger(__name__)


class Sessions:
    """The conversations of this user."""

    def __init__(self, records: Records, snapshots: SnapshotFolders | None = None) -> None:
        self._records = records
        self._snapshots = snapshots
        self._turns: dict[str, asyncio.Lock] = {}
        self.images = SessionImages()

    def turn(self, session_id: str) -> asyncio.Lock:
        """The lock that keeps one session's prompts in order, first come first served."""
        return self._turns.setdefault(session_id, asyncio.Lock())

    async def find(self, name: str) -> SessionRow:
        """The session of that id or name; raises SessionNotFound."""
        row = await self._records.call(self._records.sessions.find, name)
        if row is None:
            raise SessionNotFound(f"There is no session {name!r}.", field="session")
        return row

    async def begin(
        self, name: str | None, system_prompt: str | None, adapters: list[str] | None = None
    ) -> SessionRow:
        """The session called `name` (found or new), or a new one with a name of its own.

        `adapters` as in `open`.
        """
        if name is None:
            stamp = time.strftime("%Y-%m-%d %H.%M.%S")
            row = await self._create(f"session {stamp}", system_prompt)
            return await self._with_adapters(row, adapters)
        request = OpenSession(session=name, system_prompt=system_prompt, adapters=adapters)
        return await self.open(request)

    async def open(self, request: OpenSession) -> SessionRow:
        """Find or make a session, as `OpenSession` says; its adapters are located by now."""
        store, call = self._records.sessions, self._records.call
        row = await self._of_notebook(request) or await self._called(request)
        former: SessionRow | None = None
        if row is not None and request.new and row.n_messages:
            await self._set_aside(row)
            row, former = None, row
        if row is None:
            row = await self._create(
                request.session, request.system_prompt, request.notebook, request.kernel_id
            )
            if former is None:
                return await self._with_adapters(row, request.adapters)
            # Another conversation, with the same model and adapters.
            if former.model_path:
                options = (former.load_options, former.context_options)
                await self.bind(row.id, former.model_path, *options)
            adapters = former.adapters if request.adapters is None else request.adapters
            await call(store.set_adapters, row.id, adapters)
            return await self.find(row.id)
        if request.adapters is not None:
            await call(store.set_adapters, row.id, request.adapters)
        if request.system_prompt is not None:
            await call(store.set_system_prompt, row.id, request.system_prompt)
        if request.notebook or request.kernel_id:
            try:
                await call(store.set_notebook, row.id, request.notebook, request.kernel_id)
            except StoreError as error:
                log.warning("session %s: its use is not noted: %s", row.name, error)
        return await self.find(row.id)

    async def _with_adapters(self, row: SessionRow, adapters: list[str] | None) -> SessionRow:
        """A session just made, with its adapters."""
        if not adapters:
            return row
        await self._records.call(self._records.sessions.set_adapters, row.id, adapters)
        return await self.find(row.id)

    async def _of_notebook(self, request: OpenSession) -> SessionRow | None:
        """The session this notebook had before, renamed with the notebook if that was renamed."""
        if not (request.notebook or request.kernel_id):
            return None
        store, call = self._records.sessions, self._records.call
        row = await call(store.find_by_notebook, request.notebook, request.kernel_id)
        if row is not None and request.notebook and row.notebook != request.notebook:
            await call(store.rename, row.id, await self._free_name(request.session))
        return row

    async def _called(self, request: OpenSession) -> SessionRow | None:
        """The session of that name, unless it is another notebook's of the same file name."""
        row = await self._records.call(self._records.sessions.find, request.session)
        if row is None or not request.notebook or row.notebook in (None, request.notebook):
            return row
        return None

    async def history(self, row: SessionRow) -> list[ChatMessage]:
        """The conversation so far as the model reads it, the system prompt first."""
        messages = await self._records.messages(row.id)
        system = (
            [ChatMessage(role="system", content=row.system_prompt)] if row.system_prompt else []
        )
        return system + [
            ChatMessage(
                role=m.role, content=m.content, thinking=m.thinking, images=self.images.of(m)
            )
            for m in messages
        ]

    async def bind(
        self, session_id: str, model_path: str, load: dict[str, Any], context: dict[str, Any]
    ) -> None:
        """Remember which model the session talks to, and how it was loaded."""
        await self._records.call(
            self._records.sessions.set_model, session_id, model_path, load, context
        )

    async def list(self, limit: int) -> list[SessionInfo]:
        """The latest used sessions; of a system prompt a line."""
        rows = await self._records.call(self._records.sessions.list, limit)
        lines = [shorten(row.system_prompt) if row.system_prompt else None for row in rows]
        return [
            session_info(replace(row, system_prompt=line))
            for row, line in zip(rows, lines, strict=True)
        ]

    async def detail(self, name: str) -> SessionDetail:
        """A session with its messages."""
        row = await self.find(name)
        messages = await self._records.messages(row.id)
        return SessionDetail(info=session_info(row), messages=messages)

    async def drop_last_turn(self, name: str) -> Sequence[SessionMessage]:
        """Take the last question and its answer away, in the session's turn; returns them."""
        row = await self.find(name)
        async with self.turn(row.id):
            await self._records.write_waiting()
            dropped = await self._records.call(self._records.sessions.drop_last_turn, row.id)
            await self._forget_states(row.id)
            return dropped

    async def delete(self, name: str) -> SessionInfo:
        """Forget a session."""
        row = await self.find(name)
        # Before as well, so that nothing is left where this process ends in between.
        await self._forget_states(row.id)
        await self._records.call(self._records.sessions.delete, row.id)
        await self._forget_states(row.id)
        self._turns.pop(row.id, None)
        return session_info(row)

    async def prompted(self, session_id: str) -> SessionRow:
        """The session as a prompt of it begins, whose state may be kept from then on.

        Raises SessionNotFound.
        """
        if self._snapshots is not None:
            # Looked up after that: whoever deletes it finds the folder, or is found here.
            await asyncio.to_thread(self._snapshots.allow, session_id)
        return await self.find(session_id)

    async def _forget_states(self, session_id: str) -> None:
        if self._snapshots is not None:
            await asyncio.to_thread(self._snapshots.forget, session_id)

    async def _create(
        self,
        name: str,
        system_prompt: str | None,
        notebook: str | None = None,
        kernel_id: str | None = None,
    ) -> SessionRow:
        while True:
            free = await self._free_name(name)
            # Somebody may take it between the look and the creation.
            with contextlib.suppress(Conflict):
                return await self._records.call(
                    self._records.sessions.create,
                    free,
                    system_prompt,
                    notebook,
                    kernel_id,
                    time.time(),
                )

    async def _set_aside(self, row: SessionRow) -> None:
        """Give an old conversation another name, so that its own is free for a new one."""
        stamp = time.strftime("%Y-%m-%d %H.%M", time.localtime(row.created_at))
        name = await self._free_name(f"{row.name} ({stamp})")
        await self._records.call(self._records.sessions.set_aside, row.id, name)

    async def _free_name(self, name: str) -> str:
        candidate, n = name, 2
        while await self._records.call(self._records.sessions.find, candidate) is not None:
            candidate, n = f"{name} #{n}", n + 1
        return candidate


def session_info(row: SessionRow) -> SessionInfo:
    """A session as its asker sees it."""
    return SessionInfo(
        id=row.id,
        name=row.name,
        system_prompt=row.system_prompt,
        notebook=row.notebook,
        model_path=row.model_path,
        n_messages=row.n_messages,
        created_at=row.created_at,
        updated_at=row.updated_at,
        adapters=row.adapters,
    )
