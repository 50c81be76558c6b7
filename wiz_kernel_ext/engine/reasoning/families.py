"""How families of models mark what they think, as data: the marks, and where a template has them.

A family is told by what its template says, never by a model's name. The first whose signs all stand
in the template is meant, so those with marks of their own come before those that share `<think>`.
"""

from __future__ import annotations

from dataclasses import dataclass

HARMONY = "harmony"


@dataclass(frozen=True, kw_only=True)
class Family:
    """The marks of one family.

    `opening` and `closing` stand around the thinking. `answer_opening` may stand before the answer
    and `answer_closing` behind it: both are no part of it. `signs` are what its templates say.
    `opened` is what has the model think where its template does not open that, `shut` what ends
    the thinking where the model does not, `skipped` what leaves it out altogether; `inside` may
    stand right behind the opening.
    """

    name: str
    opening: str
    closing: str
    signs: tuple[str, ...]
    answer_opening: str = ""
    answer_closing: str = ""
    opened: str = ""
    shut: str = ""
    skipped: str = ""
    inside: str = ""

    def __post_init__(self) -> None:
        # A line of its own: so a quotation mark before it never makes it a mention.
        made = {
            "opened": f"{self.opening}\n",
            "shut": f"\n{self.closing}\n\n",
            "skipped": f"{self.opening}\n\n{self.closing}\n\n",
        }
        for name, text in made.items():
            object.__setattr__(self, name, getattr(self, name) or text)

    @property
    def marks(self) -> tuple[str, ...]:
        """All of its marks that there are."""
        marks = (self.opening, self.closing, self.answer_opening, self.answer_closing, self.shut)
        return tuple(mark for mark in marks if mark)


FAMILIES = (
    Family(
        name=HARMONY,
        opening="<|channel|>analysis<|message|>",
        closing="<|end|>",
        signs=("<|channel|>", "<|message|>"),
        opened="<|channel|>analysis<|message|>",
        shut="<|end|><|start|>assistant<|channel|>final<|message|>",
        skipped="<|channel|>final<|message|>",
    ),
    Family(
        name="channel",
        opening="<|channel>thought\n",
        closing="<channel|>",
        signs=("<|channel>", "<channel|>"),
        opened="<|channel>thought\n",
        shut="\n<channel|>",
        skipped="<|channel>thought\n<channel|>",
    ),
    Family(
        name="command",
        opening="<|START_THINKING|>",
        closing="<|END_THINKING|>",
        signs=("<|START_THINKING|>", "<|END_THINKING|>"),
        answer_opening="<|START_RESPONSE|>",
        answer_closing="<|END_RESPONSE|>",
        opened="<|START_THINKING|>",
        shut="\n<|END_THINKING|><|START_RESPONSE|>",
        skipped="<|START_THINKING|><|END_THINKING|><|START_RESPONSE|>",
    ),
    Family(
        name="seed",
        opening="<seed:think>",
        closing="</seed:think>",
        signs=("<seed:think>",),
        shut="\n</seed:think>",
        skipped="<seed:think></seed:think>",
        inside="<seed:cot_budget_reflect>",
    ),
    Family(
        name="bracketed",
        opening="[THINK]",
        closing="[/THINK]",
        signs=("[THINK]",),
        opened="[THINK]",
        shut="\n[/THINK]",
        skipped="[THINK][/THINK]",
    ),
    Family(name="triangled", opening="◁think▷", closing="◁/think▷", signs=("◁think▷",)),
    Family(
        name="spoken",
        opening="Here is my thought process:",
        closing="Here is my response:",
        signs=("Here is my thought process:", "Here is my response:"),
        shut="\n\nHere is my response:\n\n",
        skipped="Here is my response:\n\n",
    ),
    Family(name="thought", opening="<thought>", closing="</thought>", signs=("<thought>",)),
    Family(
        name="think, answer",
        opening="<think>",
        closing="</think>",
        signs=("<think>", "<answer>"),
        answer_opening="<answer>",
        answer_closing="</answer>",
        shut="\n</think>\n<answer>\n",
        skipped="<think>\n\n</think>\n<answer>\n",
    ),
    Family(
        name="think, response",
        opening="<think>",
        closing="</think>",
        signs=("<think>", "<response>"),
        answer_opening="<response>",
        answer_closing="</response>",
        shut="\n</think>\n\n<response>\n",
        skipped="<think>\n\n</think>\n\n<response>\n",
    ),
    Family(name="think", opening="<think>", closing="</think>", signs=("</think>",)),
    Family(name="think", opening="<think>", closing="</think>", signs=("<think>",)),
    Family(name="reasoning", opening="<reasoning>", closing="</reasoning>", signs=("<reasoning>",)),
)

FIELDS = ("reasoning_content", "thinking", "reasoning", "thought")
"""Where templates look for what was thought before an answer, the usual one first."""

Value = bool | int | str
SWITCHES: dict[str, tuple[Value, Value]] = {
    "enable_thinking": (True, False),
    "thinking": (True, False),
    "reasoning": (True, False),
    "is_thinking": (True, False),
    "thinking_mode": ("enabled", "disabled"),
    "thinking_budget": (-1, 0),
    "reasoning_effort": ("medium", "low"),
}
"""The variables by which templates have a model think, and not."""
BUDGET = "thinking_budget"
"""The one that takes a count of tokens."""


def family_of(source: str) -> Family | None:
    """The family of a template's text; None if it says nothing of thinking."""
    for family in FAMILIES:
        if all(sign in source for sign in family.signs):
            return family
    return None
