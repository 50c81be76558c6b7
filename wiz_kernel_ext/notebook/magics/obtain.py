"""A model's name made one that can be loaded: looked into, and fetched or converted if need be.

Called by `%wiz_load` before it loads.
"""

from __future__ import annotations

from wiz_kernel_ext.commands.model_tables import (
    conversion_estimate,
    convertible,
    fit_line,
    without_gguf,
)
from wiz_kernel_ext.commands.paths import is_checkpoint, located, located_source
from wiz_kernel_ext.errors import (
    AmbiguousModel,
    BadRequest,
    Conflict,
    HubAccessDenied,
    HubNotFound,
    HubUnreachable,
    ModelFileNotFound,
    WizError,
)
from wiz_kernel_ext.models.names import parse_name
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.magics.notebook_ui import NotebookUI, shown
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub import Inspection
from wiz_kernel_ext.protocol.hub_requests import ConvertModel, PullModel


def named(host: MagicHost, given: str | None) -> str:
    """The model that is meant: as given, as configured, or the default; raises BadRequest."""
    name = given or host.model or host.notebook.client.aliases().default
    if not name:
        raise BadRequest(
            "No model is named.",
            hint="%wiz_load demo, the path of a .gguf file, or user/repo.",
            field="model",
        )
    return name


def obtained(host: MagicHost, name: str, context_size: int | None) -> str:
    """What to load for `name`: itself if it is here, else the path it was fetched to.

    Says so where it is too big for this machine. Raises AmbiguousModel, HubNotFound with what a
    repository has instead, and what fetching raises.
    """
    model = located(name)
    if model == "demo":  # bundled, and small: there is nothing to fetch or to warn of
        return model
    client = host.notebook.client
    if any(worker.model_path == model for worker in client.status().workers):
        return model
    if is_checkpoint(name):
        raise ModelFileNotFound(
            f"{name} is the folder of a checkpoint, and no GGUF model.",
            hint=f"%wiz_load {name} --convert makes one of it.",
        )
    found = _looked_into(host, name, model, context_size)
    if found is None:
        return model
    if found.fit is not None and found.fit.verdict == "too big":
        say(host, f"{name} may not run here: {fit_line(found.fit)}")
    if found.path:
        return model
    path: str = NotebookUI(host).follow(client.start(PullModel(model=found.name)), found.name)
    return path


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


def _looked_into(
    host: MagicHost, name: str, model: str, context_size: int | None
) -> Inspection | None:
    try:
        return host.notebook.client.inspect(model, context_size=context_size)
    except AmbiguousModel as error:
        raise shown(host, error) from None
    except HubNotFound as error:
        raise _with_offer(host, name, error) from None
    except (HubAccessDenied, HubUnreachable):
        raise
    except WizError:
        return None  # loading it will say better what is wrong


def _with_offer(host: MagicHost, name: str, error: HubNotFound) -> HubNotFound:
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
