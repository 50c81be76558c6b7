"""A repository's files as models: split groups, quantizations, and what is none by itself.

Pure: given paths and sizes, it says which models there are and which one a name means. It never
picks between equals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wiz_kernel_ext.errors import AmbiguousModel, HubNotFound
from wiz_kernel_ext.models.names import ModelName, check_file_path
from wiz_kernel_ext.protocol.hub import RepoFile, RepoModel, SkippedFile
from wiz_kernel_ext.sizes import size

PREFERRED = (
    "Q4_K_M UD-Q4_K_XL Q4_K_S Q5_K_M Q4_0 IQ4_XS IQ4_NL Q6_K Q8_0".split()  # best compromise first
)
_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_QUANT = re.compile(
    r"(?<![a-z0-9])(?:UD-)?(?:"
    r"I?Q\d(?:_(?:K(?:_(?:XXL|XL|XS|[SML]))?|XXS|XS|NL|[SM01]))?(?:_\d{1,2}_\d{1,2})?|"
    r"BF16|F(?:P)?16|F(?:P)?32|MXFP4(?:_MOE)?|NVFP4|TQ[12]_0)(?![a-z0-9])",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"(?<![a-z])(mmproj|imatrix|mtp|eagle3?|dflash|dspark|draft|vocab|lora|adapter)(?![a-z])",
    re.IGNORECASE,
)
_MAX_PARTS = 1000


@dataclass(frozen=True)
class Sorted:
    """The models of a repository in the order of their size, and the GGUFs that are none."""

    models: list[RepoModel]
    skipped: list[SkippedFile]


def split_parts(path: str) -> list[str] | None:
    """The paths of all parts of the split model that `path` is one part of; None if it is none."""
    match = _SPLIT.match(path)
    if match is None:
        return None
    count = int(match["count"])
    if not 1 <= int(match["part"]) <= count <= _MAX_PARTS:
        return None
    extension = path[-len(".gguf") :]
    return [
        f"{match['stem']}-{part:05d}-of-{match['count']}{extension}" for part in range(1, count + 1)
    ]


def quant_label(path: str) -> str:
    """The quantization a path names, as written by convention ("Q4_K_M"); "" if none."""
    folder, _, base = path.rpartition("/")
    for text in (base.rsplit(".", 1)[0], folder):
        if labels := [match[0] for match in _QUANT.finditer(text)]:
            label = labels[-1].upper()
            return label.replace("FP", "F", 1) if label.startswith("FP") else label
    return ""


def sort_files(repo: str, revision: str | None, files: Sequence[RepoFile]) -> Sorted:
    """The models among `files`; a name that could not be stored anywhere is skipped as such."""
    ggufs = {file.path: file for file in files if file.path.lower().endswith(".gguf")}
    models: list[RepoModel] = []
    skipped: list[SkippedFile] = []
    for path, file in sorted(ggufs.items()):
        parts = split_parts(path)
        if why := _no_model(path):
            skipped.append(SkippedFile(path=path, why=why, size_bytes=file.size_bytes))
        elif parts is None:
            models.append(_model(repo, revision, [file]))
        elif any(part not in ggufs for part in parts):
            skipped.append(SkippedFile(path=path, why="incomplete", size_bytes=file.size_bytes))
        elif path == parts[0]:
            models.append(_model(repo, revision, [ggufs[part] for part in parts]))
    models.sort(key=lambda model: (model.size_bytes, model.files[0].path))
    return Sorted(_named(repo, revision, models), skipped)


def choose(name: ModelName, found: Sorted) -> RepoModel:
    """The one model of a repository that `name` means.

    Raises HubNotFound where there is none, AmbiguousModel with the choices where there are several.
    """
    models = found.models
    if name.file is not None:
        for model in models:
            if any(file.path == name.file for file in model.files):
                return model
        for skipped in found.skipped:
            if skipped.path == name.file:
                raise HubNotFound(
                    f"{name.file} in {name.repo} is no model by itself: {skipped.why}.",
                    hint=_offer(name, models),
                    repo=name.repo,
                    file=name.file,
                )
        raise _none(name, f"no model file {name.file}", models)
    if not models:
        raise _none(name, "no GGUF model", models)
    if name.quant is None:
        return _preferred(name, models)
    matching = [model for model in models if model.quant.lower() == name.quant.lower()]
    if not matching:
        matching = [
            model
            for model in models
            if _stem(model).lower() in (name.quant.lower(), f"{name.quant.lower()}.gguf")
        ]
    if len(matching) > 1:
        raise _ambiguous(name, matching)
    if not matching:
        raise _none(name, f"no {name.quant}", models)
    return matching[0]


def suggested(models: Sequence[RepoModel]) -> RepoModel | None:
    """The model that a repository's name alone means; None where that would be a guess."""
    if len(models) == 1:
        return models[0]
    for label in PREFERRED:
        matching = [model for model in models if model.quant == label]
        if matching:
            return matching[0] if len(matching) == 1 else None
    return None


def _preferred(name: ModelName, models: Sequence[RepoModel]) -> RepoModel:
    model = suggested(models)
    if model is None:
        raise _ambiguous(name, models)
    return model


def _no_model(path: str) -> str:
    try:
        check_file_path(path)
    except ValueError:
        return "its name cannot be stored safely"
    if match := _NO_MODEL.search(path.rpartition("/")[2]):
        return match[1].lower()
    return ""


def _model(repo: str, revision: str | None, files: list[RepoFile]) -> RepoModel:
    return RepoModel(
        name=str(ModelName(repo, revision, None, files[0].path)),
        repo=repo,
        quant=quant_label(files[0].path),
        files=files,
        size_bytes=sum(file.size_bytes for file in files),
    )


def _named(repo: str, revision: str | None, models: list[RepoModel]) -> list[RepoModel]:
    """Models with the short name where their quantization tells them apart."""
    labels = [model.quant.lower() for model in models]
    return [
        RepoModel(
            name=str(ModelName(repo, revision, model.quant)),
            repo=repo,
            quant=model.quant,
            files=model.files,
            size_bytes=model.size_bytes,
        )
        if model.quant and labels.count(model.quant.lower()) == 1
        else model
        for model in models
    ]


def _stem(model: RepoModel) -> str:
    return model.files[0].path.rpartition("/")[2]


def _offer(name: ModelName, models: Sequence[RepoModel]) -> str:
    if not models:
        return (
            f"If it has a safetensors checkpoint, that can be converted: `wiz convert {name.repo}`."
        )
    names = ", ".join(map(_shown, models[:12]))
    return f"There are: {names}{', …' if len(models) > 12 else ''}."


def _shown(model: RepoModel) -> str:
    verdict = f", {model.fit.verdict}" if model.fit else ""
    return f"{model.name} ({size(model.size_bytes)}{verdict})"


def _none(name: ModelName, what: str, models: Sequence[RepoModel]) -> HubNotFound:
    return HubNotFound(
        f"There is {what} in {name.repo}.",
        hint=_offer(name, models),
        repo=name.repo,
        file=name.file,
    )


def _ambiguous(name: ModelName, models: Sequence[RepoModel]) -> AmbiguousModel:
    return AmbiguousModel(
        f"{name} could be any of {len(models)} models.",
        hint=_offer(name, models),
        field="model",
        choices=[
            {
                "name": model.name,
                "quant": model.quant,
                "sizeBytes": model.size_bytes,
                "fit": model.fit.verdict if model.fit else "unknown",
            }
            for model in models
        ],
    )
