"""The user's names for models, and what any name means on this machine.

An alias stands for another name, the default for no name at all. Resolving ends in a file that is
here or in a name on the hub; it asks nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound, NotFound, StoreError
from wiz_kernel_ext.folders import ggufs_in, is_file, size_of
from wiz_kernel_ext.json_file import JsonFile
from wiz_kernel_ext.models.hub_cache import Snapshot, cache_folder, snapshots
from wiz_kernel_ext.models.library_file import LibraryFile
from wiz_kernel_ext.models.locate import locate_model, near_files, shortened
from wiz_kernel_ext.models.names import ModelName, is_path, parse_name
from wiz_kernel_ext.models.places import found_models
from wiz_kernel_ext.models.repo_files import choose, sort_files
from wiz_kernel_ext.protocol.hub import RepoFile

_MAX_ALIAS_STEPS = 8


class ModelNames:
    """Aliases and the default, kept in the library's file."""

    def __init__(
        self,
        file: JsonFile[LibraryFile],
        models_dir: Path | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._file = file
        self._models_dir = models_dir
        self._environment = environment

    def resolve(self, name: str | None, cwd: Path | None = None) -> Path | ModelName:
        """What `name` means: the file of a model that is here, else a model on the hub.

        No name is the default model. "demo", a path (relative ones in `cwd`, then the models
        directory), an alias, and any form of a hub's name are understood, in that order. Raises
        ModelFileNotFound, BadRequest, AmbiguousModel (several here would do).
        """
        unread: StoreError | None = None
        try:
            kept = self._file.read()
        except StoreError as error:
            # The names in it are unknown then; "demo", paths and the hub's names need it not.
            kept, unread = LibraryFile(), error
        if not name:
            if unread is not None:
                raise unread
            if kept.default is None:
                raise BadRequest(
                    "No model is named, and there is no default.",
                    hint="Name one, or set a default: `wiz alias --default NAME`.",
                    field="model",
                )
            name = kept.default
        if "\0" in name:
            raise BadRequest(f"{name!r} is no name.", hint="Give a path or a name.", field="model")
        for _ in range(_MAX_ALIAS_STEPS):
            if (path := self._as_path(name, cwd)) is not None:
                return path
            if name not in kept.aliases:
                break
            name = kept.aliases[name]
        if name.startswith("ollama:"):
            return self._of_ollama(name)
        if is_path(name):
            return locate_model(name, cwd or surroundings.directory(), self._models_dir)
        try:
            hub_name = parse_name(name, hosts=self._hosts())
        except BadRequest as error:
            if "/" in name or ":" in name:
                raise
            if unread is not None:
                raise unread from None
            raise ModelFileNotFound(
                f"There is no model called {shortened(name)!r}: no file, no alias, no repository.",
                hint=self._near(name, kept)
                or f"`wiz models` lists what is here, `wiz search {shortened(name)}` what the hub "
                f"has. {error.info().hint}",
            ) from None
        return self._downloaded(hub_name) or hub_name

    def set_alias(self, alias: str, model: str | None) -> None:
        """Call `model` by the name `alias` from now on; None gives the name up."""
        if alias == "demo" or "/" in alias or ":" in alias or is_path(alias):
            raise BadRequest(
                f"{alias!r} cannot be an alias: it has a meaning.",
                hint="Take another name.",
                field="alias",
            )
        if model is not None:
            self.resolve(model)
        with self._file.changing() as kept:
            if model is None:
                if kept.aliases.pop(alias, None) is None:
                    raise NotFound(f"There is no alias {alias!r}.", hint="`wiz alias` lists them.")
                return
            step: str | None = model
            while step is not None:
                if step == alias:
                    raise BadRequest(
                        f"{alias!r} would stand for itself.",
                        hint="`wiz alias` lists what each name stands for.",
                        field="model",
                    )
                step = kept.aliases.get(step)
            kept.aliases[alias] = model

    def set_default(self, model: str | None) -> None:
        """The model that is meant where none is named; None: none."""
        if model is not None:
            self.resolve(model)
        with self._file.changing() as kept:
            kept.default = model

    def aliases(self) -> dict[str, str]:
        """The user's names, and what each stands for."""
        return dict(self._file.read().aliases)

    def default(self) -> str | None:
        """The model that is meant where none is named."""
        return self._file.read().default

    def _of_ollama(self, name: str) -> Path:
        for found in found_models(None, self._environment):
            if found.name == name:
                return found.path
        raise ModelFileNotFound(
            f"Ollama has no {name.removeprefix('ollama:')} here.",
            hint="`wiz models` lists what is here.",
        )

    def _as_path(self, name: str, cwd: Path | None) -> Path | None:
        if name == "demo":
            return locate_model(name, cwd, self._models_dir)
        base = cwd or surroundings.directory()
        for place in (base or Path(), self._models_dir):
            path = place / os.path.expanduser(name) if place else None  # noqa: PTH111
            if path and (is_file(path) or is_file(Path(f"{path}.gguf"))):
                return locate_model(name, base, self._models_dir)
        return None

    def _near(self, name: str, kept: LibraryFile) -> str | None:
        """A hint at names there are that are nearly this one, or at what lies in the folder of it.

        None where there is none.
        """
        folder = (surroundings.directory() or Path()) / name
        if ggufs := ggufs_in(folder):
            return f"{name} is a folder. Name a file in it: {ggufs}."
        here = [found.name for found in found_models(self._models_dir, self._environment)]
        known = {one.lower(): one for one in [*kept.aliases, *here]}
        known |= {Path(one).stem.lower(): one for one in here if one.lower().endswith(".gguf")}
        near = [known[match] for match in get_close_matches(name.lower(), known, n=2, cutoff=0.6)]
        if near:
            return f"Did you mean {' or '.join(dict.fromkeys(near))}? `wiz models` lists them all."
        return near_files([folder])

    def _hosts(self) -> list[str]:
        env = surroundings.environment() if self._environment is None else self._environment
        return [env.get("HF_ENDPOINT", "").rpartition("://")[2].strip("/")]

    def _downloaded(self, name: ModelName) -> Path | None:
        """The (first) file of a model on the hub that is here, of the revision it names if any.

        Snapshots are versions of one model, not rivals: of those that have it the first counts,
        which is main's, else the newest.
        """
        for snapshot in snapshots(cache_folder(self._environment), name.repo):
            if name.revision in (None, snapshot.commit, *snapshot.revisions) and (
                path := _in_snapshot(name, snapshot)
            ):
                return path
        return None


def _in_snapshot(name: ModelName, snapshot: Snapshot) -> Path | None:
    """The (first) file of the model in one snapshot; raises AmbiguousModel."""
    if name.file:
        path = snapshot.folder / name.file
        return path if is_file(path) else None
    ggufs = snapshot.ggufs()
    files = [RepoFile(path=file, size_bytes=size_of(path)) for file, path in ggufs.items()]
    try:
        model = choose(name, sort_files(name.repo, name.revision, files))
    except NotFound:
        return None
    return ggufs[model.files[0].path]
