"""Long work on model files as operations: download, verify, convert, quantize.

It belongs to the service, so a kernel restart does not end it, and whoever asks for what is under
way already gets the same operation. The work itself is the hub's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.configuration.limits import Limits, no_limits
from wiz_kernel_ext.errors import BadRequest, Conflict, ModelFileNotFound
from wiz_kernel_ext.folders import is_folder
from wiz_kernel_ext.hub.checkpoints import checkpoint_here, fetch_checkpoint
from wiz_kernel_ext.hub.download import discard, download, download_key, pull
from wiz_kernel_ext.making.convert import (
    base_named,
    checkout_for_refused,
    convert,
    find_checkout,
    is_adapter,
)
from wiz_kernel_ext.making.quantize import check_quant, quantize
from wiz_kernel_ext.making.target import check_target
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.protocol.events import Notice, Progress, StateChanged
from wiz_kernel_ext.protocol.hub import Verification
from wiz_kernel_ext.protocol.hub_requests import (
    ConvertModel,
    PullModel,
    QuantizeModel,
    VerifyModel,
)
from wiz_kernel_ext.protocol.requests import AnyRequest, DownloadModel
from wiz_kernel_ext.protocol.results import OperationKind
from wiz_kernel_ext.service.operations import Body, Operation, Operations
from wiz_kernel_ext.surroundings import public, who_asks


class Jobs:
    """Begins work on models, or joins what is under way."""

    def __init__(
        self,
        operations: Operations,
        library: Library,
        models_dir: Path,
        limits: Callable[[], Limits] = no_limits,
    ) -> None:
        self._operations = operations
        self._limits = limits
        self._library = library
        self._models_dir = models_dir
        self._under_way: dict[Hashable, _UnderWay] = {}

    async def download(self, request: DownloadModel, client: str) -> Operation:
        """`worker:downloadModel`: one file of a repository; ends in its path."""
        self._limits().check_repo(request.repo)
        key = download_key(request.repo, request.file, request.revision)

        async def body(operation: Operation) -> str:
            return await download(
                request.repo,
                request.file,
                request.revision,
                on_progress=_progress(operation, "download"),
                on_notice=_notices(operation),
                cancelled=_cancelled(operation),
            )

        title = f"{request.repo}/{request.file}"
        return await self._begin("download", (key, who_asks()), title, client, body)

    async def pull(self, request: PullModel, client: str) -> Operation:
        """`hub:pull`: a model by its name; ends in its path, at once if it is here."""
        find = self._library.upstream if request.update else self._library.resolve
        found = find(request.model)
        title = str(found)
        if not isinstance(found, Path):
            self._limits().check_repo(found.repo)

        async def body(operation: Operation) -> str:
            if isinstance(found, Path):
                return str(found)
            return await pull(
                found,
                on_progress=_progress(operation, "download"),
                on_notice=_notices(operation),
                cancelled=_cancelled(operation),
                limit_bytes_per_s=request.limit_bytes_per_s,
            )

        # One that began before the hub had something newer is not what an update asks for.
        key = f"{'update' if request.update else 'pull'} {title}"
        return await self._begin("download", (key, who_asks()), title, client, body)

    async def discard(self, operation: Operation) -> int:
        """End a download, running or paused, and delete what came of it; the bytes freed."""
        operation.cancel()
        await _end_of(operation)
        found = self._library.resolve(operation.title)
        return 0 if isinstance(found, Path) else await discard(found)

    async def verify(self, request: VerifyModel, client: str) -> Operation:
        """`hub:verify`: a model's files against their sha256."""

        async def body(operation: Operation) -> Verification:
            return await self._library.verify(
                request.model, _progress(operation, "verify"), _cancelled(operation)
            )

        key = (f"verify {request.model}", who_asks())
        return await self._begin("verify", key, public(request.model), client, body)

    async def convert(self, request: ConvertModel, client: str) -> Operation:
        """`hub:convert`: a checkpoint to a GGUF; ends in its path."""
        folder, name = self._source(request.source)
        title = name.repo if name else folder.name
        target = self._target(request.output, title.rpartition("/")[2], request.out_type.upper())
        # Before gigabytes are fetched for nothing.
        if name is not None:
            self._limits().check_repo(name.repo)
        check_target(target, request.overwrite)
        base = self._adapter_base(folder if name is None else None, request)
        llama_cpp = find_checkout(Path(request.llama_cpp)) if request.llama_cpp else None
        handed_over = (llama_cpp or checkout_for_refused()) is not None

        async def body(operation: Operation) -> str:
            source, commit = await self._checkpoint(operation, folder, name, handed_over)
            report = await convert(
                source,
                target,
                outtype=request.out_type,
                on_progress=_progress(operation, "convert"),
                on_notice=_notices(operation),
                cancelled=_cancelled(operation),
                name=title.rpartition("/")[2],
                repo=name.repo if name else None,
                commit=commit,
                overwrite=request.overwrite,
                llama_cpp_dir=llama_cpp,
                base=base,
            )
            return str(report.path)

        return await self._write(request, target, "convert", title, client, body)

    async def quantize(self, request: QuantizeModel, client: str) -> Operation:
        """`hub:quantize`: a GGUF to a smaller one; ends in its path."""
        quant = check_quant(request.quant)
        source = self._library.resolve(request.model)
        if not isinstance(source, Path):
            raise BadRequest(
                f"{source} is not on this machine.",
                hint=f"Fetch it first: `wiz pull {source}`.",
                field="model",
            )
        target = self._target(request.output, _without_quant(source.stem), quant)

        async def body(operation: Operation) -> str:
            report = await quantize(
                source,
                target,
                quant,
                on_progress=_progress(operation, "quantize"),
                on_notice=_notices(operation),
                cancelled=_cancelled(operation),
                overwrite=request.overwrite,
            )
            return str(report.path)

        title = f"{source.name} → {quant}"
        return await self._write(request, target, "quantize", title, client, body)

    def _adapter_base(self, folder: Path | None, request: ConvertModel) -> Path | None:
        """The model that an adapter is for: as asked, else the one it names, where that is here."""
        if folder is None or not is_adapter(folder):
            if request.base is not None:
                raise BadRequest(
                    f"{request.source} is no folder of an adapter, which alone has a base model.",
                    hint="Leave the base out: a whole model needs none.",
                    field="base",
                )
            return None
        if request.base is not None:
            place = _expanded(request.base)
            found = place if is_folder(place) else self._library.resolve(request.base)
            if not isinstance(found, Path):
                raise ModelFileNotFound(
                    f"{found} is not on this machine.",
                    hint=f"Fetch it first: `wiz pull {found}`.",
                )
            return found
        return checkpoint_here(base_named(folder))

    def _source(self, source: str) -> tuple[Path, ModelName | None]:
        """A folder on this machine, or the name of a repository."""
        folder = _expanded(source)
        if is_folder(folder):
            return folder, None
        found = self._library.resolve(source)
        if isinstance(found, Path):
            raise BadRequest(
                f"{found} is a file; a checkpoint is a folder or a repository.",
                hint=f"To make a GGUF smaller: `wiz quantize {source} Q4_K_M`.",
                field="source",
            )
        return folder, found

    async def _checkpoint(
        self, operation: Operation, folder: Path, name: ModelName | None, for_llama_cpp: bool
    ) -> tuple[Path, str | None]:
        if name is None:
            return folder, None
        return await fetch_checkpoint(
            name,
            on_progress=_progress(operation, "download"),
            on_notice=_notices(operation),
            cancelled=_cancelled(operation),
            for_llama_cpp=for_llama_cpp,
        )

    def _target(self, output: str | None, name: str, quant: str) -> Path:
        """Where a new model goes: as named, else into the models directory."""
        if output is not None:
            path = _expanded(output)
            return path if path.is_absolute() else self._models_dir / path
        self._models_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._models_dir / f"{name}-{quant}.gguf"

    async def _write(
        self,
        request: ConvertModel | QuantizeModel,
        target: Path,
        kind: OperationKind,
        title: str,
        client: str,
        work: Body,
    ) -> Operation:
        """Begin writing `target`, or join who does the same; raises Conflict if it is another."""
        key, asked = f"write {target}", msgspec.structs.replace(request, overwrite=False)
        under_way = self._under_way.get(key)
        if under_way and not under_way.operation.ended and under_way.asked != asked:
            raise Conflict(
                f"{target} is being written already, from {under_way.operation.title}.",
                hint="Wait for that, or choose another name (`--output FILE`).",
                target=str(target),
            )
        return await self._begin(kind, key, title, client, work, asked)

    async def _begin(
        self,
        kind: OperationKind,
        key: Hashable,
        title: str,
        client: str,
        work: Body,
        asked: AnyRequest | None = None,
    ) -> Operation:
        known = self._under_way.get(key)
        under_way = known.operation if known else None
        if under_way is not None and not (under_way.ended or under_way.cancelling):
            return under_way
        operation = Operation(kind, title=title, client=client)

        async def body(operation: Operation) -> Any:
            operation.emit(StateChanged(state="running"))
            try:
                if under_way is not None:
                    await operation.unless_cancelled(_end_of(under_way))
                return await work(operation)
            finally:
                last = self._under_way.get(key)
                if last is not None and last.operation is operation:
                    del self._under_way[key]

        self._under_way[key] = _UnderWay(operation, asked)
        await self._operations.start(operation, body)
        return operation


@dataclass(frozen=True)
class _UnderWay:
    """An operation, and what was asked for where that is more than its key says."""

    operation: Operation
    asked: AnyRequest | None


async def _end_of(operation: Operation) -> None:
    """Wait for a cancelled one to let go of its files."""
    async for _ in operation.follow():
        pass


def _expanded(name: str) -> Path:
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path's raises for an unknown user


def _progress(operation: Operation, stage: str) -> Callable[[int, int | None], None]:
    def tell(done: int, total: int | None) -> None:
        operation.emit(Progress(stage=stage, done=done, total=total))

    return tell


def _notices(operation: Operation) -> Callable[[str], None]:
    return lambda text: operation.emit(Notice(text=text))


def _cancelled(operation: Operation) -> asyncio.Event:
    cancelled = asyncio.Event()
    operation.on_cancel(cancelled.set)
    return cancelled


def _without_quant(stem: str) -> str:
    """A file's name without the type it ends with: it is about to have another."""
    name, _, last = stem.rpartition("-")
    return name if name and last.upper() in {"F32", "F16", "BF16"} else stem
