"""The sandbox a chat template runs in: jinja2's immutable one, where nothing makes much of little.

A stranger's template is a program. It may look at what it is given and write text; every operator,
filter and method that could take unbounded memory or time in one step is bounded here or missing,
and nothing is computed while it is compiled. How long it all may take is `template.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension
from jinja2.filters import FILTERS, do_batch, do_round, sync_do_slice
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace

SIZE_LIMIT = 8_000_000
"""The most characters (or items) of anything a template makes."""
MADE_LIMIT = 100_000_000
"""The most characters and items it may make on its way, all together."""
_NODE_LIMIT = 250_000
_MAX_BITS = 1 << 16
_MAX_WIDTH = 10_000

# Filters that read their value as text, compare it or write all of it: its size counts.
_WHOLE = (
    "abs", "capitalize", "dictsort", "e", "escape", "float", "groupby", "int", "lower", "max",
    "min", "safe", "sort", "string", "title", "trim", "truncate", "unique", "upper",
    "wordcount",
)  # fmt: skip
_PARTS = (
    "count", "d", "default", "first", "items", "last", "length", "list", "map", "random",
    "reject", "rejectattr", "reverse", "select", "selectattr",
)  # fmt: skip
_COMPARING = ("==", "!=", "<", "<=", ">", ">=", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt",
              "greaterthan", "ge", "in", "lower", "upper")  # fmt: skip
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower "
        "isnumeric isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind "
        "rindex rpartition rsplit rstrip split splitlines startswith strip swapcase title upper "
        "center join ljust replace rjust zfill".split()
    ),
    Mapping: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
}


class TemplateTooCostly(TemplateError):
    """A template that ran too long or made too much."""


class Generation(Extension):
    """`{% generation %}` marks the assistant's part for training: here it is only its content."""

    tags = {"generation"}  # noqa: RUF012 - an instance variable where it is declared

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Only what is inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Compiler(CodeGenerator):
    """jinja2's compiler, which computes nothing itself and has comparisons measured."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:  # noqa: N802
        self.fail("autoescape is not for texts", node.lineno)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("(")
        self._measured(node.expr, frame)
        for operand in node.ops:
            self.visit(operand, frame)
        self.write(")")

    def visit_Operand(self, node: nodes.Operand, frame: Frame) -> None:  # noqa: N802
        words = {"eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}
        self.write(f" {words.get(node.op) or {'in': 'in', 'notin': 'not in'}[node.op]} ")
        self._measured(node.expr, frame)

    def _measured(self, node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.measured(")
        self.visit(node, frame)
        self.write(")")


class Sandbox(ImmutableSandboxedEnvironment):
    """Where templates are compiled and run, one at a time: `begin` before each run."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    code_generator_class = _Compiler

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, optimized=False, finalize=self.measured
        )
        self.add_extension("jinja2.ext.loopcontrols")
        self.add_extension(Generation)
        self.filters = {
            **{name: FILTERS[name] for name in _PARTS},
            **{name: self._on_measured(FILTERS[name]) for name in _WHOLE},
            "batch": _in_parts(do_batch),
            "slice": _in_parts(sync_do_slice),
            "attr": self.getattr,
            "indent": self._indent,
            "join": self._join,
            "round": _round,
            "replace": self._replace,
            "sum": self._sum,
            "tojson": self._to_json,
        }
        comparing: dict[str, Any] = {name: TESTS[name] for name in _COMPARING}
        measured = {name: self._on_measured(test) for name, test in comparing.items()}
        self.tests = {**TESTS, **measured}
        self.globals.pop("lipsum")
        self.concat = self.joined  # type: ignore[method-assign]
        self._made = 0

    def begin(self) -> None:
        """Forget what another run made."""
        self._made = 0

    def spend(self, size: float) -> None:
        """Count what is about to be made; raises TemplateTooCostly."""
        self._made += int(size)
        if size > SIZE_LIMIT or self._made > MADE_LIMIT:
            raise TemplateTooCostly(f"it makes more than {SIZE_LIMIT:,} characters")

    def measured(self, value: Any) -> Any:
        """`value`, if to write or to compare it is no endless work; raises TemplateTooCostly."""
        if isinstance(value, str | int | float | None):
            return value
        left, n_nodes, n_chars = [value], 0, 0
        while left:
            one = left.pop()
            n_nodes += 1
            if isinstance(one, Mapping):
                left += one.keys()
                left += one.values()
            elif isinstance(one, list | tuple | set | frozenset):
                left += one
            elif isinstance(one, str):
                n_chars += len(one)
            elif isinstance(one, Namespace):
                raise TemplateTooCostly("it writes a namespace")
            if n_nodes + len(left) > _NODE_LIMIT or n_chars > SIZE_LIMIT:
                raise TemplateTooCostly(f"it writes more than {SIZE_LIMIT:,} characters")
        return value

    def joined(self, parts: Iterable[Any]) -> str:
        """What `~` makes, and the text of a block."""
        texts = [part if isinstance(part, str) else str(self.measured(part)) for part in parts]
        self.spend(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`, bounded."""
        if operator == "%" and isinstance(left, str):
            raise TemplateTooCostly("it formats with %")
        if operator == "**" and (abs(left) > 1e6 or abs(right) > 64):
            raise TemplateTooCostly("it raises to too high a power")
        sizes = [len(value) for value in (left, right) if hasattr(value, "__len__")]
        if operator == "+" and sizes:
            self.spend(sum(sizes))
        elif operator == "*" and sizes:
            times = [value for value in (left, right) if isinstance(value, int)]
            self.spend(max(sizes) * max([0, *times]))
        elif operator == "*":
            bits = [value.bit_length() for value in (left, right) if isinstance(value, int)]
            if sum(bits) > _MAX_BITS:
                raise TemplateTooCostly("it makes too large a number")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute; of `str.format`, which writes any width, a bounded one."""
        if isinstance(obj, str) and attribute in ("format", "format_map"):
            return partial(self._format, obj)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, or else an attribute of that name."""
        if isinstance(obj, str) and isinstance(argument, str):
            return self.getattr(obj, argument)
        return super().getitem(obj, argument)

    def _format(self, text: str, *args: Any, **kwargs: Any) -> str:
        if ":" in text or "!" in text or "." in text or "[" in text:
            raise TemplateTooCostly("it formats with more than names")
        values = [str(self.measured(value)) for value in (*args, *kwargs.values())]
        self.spend(len(text) + text.count("{") * max(map(len, values), default=0))
        return text.format(*args, **kwargs)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call a function or a method, if it is one that templates need; bounded."""
        owner = getattr(__obj, "__self__", None)
        for kind, names in _METHODS.items():
            if isinstance(owner, kind):
                if __obj.__name__ not in names:
                    raise TemplateTooCostly(
                        f"it calls {__obj.__name__}, which is not for templates"
                    )
                if isinstance(owner, str):
                    args = __self._for_method(owner, __obj.__name__, args)
                break
        else:
            if isinstance(owner, int | float | bytes):
                raise TemplateTooCostly(f"it calls {__obj.__name__}, which is not for templates")
        return super().call(__context, __obj, *args, **kwargs)

    def _for_method(self, text: str, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of a method of `text`, once what it makes is counted."""
        if name in ("center", "ljust", "rjust", "zfill"):
            self.spend(max(len(text), int(args[0])))
        elif name == "join" and args:
            items = self.measured(list(args[0]))
            self.spend(sum(map(len, items)) + len(text) * len(items))
            return (items, *args[1:])
        elif name == "replace" and len(args) > 1:
            self.spend(_replaced_size(text, *args[:2]))
        else:
            self.spend(len(text))
        return args

    def _on_measured(self, filter: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(filter)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            # The first one or two are the environment or context for some.
            for value in args:
                self.measured(value)
            if args and isinstance(args[-1], str):
                self.spend(len(args[-1]))
            return filter(*args, **kwargs)

        return bounded

    def _indent(
        self, text: str, width: int | str = 4, first: bool = False, blank: bool = False
    ) -> str:
        space = width[:64] if isinstance(width, str) else " " * min(width, 64)
        lines = str(self.measured(text)).split("\n")
        self.spend(sum(map(len, lines)) + len(space) * len(lines))
        done = [space + line if (line or blank) else line for line in lines[1:]]
        return "\n".join([(space if first else "") + lines[0], *done])

    def _join(self, values: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
        items = list(values)
        if attribute is not None:
            items = [self.getitem(item, attribute) for item in items]
        texts = [str(self.measured(item)) for item in items]
        self.spend(sum(map(len, texts)) + len(str(d)) * len(texts))
        return str(d).join(texts)

    def _replace(self, text: str, old: str, new: str, count: int | None = None) -> str:
        text = str(self.measured(text))
        self.spend(_replaced_size(text, str(old), str(new)))
        return text.replace(str(old), str(new), -1 if count is None else count)

    def _sum(self, values: Iterable[Any], attribute: str | None = None, start: Any = 0) -> Any:
        for value in values:
            one = value if attribute is None else self.getitem(value, attribute)
            start = self.call_binop(None, "+", start, one)
        return start

    def _to_json(self, value: Any, indent: int | None = None, **_: Any) -> str:
        """JSON as models were trained on it: keys in their order, letters as they are."""
        if indent is not None:
            indent = min(int(indent), 16)
        text = json.dumps(self.measured(value), ensure_ascii=False, indent=indent, default=_plain)
        self.spend(len(text))
        return text


def _in_parts(filter: Callable[..., Any]) -> Callable[..., Any]:
    """`batch` or `slice`, of a bounded number."""

    def bounded(value: Any, count: int, fill_with: Any = None) -> Any:
        if not 0 < int(count) <= _MAX_WIDTH:
            raise TemplateTooCostly("it makes too many parts")
        return filter(value, int(count), fill_with)

    return bounded


def _round(value: float, precision: int = 0, method: Any = "common") -> float:
    return do_round(value, max(-32, min(32, int(precision))), method)


def _replaced_size(text: str, old: str, new: str) -> int:
    return len(text) + text.count(old) * max(0, len(new) - len(old))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
