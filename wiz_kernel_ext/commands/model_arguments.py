"""What each command about models takes: the same for `%wiz_pull` and `jupyter wiz pull`.

Knows argparse and the requests. `notebook/magics/arguments.py` and `cli/main.py` build their
parsers from this table; `commands/model_commands.py` has what each command does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from wiz_kernel_ext.commands.flags import add_flags, bytes_per_s, flags
from wiz_kernel_ext.protocol.hub_requests import (
    ConvertModel,
    PullModel,
    QuantizeModel,
    SearchHub,
)

Parser = argparse._ActionsContainer

SEARCH_FLAGS = flags(SearchHub, {"fits": "fits", "context_size": "ctx", "limit": "limit"})
CONVERT_FLAGS = flags(
    ConvertModel,
    {
        "out_type": "type",
        "output": "output",
        "llama_cpp": "llama-cpp",
        "overwrite": "overwrite",
    },
)
PULL_FLAGS = flags(PullModel, {"update": "update"})
QUANTIZE_FLAGS = flags(QuantizeModel, {"output": "output", "overwrite": "overwrite"})
OUT_TYPE = CONVERT_FLAGS["out_type"]
CONTEXT_SIZE = SEARCH_FLAGS["context_size"]


@dataclass(frozen=True)
class Line:
    """A command: its help, how it takes its arguments, whether what it tells can be had as JSON."""

    help: str
    more: str
    add: Callable[[Parser], None]
    lists: bool = False


def _search(parser: Parser) -> None:
    parser.add_argument("text", nargs="+", metavar="TEXT", help="words, or one repository")
    add_flags(parser, SEARCH_FLAGS.values())


def _model(parser: Parser, help: str = "any name of a model, or a path") -> None:
    parser.add_argument("model", metavar="MODEL", help=help)


def _pull(parser: Parser) -> None:
    _model(parser, "user/repo, user/repo:QUANT, user/repo/file.gguf, or a web address")
    add_flags(parser, PULL_FLAGS.values())
    parser.add_argument(
        "--limit-rate", type=_rate, metavar="RATE", help="the most per second, like 5MB"
    )


def _models(parser: Parser) -> None:
    parser.add_argument("--check", action="store_true", help="ask the hub which have newer ones")


def _rm(parser: Parser) -> None:
    _model(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _convert(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="user/repo, or a folder")
    add_flags(parser, CONVERT_FLAGS.values())


def _quantize(parser: Parser) -> None:
    _model(parser)
    parser.add_argument("quant", metavar="QUANT", help="Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, IQ4_XS …")
    add_flags(parser, QUANTIZE_FLAGS.values())


def _inspect(parser: Parser) -> None:
    _model(parser)
    add_flags(parser, [CONTEXT_SIZE])


def _alias(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the short name")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="what it stands for")
    parser.add_argument("--remove", metavar="NAME", help="give a name up")
    parser.add_argument("--default", metavar="MODEL", help="what is meant where none is named")
    parser.add_argument("--no-default", action="store_true", help="have no default")


def _collections(parser: Parser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="ACTION", help="add NAME SOURCE, remove NAME, or refresh"
    )


def _rate(text: str) -> float:
    try:
        return bytes_per_s(text)
    except ValueError:
        what = f"takes bytes per second like 500KB or 5MB, not {text!r}"
        raise argparse.ArgumentTypeError(what) from None


LINES: dict[str, Line] = {
    "search": Line(
        "find models on the hub, or list what a repository has",
        """With TEXT, repositories with GGUF files; with user/repo, the models in it: quant, size,
    and whether each fits this machine.

        {0}search qwen2.5 instruct --fits --ctx 8192
        {0}search Qwen/Qwen2.5-1.5B-Instruct-GGUF""",
        _search,
        lists=True,
    ),
    "pull": Line(
        "download a model",
        """It lands in the standard Hugging Face cache, verified. The download is the service's:
    it goes on when the kernel restarts, and where it stopped when it was cut off.

        {0}pull Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M""",
        _pull,
    ),
    "models": Line("list the models on this machine", "", _models, lists=True),
    "rm": Line(
        "delete a model's files",
        "Shows what that frees, and asks first. Where nobody can be asked it needs --yes.",
        _rm,
    ),
    "convert": Line(
        "make a GGUF of a safetensors checkpoint",
        """SOURCE is fetched first where it is a repository. A plain name for --output is put into
    the models directory. --llama-cpp names a llama.cpp checkout whose converter does it.

        {0}convert Qwen/Qwen2.5-0.5B-Instruct --type q8_0""",
        _convert,
    ),
    "quantize": Line(
        "make a smaller GGUF of a large one",
        """A plain name for --output is put into the models directory.

        {0}quantize Qwen2.5-0.5B-Instruct-BF16.gguf Q4_K_M""",
        _quantize,
    ),
    "verify": Line("compare a model's files with their sha256", "", _model),
    "inspect": Line(
        "show what a GGUF says of itself, here or on the hub",
        "Nothing is loaded; of a remote file only the header is read.",
        _inspect,
        lists=True,
    ),
    "alias": Line(
        "call a model by a short name",
        """Without arguments: the names there are.

        {0}alias small Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M
        {0}alias --default small""",
        _alias,
        lists=True,
    ),
    "collections": Line(
        "keep lists of models: a team's file, or a collection on the hub",
        """Without arguments: the collections there are.

        {0}collections add team ~/team-models.txt
        {0}collections refresh
        {0}collections remove team""",
        _collections,
        lists=True,
    ),
}


def convert_flag(parser: Parser) -> None:
    """`--convert [TYPE]`, for loading."""
    parser.add_argument(
        "--convert",
        nargs="?",
        const="bf16",
        type=OUT_TYPE.read,
        metavar="TYPE",
        help="make a GGUF of a safetensors checkpoint first (bf16)",
    )
