"""`%wiz_load`: have a model ready, in one request."""

from __future__ import annotations

import argparse
import time

from wiz_kernel_ext.commands.definitions.load import asked_about, planned
from wiz_kernel_ext.commands.flags import given, prompt_flags
from wiz_kernel_ext.errors import AmbiguousModel, HubNotFound, ModelFileNotFound, WizError
from wiz_kernel_ext.local_paths import is_checkpoint, located
from wiz_kernel_ext.notebook.defaults import CONTEXT, MODEL
from wiz_kernel_ext.notebook.follow import drawn
from wiz_kernel_ext.notebook.magics.conversion import converted, with_offer
from wiz_kernel_ext.notebook.magics.host import MagicHost
from wiz_kernel_ext.notebook.magics.notebook_ui import NotebookUI, shown
from wiz_kernel_ext.notebook.views.load import LoadView, about_session
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.requests import Load
from wiz_kernel_ext.protocol.results import Loaded


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_load MODEL [options]`."""
    name = arguments.model or host.model or None
    wish = {
        **host.over(MODEL, given(arguments, MODEL.values())),
        **host.over(CONTEXT, given(arguments, CONTEXT.values())),
    }
    for other in ("draft", "projector"):
        if other in wish:
            wish[other] = located(wish[other])
    if arguments.dry_run:
        planned(NotebookUI(host), arguments, located(name) if name else None, wish)
        return
    fields = {
        "model": _model(host, name, arguments.convert),
        "fetch": True,
        "reload": arguments.reload,
        **wish,
        **given(arguments, [prompt_flags()["adapters"]]),
        **host.notebook.session_fields(host.session or None),
    }
    view = LoadView(host.screen, name or "the default model", time.monotonic)
    view.begin()

    def load(anyway: bool) -> Loaded:
        return _followed(host, build(Load, {**fields, "anyway": anyway}), view)

    try:
        loaded = asked_about(load, host.notebook.confirm, anyway=arguments.anyway)
    except AmbiguousModel as error:
        view.say("not loaded")
        raise shown(host, error) from None
    except HubNotFound as error:
        view.say("not loaded")
        raise with_offer(host, name or "", error) from None
    except (WizError, KeyboardInterrupt):
        view.say("not loaded")
        raise
    assert loaded.session is not None
    host.notebook.loaded(loaded.model.model_path)
    known = host.notebook.saw(loaded.session)
    view.end(loaded, about_session(loaded.session, known=known))


def _model(host: MagicHost, name: str | None, out_type: str | None) -> str | None:
    """What to ask for: a file's path as it is from here, or any other name."""
    if name is None:
        return None
    if out_type:
        return converted(host, name, out_type)
    if is_checkpoint(name):
        raise ModelFileNotFound(
            f"{name} is the folder of a checkpoint, and no GGUF model.",
            hint=f"%wiz_load {name} --convert makes one of it.",
        )
    return located(name)


def _followed(host: MagicHost, request: Load, view: LoadView) -> Loaded:
    operation = host.notebook.client.start(request)
    loaded: Loaded = drawn(operation, view, host.notebook.leaving)
    return loaded
