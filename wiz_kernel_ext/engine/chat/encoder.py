"""From a conversation to the tokens of its prompt, without letting a text pretend to be control.

A control token's text inside a message is swapped for a marker before the template runs; what the
marker stood for is tokenized as plain text afterwards. So ordinary prompts are tokenized in one go,
exactly as everywhere else, and nothing a user wrote ends a turn or begins another. Called by the
worker.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from msgspec.structs import replace as replace_message

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.chat.formats import FORMATS
from wiz_kernel_ext.engine.chat.template import ChatTemplate
from wiz_kernel_ext.engine.chat.tool_calls import said
from wiz_kernel_ext.engine.chat.tool_envelopes import PLAIN, Envelope, find_envelope
from wiz_kernel_ext.engine.chat.turns import NO_TURNS, find_turns
from wiz_kernel_ext.engine.images import NO_ROWS, Places, ReadImage, Row, no_projector
from wiz_kernel_ext.engine.reasoning.prompt import (
    NOT_APART,
    ReasoningTemplate,
    Think,
    Values,
)
from wiz_kernel_ext.engine.reasoning.thinking import Reasoning
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.chat_templates import RAW, check_chat_template
from wiz_kernel_ext.protocol.images import MARK
from wiz_kernel_ext.protocol.messages import ChatMessage

Attempt = tuple[list[dict[str, str]], list[Any] | None]


@dataclass(frozen=True)
class ChatPrompt:
    """A prompt's tokens, how the answer's thinking is told apart, and what should be known.

    `images` are the embeddings of the pieces of images in it, by their places.
    """

    tokens: list[int]
    reasoning: Reasoning | None = None
    notice: str = ""
    images: Mapping[int, Row] = field(default_factory=lambda: NO_ROWS)


class ChatEncoder:
    """Turns conversations into token ids for one model; raises BadRequest for a broken template.

    `chat_template` is a family's name or a Jinja text, used instead of the model's own. A model
    with neither completes the last message as the text it is: `is_raw`.
    """

    def __init__(self, model: Model, chat_template: str | None = None) -> None:
        check_chat_template(chat_template)
        self._model = model
        facts = model.facts
        own = facts.chat_template or RAW
        source = own if chat_template is None else FORMATS.get(chat_template, chat_template)
        self.is_raw = source == RAW
        self._source = "" if self.is_raw else source
        self._template = ChatTemplate(self._source)
        self._bos = "" if facts.bos is None else model.text_of(facts.bos)
        self._eos = "" if facts.eos is None else model.text_of(facts.eos)
        self._control = any_of(model.control_texts())
        self.turns = NO_TURNS if self.is_raw else find_turns(model, self._written, self._bos)
        self._thinking = ReasoningTemplate(model, "" if self.is_raw else source, self._asking)

    def encode(
        self,
        messages: Sequence[ChatMessage],
        tools: list[dict[str, Any]] | None = None,
        prefill: str = "",
    ) -> list[int]:
        """The prompt's tokens, up to where the assistant speaks; raw, up to the text's end."""
        return self.prompt(messages, tools, prefill).tokens

    def prompt(
        self,
        messages: Sequence[ChatMessage],
        tools: list[dict[str, Any]] | None = None,
        prefill: str = "",
        *,
        read: ReadImage = no_projector,
        think: Think = None,
        constrained: bool = False,
        allow_repeats: bool = False,
    ) -> ChatPrompt:
        """The prompt's tokens, and how its answer is to be read.

        `prefill` is how the answer begins: text behind all that, read in one go with it; nothing is
        thought before it. `read` makes pieces of images. `think` as in `PromptOptions`;
        `constrained`: the answer is to have a given shape.
        """
        if tools and not self.is_raw and not self._takes_tools:
            messages, tools = _told_of_tools(messages, tools), None
        places = Places(read)
        messages = [replace_message(m, content=places.place(m.content, m.images)) for m in messages]
        if self.is_raw:
            tokens = self._with_one_bos(self._raw(messages, places, tools, prefill))
            images = places.rows(tokens, whole=False)
            return ChatPrompt(tokens, notice=NOT_APART if think else "", images=images)
        marker = _Marker(self._control)
        escaped = [self._message(message, marker) for message in messages]
        escaped_tools = marker.escape_all(tools) if tools else None
        think = False if prefill else self._thinking.asked(think, constrained=constrained)
        text = self._render(escaped, escaped_tools, self._thinking.values(think))
        ending = self._thinking.ending(text, think, allow_repeats=allow_repeats)
        tokens = []
        for part, is_control_allowed in marker.split(text + ending.text + marker.escape(prefill)):
            tokens += self._tokens(part, places, parse_special=is_control_allowed)
        tokens = self._with_one_bos(tokens)
        images = places.rows(tokens, whole=True)
        return ChatPrompt(tokens, ending.reasoning, ending.notice, images)

    def _message(self, message: ChatMessage, marker: _Marker) -> dict[str, str]:
        """`message` as templates know it; what was thought goes where this one looks for it."""
        known = {"role": message.role, "content": self._escaped(message, marker)}
        if message.thinking and self._thinking.field is not None:
            known[self._thinking.field] = marker.escape(message.thinking)
        return known

    def _tokens(self, text: str, places: Places, *, parse_special: bool) -> list[int]:
        """A text's tokens, and the ids of the images in it."""
        return [
            token
            for part in places.split(text)
            for token in (
                self._model.tokenize(part, parse_special=parse_special)
                if isinstance(part, str)
                else part
            )
        ]

    @cached_property
    def takes_system(self) -> bool:
        """Whether what a system message says stands in the prompt."""
        asked = [
            {"role": "system", "content": "wizsystemprompt"},
            {"role": "user", "content": "wizquestion"},
        ]
        with suppress(BadRequest):
            return "wizsystemprompt" in self._render(asked, None, {})
        return False

    def text_of(self, tokens: Sequence[int]) -> str:
        """What `tokens` stand for, control tokens by their names, and images by a mark each."""
        model, parts = self._model, []
        for token, before in zip(tokens, [0, *tokens], strict=False):
            if token >= 0:
                parts.append(model.piece(token) or model.text_of(token).encode())
            elif before >= 0:
                parts.append(MARK.encode())
        return b"".join(parts).decode("utf-8", "replace")

    def _raw(
        self,
        messages: Sequence[ChatMessage],
        places: Places,
        tools: list[dict[str, Any]] | None,
        prefill: str,
    ) -> list[int]:
        """The last message alone, behind the system prompt if there is one.

        A model that was never taught turns would take what was said before for part of the text.
        """
        if tools:
            raise BadRequest(
                "The model has no chat template, so it cannot be told of tools.",
                hint="Give it one: `wiz load MODEL --chat-template chatml`.",
                field="tools",
            )
        has_system = len(messages) > 1 and messages[0].role == "system"
        said = [*messages[: int(has_system)], *messages[-1:]]
        text = "\n\n".join(message.content for message in said) + prefill
        return self._tokens(text, places, parse_special=False)

    @cached_property
    def envelope(self) -> Envelope | None:
        """How calls of tools are written; None where the template has a form not known here."""
        if not self._takes_tools:
            return PLAIN
        found = find_envelope(self._written, self._source)
        if found is None or self._control is None:
            return found
        texts = "\n".join([found.first, found.middle, found.last, found.between or ""])
        known = {
            text: token
            for text in self._control.findall(texts)
            for token in self._model.tokenize(text, parse_special=True)
            if not self._model.piece(token)
        }
        return replace(found, controls=known)

    @cached_property
    def _takes_tools(self) -> bool:
        return bool(re.search(r"\btools\b", self._source))

    def _escaped(self, message: ChatMessage, marker: _Marker) -> str:
        """A message's text, control texts swapped, but not those around calls that it made."""
        text = message.content
        has_control = self._control is not None and self._control.search(text)
        envelope = self.envelope if has_control and message.role == "assistant" else None
        calls = envelope.calls(text, anywhere=envelope.text_first) if envelope else []
        begin = envelope.begin(text, anywhere=envelope.text_first) if envelope and calls else None
        if begin is None:
            return marker.escape(text)
        parts, at = [marker.escape(text[: begin.start()])], begin.start()
        for _, start, end in calls:
            parts += [text[at:start], marker.escape(text[start:end])]
            at = end
        return "".join([*parts, text[at:]])

    def _written(self, messages: list[dict[str, Any]], tools: list[Any] | None = None) -> str:
        """`messages` as they stand in a conversation that has ended."""
        return self._template.render(
            messages=messages,
            tools=tools,
            add_generation_prompt=False,
            bos_token=self._bos,
            eos_token=self._eos,
        )

    def _asking(self, values: Values) -> str:
        """One question up to where the assistant speaks, with the template's variables `values`."""
        return self._render([{"role": "user", "content": "wizonlyquestion"}], None, values)

    def _render(
        self, messages: list[dict[str, str]], tools: list[Any] | None, values: Values
    ) -> str:
        """The text of `messages`; raises BadRequest with what the template said first."""
        first, *others = _attempts(messages, tools)
        try:
            return self._try(first, values)
        except BadRequest:
            for other in others:
                with suppress(BadRequest):
                    return self._try(other, values)
            raise

    def _try(self, attempt: Attempt, values: Values) -> str:
        messages, tools = attempt
        return self._template.render(
            **values,
            messages=messages,
            tools=tools,
            add_generation_prompt=True,
            bos_token=self._bos,
            eos_token=self._eos,
        )

    def _with_one_bos(self, tokens: list[int]) -> list[int]:
        bos = self._model.facts.bos
        if bos is None:
            return tokens
        if self._model.facts.add_bos and tokens[:1] != [bos]:
            return [bos, *tokens]
        while tokens[:2] == [bos, bos]:
            tokens = tokens[1:]
        return tokens


def _told_of_tools(
    messages: Sequence[ChatMessage], tools: list[dict[str, Any]]
) -> list[ChatMessage]:
    """`messages` with the tools in the system prompt."""
    system = [m.content for m in messages[:1] if m.role == "system"]
    text = "\n\n".join([*filter(None, system), said(tools)])
    return [ChatMessage(role="system", content=text), *messages[len(system) :]]


def _attempts(messages: list[dict[str, str]], tools: list[Any] | None) -> Iterator[Attempt]:
    """What to give a template: as it is, then what templates are known to stumble over.

    Some take a list of tools for granted; some know no system role, and get the system prompt in
    front of the first message.
    """
    yield messages, tools
    if tools is None:
        yield messages, []
    if [m["role"] for m in messages[:2]] == ["system", "user"]:
        system, first, *rest = messages
        merged = {**first, "content": f"{system['content']}\n\n{first['content']}"}
        yield [merged, *rest], tools


class _Marker:
    """Swaps control texts for words nobody could have guessed, and finds them again."""

    def __init__(self, control: re.Pattern[str] | None) -> None:
        self._control = control
        self._nonce = f"wiz{secrets.token_hex(12)}"
        self._swapped: list[str] = []

    def escape(self, text: str) -> str:
        return self._control.sub(self._swap, text) if self._control else text

    def _swap(self, found: re.Match[str]) -> str:
        self._swapped.append(found.group())
        return f"{self._nonce}n{len(self._swapped) - 1}z"

    def escape_all(self, value: Any) -> Any:
        """`value` with every text in it escaped: builtins, as JSON has them."""
        if isinstance(value, str):
            return self.escape(value)
        if isinstance(value, dict):
            return {self.escape_all(k): self.escape_all(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.escape_all(item) for item in value]
        return value

    def split(self, text: str) -> Iterable[tuple[str, bool]]:
        """Parts of a rendered text, and whether control tokens are to be read in each."""
        if not self._swapped:
            yield text, True
            return
        parts = re.split(f"{self._nonce}n([0-9]+)z", text)
        for i, part in enumerate(parts):
            if i % 2:
                yield self._swapped[int(part)], False
            elif part:
                yield part, True


def any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for any of `texts`, the longest first; None if there are none.

    A tree of prefixes, since a plain list of some vocabularies' thousands of control tokens would
    be tried one by one at every character.
    """
    tree: dict[str, Any] = {}
    for text in texts:
        node = tree
        for character in text:
            node = node.setdefault(character, {})
        if text:
            node[""] = {}
    return re.compile(_pattern(tree)) if tree else None


def _pattern(node: dict[str, Any]) -> str:
    ends = "" in node
    branches = []
    for character, child in node.items():
        if not character:
            continue
        literal = [re.escape(character)]
        while len(child) == 1 and "" not in child:
            character, child = next(iter(child.items()))
            literal.append(re.escape(character))
        branches.append("".join(literal) + (_pattern(child) if set(child) != {""} else ""))
    if not branches:
        return ""
    body = f"(?:{'|'.join(branches)})"
    return f"{body}?" if ends else body
