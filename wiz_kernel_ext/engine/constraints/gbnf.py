"""GBNF, llama.cpp's grammars, in the form that llguidance compiles.

Its own translator does the work; what that lets through, rules that never come to an end, is found
here. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from llguidance.gbnf_to_lark import (
    AlternativeNode,
    GbnfToLarkError,
    GrammarParser,
    RepetitionNode,
    RuleRefNode,
    SequenceNode,
    gbnf_to_lark,
)

MOST_TIMES = 10_000
_DEFINED = re.compile(r"^[ \t]*([\w-]+)[ \t]*::=", re.MULTILINE)


def lark_of_gbnf(text: str) -> str:
    """The grammar in llguidance's own form; raises ValueError saying what is wrong with it."""
    try:
        rules = GrammarParser().parse(text)
        lark = str(gbnf_to_lark(text))
    except GbnfToLarkError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except Exception as error:  # the translator raises whatever comes to hand
        raise ValueError(str(error) or type(error).__name__) from None
    names = _DEFINED.findall(text)
    if len(names) > len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the rule {twice!r} is defined twice")
    if any(_most_times(rule.alternatives) > MOST_TIMES for rule in rules.values()):
        raise ValueError(f"something in it is repeated more than {MOST_TIMES:,} times")
    if "root" not in (ending := _ending({name: rule.alternatives for name, rule in rules.items()})):
        never = next(name for name in rules if name not in ending)
        raise ValueError(f"the rule {never!r} never comes to an end")
    return lark


def _most_times(node: Any) -> int:
    """The largest number of times that something in `node` has to come."""
    own = node.min_times if isinstance(node, RepetitionNode) else 0
    return max([own, *map(_most_times, node.children())])


def _ending(rules: dict[str, Any]) -> set[str]:
    """The rules that can come to an end: those with a way through rules that can."""
    ending: set[str] = set()
    while True:
        more = {name for name in rules if name not in ending and _ends(rules[name], ending)}
        if not more:
            return ending
        ending |= more


def _ends(node: Any, ending: set[str]) -> bool:
    if isinstance(node, RuleRefNode):
        return node.name in ending
    if isinstance(node, AlternativeNode):
        return any(_ends(one, ending) for one in node.children())
    if isinstance(node, SequenceNode):
        return all(_ends(one, ending) for one in node.children())
    if isinstance(node, RepetitionNode):
        return node.min_times == 0 or _ends(node.node, ending)
    return True
