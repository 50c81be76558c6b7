"""`load`: have a model ready; a notebook does it in `notebook/magics/load.py`, with its session."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from wiz_kernel_ext.commands.command import (
    NOTEBOOK,
    Command,
    Face,
    KnownNames,
    Parser,
    UserInterface,
)
from wiz_kernel_ext.commands.definitions.convert import OUT_TYPE
from wiz_kernel_ext.commands.flags import (
    add_flags,
    context_flags,
    given,
    model_flags,
    prompt_flags,
)

T = TypeVar("T")


def arguments(parser: Parser, face: Face) -> None:
    """MODEL, and how to load it."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a .gguf file, demo, an alias, or a name on the hub",
    )
    parser.add_argument(
        "--convert",
        nargs="?",
        const="bf16",
        type=OUT_TYPE.read,
        metavar="TYPE",
        help="make a GGUF of a safetensors checkpoint first (bf16)",
    )
    parser.add_argument(
        "--reload", action="store_true", help="load it anew where it is loaded with other options"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="also where it takes more memory than is free"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what it would take and where; load nothing"
    )
    add_flags(parser, {**context_flags(), **model_flags()}.values())
    if face == "notebook":  # elsewhere no conversation begins that would have them
        add_flags(parser, [prompt_flags()["adapters"]])


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Have the model ready, for whoever prompts next; no conversation begins."""
    from wiz_kernel_ext.local_paths import located, located_source
    from wiz_kernel_ext.protocol.codec import build
    from wiz_kernel_ext.protocol.hub_requests import ConvertModel
    from wiz_kernel_ext.protocol.requests import Load

    name = arguments.model
    wish = given(arguments, {**context_flags(), **model_flags()}.values())
    for other in ("draft", "projector"):
        if other in wish:
            wish[other] = located(wish[other])
    if arguments.dry_run:
        return planned(ui, arguments, located(name) if name else None, wish)
    if name and arguments.convert:
        convert = ConvertModel(source=located_source(name), out_type=arguments.convert)
        model = ui.follow(ui.client.start(convert), name)
    else:
        model = located(name) if name else None
    title = name or "the default model"

    def load(anyway: bool) -> Any:
        fields = {"model": model, "fetch": True, "reload": arguments.reload, "anyway": anyway}
        return ui.follow(ui.client.start(build(Load, {**fields, **wish})), title)

    return asked_about(load, ui.confirm, anyway=arguments.anyway)


def planned(
    ui: UserInterface, arguments: argparse.Namespace, model: str | None, wish: dict[str, Any]
) -> Any:
    """Show what a load as wished would do; returns the plan."""
    from wiz_kernel_ext.commands.plan_tables import plan_line, plan_tables
    from wiz_kernel_ext.errors import BadRequest
    from wiz_kernel_ext.protocol.codec import build
    from wiz_kernel_ext.protocol.requests import PlanLoad

    if arguments.convert:
        raise BadRequest(
            "What is to be made of a checkpoint has no header to work a plan out from yet.",
            hint="Convert it first: `wiz convert`.",
        )
    fields = {name: wish[name] for name in PlanLoad.__struct_fields__ if name in wish}
    request = build(PlanLoad, {"model": model, "anyway": arguments.anyway, **fields})
    plan = ui.client.request(request)
    ui.show(plan_line(plan), plan_tables(plan))
    return plan


def asked_about(
    load: Callable[[bool], T], confirm: Callable[[str], bool | None], *, anyway: bool
) -> T:
    """What `load` returns; where it needs more memory than is free, the user is asked first.

    Raises NotEnoughMemory where the user says no, or nobody can be asked.
    """
    from wiz_kernel_ext.errors import NotEnoughMemory

    try:
        return load(anyway)
    except NotEnoughMemory as error:
        if not confirm(f"{error} Load it all the same? [y/N] "):
            raise
    return load(True)


def completes(words: list[str], known: KnownNames) -> list[str]:
    """Models on this machine."""
    return sorted({"demo", *known.model_files(), *known.library()})


COMMAND = Command(
    help="load a GGUF model into a process of its own, or share it where it is loaded",
    more="""A model of the hub that is not on this machine is downloaded first.

        {0}load demo
        {0}load models/mine.gguf --ctx 8k --threads 4 --keep-alive 2h
        {0}load Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M
        {0}load Qwen/Qwen2.5-0.5B-Instruct --convert q8_0
        {0}load models/mine.gguf --ctx 32k --dry-run""",
    notebook_help="""It stays there when this kernel restarts. Prompts then go to it, in this
    notebook's session.

    Defaults: %config WizMagics.context_size = 8192""",
    notebook_usage="%(prog)s [MODEL] [options]",
    arguments=arguments,
    run=run,
    own_file=NOTEBOOK,
    completes=completes,
)
