"""Conversations become tokens, and a user's text never becomes control."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fake_backend import BOS, CONTROL, END, USER, FakeModel
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder, any_of
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.messages import ChatMessage

TEMPLATE = "{% for m in messages %}<user>{{ m.content }}</s>{% endfor %}"


def user(content: str) -> ChatMessage:
    return ChatMessage(role="user", content=content)


def encode(content: str, template: str = TEMPLATE, **model: bool) -> list[int]:
    return ChatEncoder(FakeModel(chat_template=template, **model)).encode([user(content)])


def test_the_templates_control_tokens_are_control_and_the_text_is_text() -> None:
    assert encode("hi") == [USER, *b"hi", END]


@given(st.text(alphabet="ab<>/s user"))
def test_no_text_of_a_user_makes_a_control_token(content: str) -> None:
    tokens = encode(content)
    assert [t for t in tokens if t in CONTROL] == [USER, END]
    assert bytes(tokens[1:-1]).decode() == content


def test_control_texts_inside_tools_are_text_too() -> None:
    encoder = ChatEncoder(FakeModel(chat_template="{{ tools | tojson }}"))
    tools = [{"name": "</s>", "list": ["<s>", 1, None]}]
    tokens = encoder.encode([user("x")], tools)
    assert not set(tokens) & set(CONTROL)
    assert bytes(tokens) == b'[{"name": "</s>", "list": ["<s>", 1, null]}]'


@pytest.mark.parametrize(
    ("template", "add_bos", "n_bos"),
    [("hi", False, 0), ("hi", True, 1), ("<s>hi", True, 1), ("<s>hi", False, 1), ("<s><s>x", 1, 1)],
)
def test_there_is_never_a_second_bos(template: str, add_bos: bool, n_bos: int) -> None:
    assert encode("", template, add_bos=bool(add_bos)).count(BOS) == n_bos


def test_a_template_that_knows_no_system_role_gets_it_with_the_first_message() -> None:
    strict = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}[{{ m.content }}]{% endfor %}"
    )
    encoder = ChatEncoder(FakeModel(chat_template=strict))
    tokens = encoder.encode([ChatMessage(role="system", content="Be brief."), user("hi")])
    assert bytes(tokens) == b"[Be brief.\n\nhi]"
    with pytest.raises(BadRequest, match="no system"):
        encoder.encode([ChatMessage(role="system", content="Be brief.")])


def test_a_template_that_takes_tools_for_granted_gets_an_empty_list() -> None:
    encoder = ChatEncoder(FakeModel(chat_template="{% for t in tools %}{{ t }}{% endfor %}!"))
    assert bytes(encoder.encode([user("hi")])) == b"!"


def test_a_prefill_stands_behind_where_the_assistant_speaks_and_is_text() -> None:
    encoder = ChatEncoder(FakeModel(chat_template=TEMPLATE + "<user>"))
    tokens = encoder.encode([user("hi")], prefill="So </s>")
    assert tokens == [USER, *b"hi", END, USER, *b"So </s>"]


def test_raw_text_goes_on_with_its_prefill() -> None:
    encoder = ChatEncoder(FakeModel(), "raw")
    messages = [ChatMessage(role="system", content="S"), user("old"), user("Once")]
    assert bytes(encoder.encode(messages, prefill=" upon")) == b"S\n\nOnce upon"


def test_tokens_are_shown_with_control_tokens_by_their_names() -> None:
    encoder = ChatEncoder(FakeModel(chat_template=TEMPLATE))
    assert encoder.text_of(encoder.encode([user("h\u00e9")])) == "<user>h\u00e9</s>"


@pytest.mark.parametrize(
    ("template", "takes"),
    [
        (TEMPLATE, True),
        ("{{ messages[-1].content }}", False),
        ("{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
         "{{ messages[0].content }}", True),
    ],
)  # fmt: skip
def test_it_is_known_whether_a_system_prompt_is_read(template: str, takes: bool) -> None:
    assert ChatEncoder(FakeModel(chat_template=template)).takes_system is takes


@given(st.lists(st.text(alphabet="<|ab>", max_size=5), max_size=8), st.text(alphabet="<|ab>"))
def test_any_of_finds_what_a_plain_list_of_texts_finds(texts: list[str], text: str) -> None:
    pattern = any_of(texts)
    words = sorted({t for t in texts if t}, key=len, reverse=True)
    if pattern is None:
        assert not words
    else:
        plain = re.compile("|".join(map(re.escape, words)))
        assert pattern.findall(text) == plain.findall(text)


def test_thousands_of_control_tokens_do_not_make_a_long_text_slow() -> None:
    pattern = any_of(f"<unused{n}>" for n in range(6000))
    assert pattern is not None
    started_at = time.monotonic()
    assert pattern.findall("a < b " * 50_000 + "<unused5999>") == ["<unused5999>"]
    assert time.monotonic() - started_at < 5


CALLING = """{% for m in messages %}{% if m.role == "user" %}[{{ m.content }}]{% else %}
{{- m.content }}{% for call in m.tool_calls or [] %}{{ "<user>" + call.function.name + "=" }}
{{- call.function.arguments | tojson }}{% endfor %}</s>{% endif %}{% endfor %}{{ tools and "" }}"""


def test_calls_that_an_answer_made_are_read_as_it_wrote_them_and_nothing_else_is() -> None:
    encoder = ChatEncoder(FakeModel(chat_template=CALLING))
    assert encoder.envelope is not None
    assert encoder.envelope.controls == {"<user>": USER}
    call = '<user>get={"a": "<user>"}'

    def control(role: str, content: str) -> list[int]:
        message = ChatMessage(role=role, content=content)  # type: ignore[arg-type]
        return [token for token in encoder.encode([message]) if token in CONTROL]

    assert control("assistant", f"So: {call}") == [USER, END]
    assert control("assistant", f"{call}{call}") == [USER, USER, END]
    assert control("assistant", "Write <user> for a user, </s>.") == [END]
    assert control("assistant", f"</s>{call}") == [USER, END]
    assert control("user", call) == []


def test_a_model_whose_template_knows_no_tools_is_told_of_them_in_its_system_prompt() -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}|{% endfor %}"
    encoder = ChatEncoder(FakeModel(chat_template=template))
    tools = [{"name": "get", "parameters": {"type": "object"}}]
    system = ChatMessage(role="system", content="Be brief.")
    alone = bytes(encoder.encode([user("hi")], tools)).decode()
    behind = bytes(encoder.encode([system, user("hi")], tools)).decode()
    assert alone.startswith("system: You can call these functions:\n- get")
    assert behind.startswith("system: Be brief.\n\nYou can call these functions:\n- get")
    assert behind.endswith("|user: hi|")
    assert bytes(encoder.encode([user("hi")])).decode() == "user: hi|"
