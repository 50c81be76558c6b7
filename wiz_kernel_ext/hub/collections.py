"""Named collections of models: lists that a team keeps in a file, or as a collection on the hub.

A file has one name a line (# begins a remark), or is a JSON list of names. What was read last is
kept, so that a collection is there when its source is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.errors import BadRequest, NotFound, WizError
from wiz_kernel_ext.hub.fetch.tasks import ReadCollection
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.json_file import JsonFile
from wiz_kernel_ext.models.names import parse_name
from wiz_kernel_ext.protocol.hub import Collection

_SLUG = re.compile(r"(?:https?://[^/]+/collections/)?([\w.-]+/[\w.-]+-[0-9a-f]{16,24})/?")
_MAX_FILE_BYTES = 1 << 20
_MAX_MODELS = 2000


class CollectionsFile(msgspec.Struct):
    """What the file holds: collections by name."""

    collections: dict[str, Collection] = {}


class Collections:
    """The collections of one user, kept in `data_dir`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = JsonFile(data_dir / "collections.json", CollectionsFile)
        self._environment = environment
        self._clock = clock

    async def list(self, refresh: bool = False) -> list[Collection]:
        """All of them, by name; one whose source cannot be read keeps its models, with why."""
        kept = (await asyncio.to_thread(self._file.read)).collections
        if refresh:
            for name, old in kept.items():
                try:
                    new = await self._read(name, old.source)
                except WizError as error:
                    new = msgspec.structs.replace(old, problem=error.message)
                kept[name] = new
                await asyncio.to_thread(self._keep, new)
        return [kept[name] for name in sorted(kept)]

    async def add(self, name: str, source: str) -> Collection:
        """Keep the collection at `source`, a file or a collection on the hub, as `name`.

        Raises BadRequest where it cannot be read as one, and what asking the hub may raise.
        """
        if not _SLUG.fullmatch(source):
            source = str(_place(source))
        collection = await self._read(name, source)
        await asyncio.to_thread(self._keep, collection)
        return collection

    def remove(self, name: str) -> None:
        """Forget one; raises NotFound."""
        with self._file.changing() as kept:
            if kept.collections.pop(name, None) is None:
                raise NotFound(
                    f"There is no collection {name!r}.", hint="`wiz collections` lists them."
                )

    def _keep(self, collection: Collection) -> None:
        with self._file.changing() as kept:
            kept.collections[collection.name] = collection

    async def _read(self, name: str, source: str) -> Collection:
        if match := _SLUG.fullmatch(source):
            task = ReadCollection(slug=match[1])
            models = await run_task(task, list[str], environment=self._environment)
        else:
            models = await asyncio.to_thread(_names_in, Path(source))
        return Collection(
            name=name, source=source, models=models[:_MAX_MODELS], refreshed_at=self._clock()
        )


def _place(source: str) -> Path:
    """The file that `source` is from where the asker is."""
    base = surroundings.directory() or Path("/")
    return base / os.path.expanduser(source)  # noqa: PTH111 - Path's raises for an unknown user


def _names_in(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BadRequest(f"{path} is too long to be a list of models.", field="source")
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise BadRequest(
            f"{path} cannot be read: {error.strerror}.",
            hint="Give a file with one model's name a line, or a collection's address on the hub.",
            field="source",
        ) from None
    names = _json_names(text)
    if names is None:
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        names = [line for line in lines if line]
    for name in names:
        parse_name(name)
    return names


def _json_names(text: str) -> list[str] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        value = value.get("models")
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise BadRequest('A JSON collection is a list of names, or {"models": […]}.', field="source")
