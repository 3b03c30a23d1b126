"""Templates say what they may, nothing grows, and both ways of rendering agree."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.paths import MISSING, lookup
from tocsin.domain.template_filters import FILTERS, safe_url
from tocsin.domain.template_syntax import parse
from tocsin.domain.template_values import OUTPUT_CHARACTERS_MAX, RenderFailed, show
from tocsin.domain.templates import _by_minijinja, compile_template
from tocsin.errors import RequestRefused

CONTEXT = {
    "data": {
        "order": 42,
        "city": "Berlin",
        "price": 1234.5,
        "whole": 80.0,
        "rows": [[1, 2], [3, 4]],
        "paid": False,
        "at": "2026-03-29T18:30:00Z",
        "day": "2026-03-29",
        "names": ["Ana", "Bo", None],
        "lines": [{"name": "pen", "items": 2}, {"name": "<ink>"}],
        "size": {"w": 1, "h": 2},
        "nothing": None,
        "link": "javascript:alert(1)",
        "page": "https://example.org/a?b=1&c=2",
    },
    "recipient": {"name": "Ana", "locale": "de"},
    "actor": None,
    "tenant": {"key": "acme"},
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("100% {plain} } text", "100% {plain} } text"),
        ("Order {{ data.order }} to {{data.city}}", "Order 42 to Berlin"),
        ("{{ recipient.name }} of {{ tenant.key }}", "Ana of acme"),
        ("[{{ data.gone }}{{ data.nothing }}{{ data.a.b.c }}{{ actor.name }}]", "[]"),
        ("{{ data.paid }} {{ data.price }} {{ data.whole }}", "false 1234.5 80"),
        ("{{ data.rows.1.0 }}{{ data.rows[0][1] }}", "32"),
        ("{{ data.size }}", '{"w":1,"h":2}'),
        ("{{ data.lines.1.name }}{{ data.lines[0].name }}{{ data['city'] }}", "<ink>penBerlin"),
        ("a {# not {{ said }} #}b", "a b"),
        ("a {{- data.order -}} b", "a42b"),
        ("a\r\nb\n", "a\r\nb\n"),
        ("{{ data.keys }}{{ data.lines.append }}{{ data.city.upper }}", ""),
        ("{% if data.order > 41 %}y{% else %}n{% endif %}", "y"),
        ("{% if data.order > 'a' %}y{% elif data.city == 'Berlin' %}b{% endif %}", "b"),
        ("{% if data.paid == 0 or data.order == true %}y{% else %}n{% endif %}", "n"),
        ("{% if not data.paid and data.city in ['Bern', 'Berlin'] %}y{% endif %}", "y"),
        ("{% if data.city not in ['Bern'] %}y{% endif %}", "y"),
        ("{% if 'lin' in data.city and 'w' in data.size %}y{% endif %}", "y"),
        ("{{ data.gone is defined }} {{ data.nothing is none }}", "false true"),
        ("{{ data.gone is not defined }} {{ data.city is undefined }}", "true false"),
        ("{{ 'a' if data.paid else 'b' }}", "b"),
        ("{% for n in data.names %}{{ loop.index }}{{ n }};{% endfor %}", "1Ana;2Bo;3;"),
        ("{% for x in data.lines %}{{ x.name }}{{ x.items }},{% endfor %}", "pen2,<ink>,"),
        ("{% for k, v in data.size %}{{ k }}={{ v }} {% endfor %}", "w=1 h=2 "),
        ("{% for x in data.gone %}x{% else %}none{% endfor %}", "none"),
        (
            "{% for x in data.names %}{% for x in data.lines %}{{ x.name }}{% endfor %}{{ x }}{% endfor %}",
            "pen<ink>Anapen<ink>Bopen<ink>",
        ),
    ],
)
def test_a_template_says(source: str, text: str) -> None:
    assert compile_template(source).render(CONTEXT) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("data.at | date", "2026-03-29"),
        ("data.at | time", "18:30"),
        ("data.at | datetime", "2026-03-29 18:30"),
        ("data.day | date", "2026-03-29"),
        ("data.city | date", "Berlin"),
        ("data.gone | default('there')", "there"),
        ("data.gone | default(data.city)", "Berlin"),
        ("data.names | first", "Ana"),
        ("data.names | last | default('?')", "?"),
        ("data.price | fixed(2)", "1,234.50"),
        ("data.city | fixed", "Berlin"),
        ("data.price | round", "1234"),
        ("data.price | round(1)", "1234.5"),
        ("data.names | join(' & ')", "Ana & Bo & "),
        ("data.names | length", "3"),
        ("data.order | length", "0"),
        ("data.city | lower | upper", "BERLIN"),
        ("'a b' | title", "A B"),
        ("'  a ' | trim", "a"),
        ("data.city | truncate(4)", "Ber…"),
        ("data.order | plural('item', 'items')", "items"),
        ("1 | plural('item', 'items')", "item"),
        ("'a b/c' | urlencode", "a%20b%2Fc"),
        ("data.link | url", "#"),
        ("data.page | url", "https://example.org/a?b=1&c=2"),
    ],
)
def test_a_filter_does(expression: str, text: str) -> None:
    assert compile_template(f"{{{{ {expression} }}}}").render(CONTEXT) == text


def test_every_filter_works_as_its_usage_says_and_never_fails() -> None:
    for name, each in FILTERS.items():
        source = "{{ " + each.usage.replace("x |", "data.x |").replace("n |", "data.x |") + " }}"
        template = compile_template(source)
        for value in (None, "", "x", 5, 1.5, True, [], [1], {}, {"a": 1}, 10**30, "9" * 30):
            context = {"data": dict.fromkeys(("x", "at", "items", "price", "names", "link"), value)}
            assert isinstance(template.render(context), str), name


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1e3 | date }}",
        "{{{# c #}{{ data.order }}",
        "{{ data.x * 2 }}",
        "{{ 'x' * 50000000 }}",
        "{{ 7 ** 3000000 }}",
        "{{ data.a ~ data.b }}",
        "{{ data.a + data.b }}",
        "{{ data.a % 5 }}",
        "{{ data.x | format('%1000000000d') }}",
        "{{ data.x | indent(100000) }}",
        "{{ data.x | center(100000000) }}",
        "{{ data.x | replace('a', 'aaaaaaaaaa') }}",
        "{{ data.x | safe }}",
        "{{ data.x | tojson }}",
        "{{ data.x | join(data.long) }}",
        "{{ data.x | default }}{{ data.x | default(1, 2) }}",
        "{{ data.x | plural('a') }}",
        "{{ data.x | at('y') }}",
        "{{ 5 | spend }}",
        "{{ data.x.upper() }}",
        "{{ range(1000000) }}",
        "{{ data.__class__() }}",
        "{{ data['x' }}",
        "{{ data[data.x] }}",
        "{{ data[-1] }}",
        "{{ nope.x }}",
        "{{ loop.index }}",
        "{{ v0 }}",
        "{{ }}",
        "{{ data.x",
        "{{ data.x %}",
        "{{ data.x }",
        '{{ "a\nb" }}',
        "{{ '" + "x" * 201 + "' }}",
        "{{ 1234567890123456 }}",
        "{{ " + "(" * 50 + "1" + ")" * 50 + " }}",
        "{{ data.x" + " | upper" * 9 + " }}",
        "{# open",
        "{% set x = 1 %}",
        "{% include 'a' %}",
        "{% import 'a' as b %}",
        "{% extends 'a' %}",
        "{% macro m() %}{% endmacro %}",
        "{% block b %}{% endblock %}",
        "{% raw %}{% endraw %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% if data.x %}",
        "{% endif %}",
        "{% if data.x %}{% endfor %}",
        "{% else %}",
        "{% elif data.x %}",
        "{% for x in data.x %}{% elif data.x %}{% endfor %}",
        "{% for data in data.x %}{% endfor %}",
        "{% for x.y in data.x %}{% endfor %}",
        "{% for x in data.x if x %}{% endfor %}",
        "{% for x in data.x recursive %}{% endfor %}",
        "{% for a, b, c in data.x %}{% endfor %}",
        "{% if data.x %}" * 9 + "{% endif %}" * 9,
        "{{ data.x }}" * 2_001,
        "x" * 262_145,
    ],
)
def test_a_template_may_not_say(source: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        compile_template(source, pointer="/steps/0/title")
    (problem,) = refused.value.errors
    assert (problem.pointer, problem.code) == ("/steps/0/title", "invalid_template")


def test_a_mistake_is_named_with_its_line() -> None:
    with pytest.raises(RequestRefused) as refused:
        compile_template("a\nb {{ data.x | shout }}")
    assert refused.value.errors[0].detail.startswith("line 2: 'shout' is no filter")


LONG = {"data": {"list": list(range(1_000)), "longer": [0] * 1_001, "text": "x" * 100_000}}


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in data.list %}{% for b in data.list %}{{ b }}{% endfor %}{% endfor %}",
        "{% for a in data.list %}{{ data.text }}{% endfor %}",
        "{% for a in data.list %}" + "x" * 300 + "{% endfor %}",
        "{% for a in data.longer %}x{% endfor %}",
        "{{ data.text }}{{ data.text }}{{ data.text }}",
        "{{ data.text | upper }}{{ data.text }}{{ data.text }}",
        "{% for a in data.text %}x{% endfor %}",
        "{% for a, b in data.list %}x{% endfor %}",
    ],
)
def test_what_grows_ends_as_an_error(source: str) -> None:
    template = compile_template(source)
    with pytest.raises(RenderFailed) as failed:
        template.render(LONG)
    assert "xxx" not in str(failed.value)
    # The next rendering starts afresh.
    assert len(template.render({"data": {}})) <= OUTPUT_CHARACTERS_MAX


def test_text_in_a_loop_is_paid_for_before_it_is_put_out() -> None:
    source = "".join(parse("abc{% for a in data.list %}" + "x" * 300 + "{% endfor %}").source)
    assert "{{ 300|spend }}xxx" in source
    assert "{{ 3|spend }}" not in source


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>{{ data.lines.1.name }}</p>", "<p>&lt;ink&gt;</p>"),
        ('<a href="{{ data.link }}">x</a>', '<a href="#">x</a>'),
        ("<img SRC = '{{ data.link }}'>", "<img SRC = '#'>"),
        ('<a href="/o/{{ data.order }}">x</a>', '<a href="/o/42">x</a>'),
        ('<b title="{{ data.lines.1.name }}">', '<b title="&lt;ink&gt;">'),
    ],
)
def test_html_is_escaped_and_its_links_are_safe(source: str, text: str) -> None:
    assert compile_template(source, html=True).render(CONTEXT) == text


@pytest.mark.parametrize("source", ["<a href={{ data.x }}>", "<script>1</script>", "< ScRiPt>"])
def test_html_that_cannot_be_made_safe_is_refused(source: str) -> None:
    with pytest.raises(RequestRefused):
        compile_template(source, html=True)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://example.org", True),
        ("mailto:a@example.org", True),
        ("tel:+49", True),
        ("/orders/4", True),
        ("#top", True),
        (" https://example.org ", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        (" JavaScript:alert(1)", False),
        ("data:text/html,x", False),
        ("", False),
    ],
)
def test_an_address_is_safe_or_not(address: str, safe: bool) -> None:
    assert safe_url(address) is safe


def test_a_template_knows_what_it_reads() -> None:
    source = "{{ data.a.b }}{% for x in data.c %}{{ x.d }}{{ recipient.name }}{% endfor %}"
    assert compile_template(source).paths == {"data.a.b", "data.c", "recipient.name"}
    assert compile_template("nothing").paths == frozenset()


NAMES = st.sampled_from(["a", "b", "items", "keys", "get", "append", "upper", "0"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)
LITERAL = st.text(st.characters(exclude_characters="{", exclude_categories=["Cs"]), max_size=10)
PATHS = st.lists(NAMES, max_size=3).map(lambda parts: ("data", *parts))


@given(st.lists(st.tuples(LITERAL, PATHS), max_size=4), JSON)
def test_the_quick_way_and_the_engine_agree(
    pieces: list[tuple[str, tuple[str, ...]]], data: object
) -> None:
    source = "".join(f"{text}{{{{ {'.'.join(path)} }}}}" for text, path in pieces)
    parsed = parse(source)
    assert parsed.plain
    context = {"data": data}
    by_engine = _by_minijinja(parsed, html=False)(context)
    assert compile_template(source).render(context) == by_engine
    found = [lookup(data, path[1:]) for _, path in pieces]
    texts = ["" if value is MISSING else show(value) for value in found]
    assert by_engine == "".join(
        text + value for (text, _), value in zip(pieces, texts, strict=True)
    )


@given(st.text(alphabet="{}%#-| .,()[]'\"abdatx0159inforelsd\n\\<=>!", max_size=60))
def test_any_text_is_compiled_or_refused(source: str) -> None:
    try:
        template = compile_template(source)
    except RequestRefused:
        return
    with suppress(RenderFailed):
        assert isinstance(template.render({"data": {"a": [1, {"b": "x"}]}}), str)
