"""Chat templates are strangers' programs: they render as elsewhere, and can do no harm."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wiz_kernel_ext.engine.chat.sandbox import Sandbox
from wiz_kernel_ext.engine.chat.template import TIME_LIMIT_S, ChatTemplate
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
    monkeypatch.setattr("wiz_kernel_ext.engine.chat.template.TIME_LIMIT_S", 0.2)
    with pytest.raises(BadRequest, match="chat template failed"):
        render(source)


def forty(begin: str, step: str) -> str:
    """A template that takes a step forty times."""
    loop = "{% for i in range(40) %}" + step + "{% endfor %}"
    return "{% set ns = namespace(x=" + begin + ") %}" + loop


TEXT = "'abcdefgh'"
NESTED = forty("[]", "{% set ns.x = [ns.x, ns.x] %}")
COSTLY = [
    # Folded while it is compiled, where nobody looks at the clock.
    "{{ ([1]|slice(1000000000000)|list)|length }}",
    "{{ ([1]|batch(1000000000000, 0)|list)|length }}",
    "{{ 'x'|indent(1)|replace('x', 'y' * 1000000000) }}",
    "{% autoescape ([1]|slice(1000000000000)|list)|length %}{% endautoescape %}",
    "{% set a = [1]|slice(1000000000000)|list %}{{ a|length }}",
    "{{ 1.5|round(1000000000, 'ceil') }}{{ 1 // 0 }}",
    # Operators, blocks and methods that make much of little.
    forty(TEXT, "{% set ns.x = ns.x ~ ns.x %}"),
    forty(TEXT, "{% set ns.x = ns.x + ns.x %}"),
    forty(TEXT, "{% set ns.x = [ns.x, ns.x]|join %}"),
    forty(TEXT, "{% set ns.x = ns.x.join([ns.x, ns.x]) %}"),
    forty(TEXT, "{% set ns.x = ns.x.replace('a', ns.x) %}"),
    forty(TEXT, "{% set ns.x = ns.x|replace('a', ns.x) %}"),
    forty(TEXT, "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
    forty(TEXT, "{% set ns.x = '{0}{0}'.format(ns.x) %}"),
    forty("[0]", "{% set ns.x = ns.x + ns.x %}"),
    forty("[0]", "{% set ns.x = (ns.x, ns.x)|sum(start=[]) %}"),
    forty("99", "{% set ns.x = ns.x * ns.x %}"),
    "{% for i in range(1000) %}{% set x = messages[0].content * 1000000 %}{% endfor %}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x'.center(1000000000) }}",
    "{{ 'x'.zfill(1000000000) }}",
    "{{ '\t'.expandtabs(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{x:>1000000000}'.format_map({'x': 1}) }}",
    "{{ ('{:>1000000000}'|attr('format'))(1) }}",
    "{{ ['{:>1000000000}'] | map(attribute='format') | first }}{{ ''['format'](1) }}{{ 1 // 0 }}",
    "{{ 'x'.translate({120: 'y' * 8000000}) }}",
    "{{ (5).to_bytes(1000000000, 'big') }}",
    "{{ ('x' * 4000000).replace('', 'y' * 4000000) }}",
    # Structures that are small in memory and endless to write or to compare.
    NESTED + "{{ ns.x }}",
    NESTED + "{{ ns.x | tojson }}",
    NESTED + "{{ ns.x | string }}",
    NESTED + "{{ ns }}",
    NESTED + "{{ '' ~ ns.x }}",
    NESTED + "{% set a = ns.x %}" + NESTED + "{{ a == ns.x }}",
    NESTED + "{% set a = ns.x %}" + NESTED + "{{ a is eq(ns.x) }}{{ a in [ns.x] }}",
    NESTED + "{{ [ns.x] | sort }}{{ [ns.x] | unique | list }}",
    "{{ x" + "|upper" * 100_000 + " }}",
    "{% if a %}" * 30 + "{% for i in a %}" * 30 + "{% endfor %}" * 30 + "{% endif %}" * 30,
    "(" * 50_000 + "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
]
IN_A_CHILD = """
import json, resource, sys, time
from wiz_kernel_ext.engine.chat import template as chat_template
from wiz_kernel_ext.engine.chat.template import ChatTemplate
from wiz_kernel_ext.errors import BadRequest
chat_template.TIME_LIMIT_S = 0.5
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for source in json.load(sys.stdin):
    began = time.monotonic()
    try:
        what = "made " + str(len(ChatTemplate(source).render(messages=[{"content": "hello"}])))
    except BadRequest as error:
        what = "refused: " + error.message[:80]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(json.dumps([what, time.monotonic() - began, grown]), flush=True)
"""


def test_nothing_a_template_says_takes_all_memory_or_no_end_also_while_it_is_compiled() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD],
        input=json.dumps(COSTLY), capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == len(COSTLY)
    for source, (what, took_s, grown_mb) in zip(COSTLY, lines, strict=True):
        assert what.startswith("refused: The model's chat template failed"), (source[:99], what)
        assert took_s < 10 * TIME_LIMIT_S, source[:99]
        assert grown_mb < 600, source[:99]


def test_jinjas_own_sandbox_would_compute_while_it_compiles() -> None:
    calls: list[int] = []

    def noted(value: object, n: int) -> list[int]:
        calls.append(n)
        return calls

    source = "{{ ([1]|slice(7)|list)|length }}"
    for environment in (ImmutableSandboxedEnvironment(), Sandbox()):
        environment.filters["slice"] = noted
        environment.from_string(source)
    assert calls == [7]  # jinja's own, and not ours


def test_what_templates_do_every_day_is_left_to_them() -> None:
    source = """
    {%- for m in messages | selectattr('role', 'equalto', 'user') | list %}
    {{- m['content'].strip().split('</think>')[-1].lstrip('\\n') | trim }}
    {%- endfor %}
    {%- set names = ['b', 'a'] | sort | map('upper') | join(', ') %}
    {{- ' ' ~ names + '!' if names is string and 'A' in names else '' }}
    {{- {'x': 1}.items() | list }}{{ 'a-b'.replace('-', '_') }}{{ 'x'.title() }}
    {{- [1, 2] | sum }}{{ 'é'.upper() | length }}{{ '{}-{}'.format(1, 'b') }}
    """
    assert render(source).strip() == "Olá A, B![('x', 1)]a_bX311-b"
