"""Where models lie on this machine: the hub's cache, our own directory, other tools' places.

Reads only. Each place gives its models as files with a name; what is in the files is not looked at.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.folders import files_below, is_file, size_of
from wiz_kernel_ext.models.hub_cache import cache_folder, snapshots
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.models.repo_files import quant_label, sort_files, split_parts
from wiz_kernel_ext.protocol.hub import Origin, RepoFile

_MODEL_LAYER = "application/vnd.ollama.image.model"
_MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """A model's files in order, and the name it can be asked for by."""

    name: str
    origin: Origin
    paths: list[Path]
    quant: str = ""
    repo: str | None = None
    files: list[str] = field(default_factory=list)
    commit: str | None = None
    revision: str | None = None

    @property
    def path(self) -> Path:
        """What to load."""
        return self.paths[0]

    @property
    def size_bytes(self) -> int:
        """The bytes of all its files."""
        return sum(map(size_of, self.paths))


def found_models(
    models_dir: Path | None,
    environment: Mapping[str, str] | None = None,
    used: Iterable[str] = (),
) -> Iterator[FoundModel]:
    """Every model of every place, each file once; `used` are paths of others that were loaded."""
    env = surroundings.environment() if environment is None else environment
    home = Path(env.get("HOME") or Path.home())
    seen: set[str] = set()
    for model in [
        *_demo(),
        *(_in_folder(models_dir, "models") if models_dir else ()),
        *hub_models(cache_folder(env)),
        *_lm_studio(home),
        *_llama_cpp(home, env),
        *_ollama(home, env),
        *_elsewhere(used),
    ]:
        real = os.path.realpath(model.path)
        if real not in seen:
            seen.add(real)
            yield model


def _demo() -> Iterator[FoundModel]:
    from wiz_kernel_ext.demo import model_path

    if (path := model_path()).is_file():
        yield FoundModel(name="demo", origin="demo", paths=[path])


def hub_models(cache: Path, repo: str | None = None) -> Iterator[FoundModel]:
    """The models in the hub's cache, or those of one repository."""
    names: set[str] = set()
    for snapshot in snapshots(cache, repo):
        ggufs = snapshot.ggufs()
        files = [RepoFile(path=name, size_bytes=size_of(path)) for name, path in ggufs.items()]
        on_main = "main" in snapshot.revisions or not snapshot.revisions
        revision = None if on_main else snapshot.revisions[0]
        for model in sort_files(snapshot.repo, revision, files).models:
            name = model.name
            if name in names:
                # An older version of one listed already: only its commit tells it apart.
                name = str(ModelName(snapshot.repo, snapshot.commit, None, model.files[0].path))
            names.add(name)
            yield FoundModel(
                name=name,
                origin="hub",
                paths=[ggufs[file.path] for file in model.files],
                quant=model.quant,
                repo=snapshot.repo,
                files=[file.path for file in model.files],
                commit=snapshot.commit,
                revision=snapshot.revisions[0] if snapshot.revisions else None,
            )


def _lm_studio(home: Path) -> Iterator[FoundModel]:
    for place in (home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"):
        yield from _in_folder(place, "lm-studio")


def _llama_cpp(home: Path, env: Mapping[str, str]) -> Iterator[FoundModel]:
    cache = env.get("LLAMA_CACHE") or f"{env.get('XDG_CACHE_HOME') or home / '.cache'}/llama.cpp"
    yield from _in_folder(Path(cache), "llama.cpp")


def _in_folder(folder: Path, origin: Origin) -> Iterator[FoundModel]:
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in files_below(folder)
        if path.suffix.lower() == ".gguf" and not path.name.startswith(".")
    }
    files = [RepoFile(path=name, size_bytes=size_of(path)) for name, path in paths.items()]
    for model in sort_files("local/files", None, files).models:
        first = model.files[0].path
        yield FoundModel(
            # A name in our directory is looked up there; others are known by their place.
            name=first if origin == "models" else str(paths[first]),
            origin=origin,
            paths=[paths[file.path] for file in model.files],
            quant=model.quant,
        )


def _elsewhere(used: Iterable[str]) -> Iterator[FoundModel]:
    """Models that were loaded by their paths and are there still."""
    for path in map(Path, sorted(used)):
        parts = split_parts(path.name) or [path.name]
        paths = [path.with_name(part) for part in parts]
        if all(is_file(part) for part in paths):
            quant = quant_label(path.name)
            yield FoundModel(name=str(path), origin="path", paths=paths, quant=quant)


def _ollama(home: Path, env: Mapping[str, str]) -> Iterator[FoundModel]:
    root = Path(env.get("OLLAMA_MODELS") or home / ".ollama" / "models")
    manifests = root / "manifests"
    for manifest in files_below(manifests):
        digest = _model_digest(manifest)
        path = root / "blobs" / f"sha256-{digest}"
        parts = manifest.relative_to(manifests).parts
        if digest and is_file(path) and len(parts) > 1:
            *where, name, tag = parts
            # Its own library needs no host and no owner.
            owner = "" if where[-1:] in ([], ["library"]) else f"{where[-1]}/"
            yield FoundModel(name=f"ollama:{owner}{name}:{tag}", origin="ollama", paths=[path])


def _model_digest(manifest: Path) -> str:
    try:
        if size_of(manifest) > _MAX_MANIFEST_BYTES:
            return ""
        layers = json.loads(manifest.read_bytes())["layers"]
        digests = [layer["digest"] for layer in layers if layer["mediaType"] == _MODEL_LAYER]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    match = re.fullmatch(r"sha256:([0-9a-f]{64})", str(digests[0])) if digests else None
    return match[1] if match else ""
