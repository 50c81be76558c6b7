"""The models on this machine, the user's names for them, and what may be done to them.

Knows where models lie (`places`) and keeps one small file of its own: aliases, the default, when a
model was last used, collections. The service holds one `Library`; its methods block on the disk
only, except those that are coroutines.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from wiz_kernel_ext.children.child import OnProgress, ignore
from wiz_kernel_ext.errors import (
    ModelFileNotFound,
    NotFound,
    StoreError,
    WizError,
)
from wiz_kernel_ext.hub.cached import cache_folder, checksum_of, snapshots
from wiz_kernel_ext.hub.facts import Facts, facts_of
from wiz_kernel_ext.hub.fetch.messages import AskUpstream, DeleteFiles
from wiz_kernel_ext.hub.kept import Kept
from wiz_kernel_ext.hub.named_collections import Collections
from wiz_kernel_ext.hub.names import ModelName
from wiz_kernel_ext.hub.naming import Naming
from wiz_kernel_ext.hub.orders import carry_out
from wiz_kernel_ext.hub.places import FoundModel, found_models, hub_models
from wiz_kernel_ext.hub.verifying import verify_files
from wiz_kernel_ext.json_file import JsonFile
from wiz_kernel_ext.protocol.hub import (
    Collection,
    Deletion,
    LibraryModel,
    Verification,
)

_OWNERS = {
    "lm-studio": "LM Studio",
    "llama.cpp": "llama.cpp",
    "ollama": "Ollama",
    "demo": "this package",
}


class Library:
    """What is here; `data_dir` is where its own file goes, `models_dir` where our models are."""

    def __init__(
        self,
        data_dir: Path,
        models_dir: Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = JsonFile(data_dir / "library.json", Kept)
        self._naming = Naming(self._file, models_dir, environment)
        self._collections = Collections(data_dir, environment=environment, clock=clock)
        self._models_dir = models_dir
        self._environment = environment
        self._clock = clock

    # -- names ---------------------------------------------------------------------------------

    def resolve(self, name: str | None, cwd: Path | None = None) -> Path | ModelName:
        """What `name` means: the file of a model that is here, else a model on the hub.

        No name is the default model. See `Naming.resolve`.
        """
        return self._naming.resolve(name, cwd)

    def upstream(self, name: str, cwd: Path | None = None) -> ModelName:
        """Where on the hub the model that `name` means comes from: to fetch its newest version.

        Raises NotFound for a model that came from no hub.
        """
        found = self.resolve(name, cwd)
        if isinstance(found, ModelName):
            return found
        for model in hub_models(cache_folder(self._environment)):
            if found in model.paths and model.repo is not None:
                return ModelName(model.repo, None, None, model.files[0])
        raise NotFound(
            f"{name} came from no hub, so there is no newer one to fetch.",
            hint="`wiz models` tells where each model comes from.",
        )

    def set_alias(self, alias: str, model: str | None) -> None:
        """Call `model` by the name `alias` from now on; None gives the name up."""
        self._naming.set_alias(alias, model)

    def set_default(self, model: str | None) -> None:
        """The model that is meant where none is named; None: none."""
        self._naming.set_default(model)

    def aliases(self) -> dict[str, str]:
        """The user's names, and what each stands for."""
        return self._naming.aliases()

    def default(self) -> str | None:
        """The model that is meant where none is named."""
        return self._naming.default()

    # -- what is here ----------------------------------------------------------------------------

    async def models(self, check: bool = False) -> list[LibraryModel]:
        """Every model on this machine; with `check`, whether the hub has newer ones."""
        models = await asyncio.to_thread(self._list)
        if check:
            models = await self._checked(models)
        return models

    def used(self, path: Path | str) -> None:
        """A model was loaded just now; where that cannot be kept, it is not."""
        try:
            with self._file.changing() as kept:
                kept.used[str(path)] = self._clock()
        except StoreError:
            return

    async def remove(self, model: str, only_ask: bool = False) -> Deletion:
        """Delete a model's files, or say what that would free.

        What belongs to another tool is never deleted: `allowed` is False then, with the reason.
        Raises NotFound for a model that is not here.
        """
        found = await asyncio.to_thread(self._named, model)
        files = [str(path) for path in found.paths]
        if owner := _OWNERS.get(found.origin):
            reason = f"It belongs to {owner}."
            return Deletion(name=found.name, files=files, allowed=False, reason=reason)
        if found.repo is None and any(path.suffix.lower() != ".gguf" for path in found.paths):
            reason = "It is no .gguf file."
            return Deletion(name=found.name, files=files, allowed=False, reason=reason)
        if found.repo is not None:
            paths = await asyncio.to_thread(self._same_blobs, found)
            order = DeleteFiles(repo=found.repo, paths=paths, only_ask=only_ask)
            freed = await carry_out(order, int, environment=self._environment)
        else:
            freed = found.size_bytes
            if not only_ask:
                await asyncio.to_thread(_unlink, found.paths)
        return Deletion(name=found.name, files=files, freed_bytes=freed)

    async def verify(
        self, model: str, on_progress: OnProgress = ignore, cancelled: asyncio.Event | None = None
    ) -> Verification:
        """Compare a model's files with the sha256 they are kept under; progress is in bytes.

        Files that came from no hub have none: of those only the length is checked. Raises NotFound,
        OperationCancelled.
        """
        found = await asyncio.to_thread(self._named, model)
        return await verify_files(found.name, found.paths, on_progress, cancelled)

    # -- collections -----------------------------------------------------------------------------

    async def collections(self, refresh: bool = False) -> list[Collection]:
        """The named collections; with `refresh`, read again from their sources."""
        return await self._collections.list(refresh)

    async def add_collection(self, name: str, source: str) -> Collection:
        """Keep a collection: a file of names, or a collection's address on the hub."""
        return await self._collections.add(name, source)

    async def remove_collection(self, name: str) -> None:
        """Forget a collection; its models stay. Raises NotFound."""
        await asyncio.to_thread(self._collections.remove, name)

    # -- inside ------------------------------------------------------------------------------------

    def _named(self, model: str) -> FoundModel:
        """The model of a name, here; raises NotFound."""
        everything = list(found_models(self._models_dir, self._environment))
        for found in everything:
            if model in (found.name, str(found.path)):
                return found
        target = None if model.startswith("ollama:") else self.resolve(model)
        for found in everything:
            if isinstance(target, Path) and found.path == target:
                return found
        if isinstance(target, Path):
            return FoundModel(name=str(target), origin="models", paths=[target])
        raise ModelFileNotFound(
            f"{model} is not on this machine.", hint="`wiz models` lists what is here."
        )

    def _real_path(self, name: str) -> str:
        """The file on this machine that a name leads to, by however many steps; "" for none."""
        try:
            target = self.resolve(name)
        except WizError:
            return ""
        return os.path.realpath(target) if isinstance(target, Path) else ""

    def _list(self) -> list[LibraryModel]:
        kept = self._file.read()
        facts: dict[str, Facts] = {}
        aliases: dict[str, list[str]] = {}
        for alias in sorted(kept.aliases):
            aliases.setdefault(self._real_path(alias), []).append(alias)
        default = self._real_path(kept.default) if kept.default else ""
        models = []
        for found in found_models(self._models_dir, self._environment):
            path = str(found.path)
            facts[path] = read = facts_of(found, kept.facts.get(path))
            models.append(
                LibraryModel(
                    name=found.name,
                    path=path,
                    origin=found.origin,
                    size_bytes=found.size_bytes,
                    n_files=len(found.paths),
                    quant=read.quant or found.quant,
                    architecture=read.architecture,
                    n_ctx_train=read.n_ctx_train,
                    n_params=read.n_params,
                    repo=found.repo,
                    revision=found.revision,
                    commit=found.commit,
                    last_used_at=kept.used.get(path, 0.0),
                    aliases=aliases.get(os.path.realpath(path), []),
                    is_default=os.path.realpath(path) == default,
                    problem=read.problem,
                )
            )
        if facts != kept.facts:
            try:
                with self._file.changing() as now:
                    now.facts = facts
            except StoreError:
                pass  # only a cache: a read-only disk makes listing slower, not wrong
        return models

    async def _checked(self, models: list[LibraryModel]) -> list[LibraryModel]:
        ours: dict[str, dict[str, str]] = {}
        cache = cache_folder(self._environment)
        for found in await asyncio.to_thread(list, hub_models(cache)):
            of_repo = ours.setdefault(found.repo or "", {})
            for file, path in zip(found.files, found.paths, strict=True):
                of_repo.setdefault(file, checksum_of(path))
        if not ours:
            return models
        order = AskUpstream(files={repo: list(files) for repo, files in ours.items()})
        answer = await carry_out(order, dict[str, dict[str, str]], environment=self._environment)
        return [
            msgspec.structs.replace(
                model, newer=_is_newer(model, self._paths(model), answer.get(model.repo or ""))
            )
            for model in models
        ]

    def _paths(self, model: LibraryModel) -> dict[str, str]:
        """Paths in the repository to checksums, of a listed model's first file."""
        if model.commit is None:
            return {}
        path = Path(model.path)
        file = model.path.rpartition(f"/{model.commit}/")[2]
        return {file: checksum_of(path)}

    def _same_blobs(self, found: FoundModel) -> list[str]:
        """All paths in the cache that link what this model's files link: else nothing is freed."""
        wanted = {os.path.realpath(path) for path in found.paths}
        return [
            str(path)
            for snapshot in snapshots(cache_folder(self._environment), found.repo)
            for path in snapshot.ggufs().values()
            if os.path.realpath(path) in wanted
        ]


def _is_newer(
    model: LibraryModel, ours: dict[str, str], upstream: dict[str, str] | None
) -> bool | None:
    for file, checksum in ours.items():
        theirs = (upstream or {}).get(file)
        if checksum and theirs:
            return theirs != checksum
    return None


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
