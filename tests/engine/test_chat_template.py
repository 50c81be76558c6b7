"""Chat templates are strangers' programs: they render as elsewhere, and can do no harm."""

from __future__ import annotations

from datetime import datetime

import pytest

from wiz_kernel_ext.engine.chat_template import ChatTemplate
from wiz_kernel_ext.errors import BadRequest

MESSAGES = [{"role": "user", "content": "Olá"}]


def render(source: str, **values: object) -> str:
    return ChatTemplate(source).render(**{"messages": MESSAGES, **values})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if true %}\n  x\n{% endif %}\ny", "  x\ny"),
        ("{{ {'b': 'é', 'a': [1, '<']} | tojson }}", '{"b": "é", "a": [1, "<"]}'),
        ("{{ {'a': 1} | tojson(indent=2) }}", '{\n  "a": 1\n}'),
        ("{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{% endfor %}!", "!"),
        ("{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "1"),
        ("{{ bos_token }}{{ missing }}{{ messages[0].content.upper() }}", "<s>OLÁ"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}.", "Olá."),
        ("{{ loop_count % 2 }}{{ 'ab' * 2 }}", "1abab"),
    ],
)
def test_templates_render_as_transformers_renders_them(source: str, text: str) -> None:
    assert render(source, bos_token="<s>", loop_count=3) == text


def test_the_date_is_the_clocks() -> None:
    template = ChatTemplate("{{ strftime_now('%d %b %Y') }}", now=lambda: datetime(2026, 11, 2))
    assert template.render() == "02 Nov 2026"


def test_an_exception_of_the_templates_own_is_told_in_its_words() -> None:
    with pytest.raises(BadRequest, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ messages[7].content }}",
        "{{ 1 / 0 }}",
        "{{ undefined.attribute }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_broken_template_is_a_typed_error(source: str) -> None:
    with pytest.raises(BadRequest, match="chat template failed"):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__['sys'] }}",
        "{{ messages.append(1) }}",
        "{{ ('%s' % x) }}",
        "{{ lipsum() }}",
    ],
)
def test_a_hostile_template_reaches_nothing(source: str) -> None:
    with pytest.raises(BadRequest):
        assert render(source) == ""
        raise BadRequest("printed nothing")


LONG = "{% for a in range(9999) %}{% for b in range(9999) %}"


@pytest.mark.parametrize(
    "source",
    [
        LONG + "{% set x = b %}{% endfor %}{% endfor %}",
        LONG + "x{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 10 ** 1000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ range(1000000000) }}",
        "{% for i in range(2000) %}{{ messages[0].content * 100000 }}{% endfor %}",
    ],
)
def test_a_template_that_never_ends_or_makes_too_much_is_stopped(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiz_kernel_ext.engine.chat_template.TIME_LIMIT_S", 0.2)
    with pytest.raises(BadRequest, match="chat template failed"):
        render(source)
