"""A checkpoint where a GGUF is needed: converted for `%wiz_load`, or offered where it fails."""

from __future__ import annotations

from wiz_kernel_ext.commands.model_tables import (
    conversion_estimate,
    convertible,
    without_gguf,
)
from wiz_kernel_ext.errors import (
    Conflict,
    HubNotFound,
    WizError,
)
from wiz_kernel_ext.local_paths import located_source
from wiz_kernel_ext.models.names import parse_name
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.magics.notebook_ui import NotebookUI
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub_requests import ConvertModel


def converted(host: MagicHost, name: str, out_type: str) -> str:
    """The GGUF made of the checkpoint `name`, now or before; its path."""
    source = located_source(name)
    request = build(ConvertModel, {"source": source, "out_type": out_type})
    try:
        path: str = NotebookUI(host).follow(host.notebook.client.start(request), name)
    except Conflict as error:
        path = error.details.get("target", "")
        if not path or not _made_of(host, path, name):
            raise Conflict(
                error.message,
                hint=f"Load it: %wiz_load {path}, or make it anew: %wiz_convert with --overwrite.",
                **error.details,
            ) from None
        say(host, f"{name} was converted already.")
    return path


def with_offer(host: MagicHost, name: str, error: HubNotFound) -> HubNotFound:
    """`error`, or what could be done where there is a checkpoint instead of a GGUF."""
    repo = error.details.get("repo")
    if not repo or error.details.get("file"):
        return error
    try:
        listing = host.notebook.client.list_repo(repo)
    except WizError:
        return error
    if listing.not_convertible:
        return HubNotFound(
            without_gguf(listing),
            hint=f"llama.cpp's own converter may take it: %wiz_convert {repo} --llama-cpp CHECKOUT",
            repo=repo,
        )
    if not convertible(listing):
        return error
    return HubNotFound(
        without_gguf(listing),
        hint=f"%wiz_load {name} --convert does that: {conversion_estimate(listing)}.",
        repo=repo,
    )


def _made_of(host: MagicHost, path: str, name: str) -> bool:
    """Whether the GGUF at `path` says that it was made of the repository `name`."""
    try:
        repo = parse_name(name).repo
        metadata = host.notebook.client.inspect(path).metadata
    except WizError:
        return False
    return metadata.get("general.source.repo_url") == f"https://huggingface.co/{repo}"
