"""The models on this machine, and the user's names for them.

Knows where models lie (`places`) and keeps one small file of its own: aliases, the default, when
a model was last used. The service holds one `Library`; its methods block on the disk only.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from wiz_kernel_ext.children.child import OnProgress, ignore
from wiz_kernel_ext.errors import (
    ModelFileNotFound,
    NotFound,
    StoreError,
    WizError,
)
from wiz_kernel_ext.json_file import JsonFile
from wiz_kernel_ext.models.aliases import ModelNames
from wiz_kernel_ext.models.checksums import verify_files
from wiz_kernel_ext.models.header_facts import Facts, facts_of
from wiz_kernel_ext.models.hub_cache import cache_folder
from wiz_kernel_ext.models.library_file import LibraryFile
from wiz_kernel_ext.models.locate import shortened
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.models.places import FoundModel, found_models, hub_models
from wiz_kernel_ext.protocol.hub import (
    LibraryModel,
    Verification,
)

_N_USED = 1000
"""As many paths of models are remembered, those used last."""


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
        self._file = JsonFile(data_dir / "library.json", LibraryFile)
        self._names = ModelNames(self._file, models_dir, environment)
        self._models_dir = models_dir
        self._environment = environment
        self._clock = clock

    # -- names ---------------------------------------------------------------------------------

    def resolve(self, name: str | None, cwd: Path | None = None) -> Path | ModelName:
        """What `name` means: the file of a model that is here, else a model on the hub.

        No name is the default model. See `ModelNames.resolve`.
        """
        return self._names.resolve(name, cwd)

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
        self._names.set_alias(alias, model)

    def set_default(self, model: str | None) -> None:
        """The model that is meant where none is named; None: none."""
        self._names.set_default(model)

    def aliases(self) -> dict[str, str]:
        """The user's names, and what each stands for."""
        return self._names.aliases()

    def default(self) -> str | None:
        """The model that is meant where none is named."""
        return self._names.default()

    # -- what is here ----------------------------------------------------------------------------

    def models(self) -> list[LibraryModel]:
        """Every model on this machine."""
        try:
            kept = self._file.read()
        except StoreError:
            kept = LibraryFile()  # what is here is here, whatever it is called
        facts: dict[str, Facts] = {}
        aliases: dict[str, list[str]] = {}
        for alias in sorted(kept.aliases):
            aliases.setdefault(self._real_path(alias), []).append(alias)
        default = self._real_path(kept.default) if kept.default else ""
        models = []
        for found in found_models(self._models_dir, self._environment, kept.used):
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

    def used(self, path: Path | str) -> None:
        """A model was loaded just now; where that cannot be kept, it is not."""
        try:
            with self._file.changing() as kept:
                kept.used[str(path)] = self._clock()
                latest = sorted(kept.used, key=lambda path: kept.used[path])[-_N_USED:]
                kept.used = {path: kept.used[path] for path in latest}
        except StoreError:
            return

    async def verify(
        self, model: str, on_progress: OnProgress = ignore, cancelled: asyncio.Event | None = None
    ) -> Verification:
        """Compare a model's files with the sha256 they are kept under; progress is in bytes.

        Files that came from no hub have none: of those only the length is checked. Raises NotFound,
        OperationCancelled.
        """
        found = await asyncio.to_thread(self.named, model)
        return await verify_files(found.name, found.paths, on_progress, cancelled)

    def named(self, model: str) -> FoundModel:
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
        near = get_close_matches(model, [found.name for found in everything], n=2, cutoff=0.7)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ModelFileNotFound(
            f"{shortened(model)} is not on this machine.",
            hint=f"{meant}`wiz models` lists what is here.",
        )

    def _real_path(self, name: str) -> str:
        """The file on this machine that a name leads to, by however many steps; "" for none."""
        try:
            target = self.resolve(name)
        except WizError:
            return ""
        return os.path.realpath(target) if isinstance(target, Path) else ""
