"""What there is on a hub: repositories by a search, the models of one, and which one a name means.

Asks through the child process; sorting, choosing and estimating are done here.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.errors import ConversionRefused, GgufInvalid, HubAccessDenied, HubUnreachable
from wiz_kernel_ext.gguf_file.header import Header, read_header
from wiz_kernel_ext.gguf_file.shape import ModelShape, model_shape
from wiz_kernel_ext.gguf_file.source import FileSource
from wiz_kernel_ext.hub.fetch import tasks as m
from wiz_kernel_ext.hub.offline import cached_contents, cached_hits
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.making.convert import check_supported
from wiz_kernel_ext.models.fit import Use, estimate_by_size
from wiz_kernel_ext.models.hub_cache import cached_files
from wiz_kernel_ext.models.machine import Machine, this_machine
from wiz_kernel_ext.models.names import ModelName, parse_name
from wiz_kernel_ext.models.repo_files import Sorted, choose, sort_files, suggested
from wiz_kernel_ext.protocol.hub import RepoHit, RepoListing, RepoModel

Environment = Mapping[str, str] | None


async def search(
    text: str,
    *,
    limit: int = 20,
    fits: bool = False,
    context_size: int | None = None,
    environment: Environment = None,
) -> list[RepoHit]:
    """Repositories with GGUF files that `text` finds, most downloaded first.

    With `fits` each hit has its models, and hits with none that runs here (fits or tight, for
    `context_size` tokens) are left out. In offline mode what is in the cache is searched. Raises
    HubUnreachable, HubAccessDenied.
    """
    task = m.Search(text=text, limit=limit, with_files=fits)
    try:
        found = await run_task(task, list[m.Found], environment=environment)
    except HubUnreachable as error:
        if not error.details.get("offline"):
            raise
        found = (await asyncio.to_thread(cached_hits, text, environment))[:limit]
    if not fits:
        return [one.hit for one in found]
    machine, use = this_machine(), Use(context_size=context_size)
    hits = []
    for one in found:
        files = one.contents.files if one.contents else []
        models = _with_fit(
            sort_files(one.hit.repo, None, files).models, machine, use, None, environment
        )
        if any(model.fit and model.fit.verdict in ("fits", "tight") for model in models):
            hits.append(msgspec.structs.replace(one.hit, models=models))
    return hits


async def list_repo(
    repo: str, context_size: int | None = None, *, environment: Environment = None
) -> RepoListing:
    """The models of a repository (any form of its name), with sizes and verdicts.

    Where the hub does not answer: those that are in the cache. Raises BadRequest, HubNotFound,
    HubAccessDenied, HubUnreachable.
    """
    name = parse_name(repo)
    with tempfile.TemporaryDirectory(prefix="wiz-header-") as folder:
        skeleton = Path(folder) / "model.gguf"
        try:
            contents = await _contents(name, skeleton, environment)
        except (GgufInvalid, HubAccessDenied):
            # Files that are broken or gated have no header to show, but names and sizes.
            contents = await _contents(name, None, environment)
        except HubUnreachable:
            cached = await asyncio.to_thread(cached_contents, name, environment)
            if cached is None:
                raise
            contents = cached
        header = await asyncio.to_thread(_header_of, skeleton)
        not_convertible = await asyncio.to_thread(_not_convertible, skeleton.parent)
    shape = model_shape(header) if header else None
    found = sort_files(name.repo, name.revision, contents.files)
    models = _with_fit(
        found.models, this_machine(), Use(context_size=context_size), shape, environment
    )
    best = suggested(models)
    return RepoListing(
        repo=name.repo,
        revision=name.revision or "main",
        commit=contents.commit,
        models=models,
        suggested=best.name if best else None,
        skipped=found.skipped,
        safetensors_bytes=sum(
            file.size_bytes for file in contents.files if file.path.endswith(".safetensors")
        ),
        has_config=any(file.path == "config.json" for file in contents.files),
        not_convertible=not_convertible,
        n_ctx_train=shape.n_ctx_train if shape else 0,
        gated=contents.gated,
        private=contents.private,
        licence=contents.licence,
        page=page_of(name.repo, environment),
        from_cache=contents.from_cache,
    )


async def find_model(
    name: ModelName,
    *,
    cancelled: asyncio.Event | None = None,
    environment: Environment = None,
) -> RepoModel:
    """The one model on the hub that `name` means; raises HubNotFound, AmbiguousModel."""
    contents = await _contents(name, None, environment, cancelled)
    return choose(name, _fitted(name, contents, None, environment))


async def find_header(
    name: ModelName, skeleton: Path, *, environment: Environment = None
) -> tuple[RepoModel, Header]:
    """The one model that `name` means, and the header of its (first) file, kept at `skeleton`."""
    contents = await _contents(name, skeleton, environment)
    header = await asyncio.to_thread(_header_of, skeleton)
    shape = model_shape(header) if header else None
    model = choose(name, _fitted(name, contents, shape, environment))
    # A repository without models has no header, and `choose` has said so.
    assert header is not None
    return model, header


def page_of(repo: str, environment: Environment = None) -> str:
    """Where to look at a repository."""
    environment = surroundings.environment() if environment is None else environment
    endpoint = environment.get("HF_ENDPOINT") or "https://huggingface.co"
    return f"{surroundings.shown(endpoint)}/{repo}"


async def _contents(
    name: ModelName,
    skeleton: Path | None,
    environment: Environment,
    cancelled: asyncio.Event | None = None,
) -> m.RepoContents:
    task = m.ListRepo(
        repo=name.repo,
        revision=name.revision,
        quant=name.quant,
        file=name.file,
        skeleton=str(skeleton) if skeleton else None,
    )
    return await run_task(task, m.RepoContents, cancelled=cancelled, environment=environment)


def _fitted(
    name: ModelName, contents: m.RepoContents, shape: ModelShape | None, environment: Environment
) -> Sorted:
    found = sort_files(name.repo, name.revision, contents.files)
    return Sorted(_with_fit(found.models, this_machine(), Use(), shape, environment), found.skipped)


def _with_fit(
    models: Sequence[RepoModel],
    machine: Machine,
    use: Use,
    shape: ModelShape | None,
    environment: Environment,
) -> list[RepoModel]:
    return [
        msgspec.structs.replace(
            model,
            downloaded=cached_files(model.repo, [f.path for f in model.files], environment)
            is not None,
            fit=estimate_by_size(model.size_bytes, model.quant, machine, use, shape=shape),
        )
        for model in models
    ]


def _not_convertible(folder: Path) -> str:
    """Why the checkpoint of the configuration there cannot be converted; "" if it can, or none."""
    if not (folder / m.CONFIG).exists():
        return ""
    try:
        check_supported(folder)
    except ConversionRefused as refusal:
        return str(refusal.details.get("reason", ""))
    return ""


def _header_of(skeleton: Path) -> Header | None:
    if not skeleton.exists():
        return None
    with FileSource(skeleton) as source:
        return read_header(source)
