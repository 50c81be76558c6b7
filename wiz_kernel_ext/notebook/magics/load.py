"""`%wiz_load`: climb the ladder model → context → session in one step."""

from __future__ import annotations

import argparse
import time

from wiz_kernel_ext.commands.flags import given
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.defaults import CONTEXT, MODEL
from wiz_kernel_ext.notebook.magics.host import MagicHost
from wiz_kernel_ext.notebook.magics.obtain import converted, named, obtained
from wiz_kernel_ext.notebook.views.load import LoadView, about_session
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_load MODEL [options]`."""
    load = {"reload": arguments.reload, **host.over(MODEL, given(arguments, MODEL.values()))}
    context = host.over(CONTEXT, given(arguments, CONTEXT.values()))
    name = named(host, arguments.model)
    if arguments.convert:
        model_path = converted(host, name, arguments.convert)
    else:
        model_path = obtained(host, name, context.get("context_size"))
    request = build(LoadModel, {"model_path": model_path, **load})
    view = LoadView(host.screen, name, time.monotonic)
    view.begin()
    try:
        model = _loaded(host, request, view)
        context = {"model_path": model.model_path, "reload": arguments.reload, **context}
        made = host.notebook.client.request(build(CreateContext, context), ContextInfo)
        session, known = host.notebook.open_session(host.session or None)
    except (WizError, KeyboardInterrupt):
        view.say("not loaded")
        raise
    view.end(model, made, about_session(session, known=known))


def _loaded(host: MagicHost, request: LoadModel, view: LoadView) -> ModelInfo:
    operation = host.notebook.client.start(request)
    try:
        for events in operation.batches(INTERVAL_S):
            view.take(events)
        model: ModelInfo = operation.result()
    except KeyboardInterrupt:
        if not host.notebook.leaving():
            operation.cancel()
        raise
    return model
