"""`%wiz_load`: climb the ladder model → context → session in one step."""

from __future__ import annotations

import time

from wiz_kernel_ext.cli.flags import given
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.defaults import CONTEXT, MODEL
from wiz_kernel_ext.notebook.magics.desk import Desk
from wiz_kernel_ext.notebook.magics.lines import LOAD
from wiz_kernel_ext.notebook.magics.obtain import converted, named, obtained
from wiz_kernel_ext.notebook.views.loading import LoadView, about_session
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo


def run(desk: Desk, line: str) -> None:
    """`%wiz_load MODEL [options]`."""
    arguments = LOAD.parse_line(line)
    load = {"reload": arguments.reload, **desk.over(MODEL, given(arguments, MODEL.values()))}
    context = desk.over(CONTEXT, given(arguments, CONTEXT.values()))
    name = named(desk, arguments.model)
    if arguments.convert:
        model_path = converted(desk, name, arguments.convert)
    else:
        model_path = obtained(desk, name, context.get("context_size"))
    request = build(LoadModel, {"model_path": model_path, **load})
    view = LoadView(desk.screen, name, time.monotonic)
    view.begin()
    try:
        model = _loaded(desk, request, view)
        context = {"model_path": model.model_path, "reload": arguments.reload, **context}
        made = desk.notebook.client.request(build(CreateContext, context), ContextInfo)
        session, known = desk.notebook.open_session(desk.session or None)
    except (WizError, KeyboardInterrupt):
        view.say("not loaded")
        raise
    view.end(model, made, about_session(session, known=known))


def _loaded(desk: Desk, request: LoadModel, view: LoadView) -> ModelInfo:
    operation = desk.notebook.client.start(request)
    try:
        for events in operation.batches(INTERVAL_S):
            view.take(events)
        model: ModelInfo = operation.result()
    except KeyboardInterrupt:
        if not desk.notebook.leaving():
            operation.cancel()
        raise
    return model
