"""Customers' templates: checked when published, rendered by minijinja or quicker."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from minijinja import Environment, TemplateError

from tocsin.domain.paths import MISSING, lookup
from tocsin.domain.template_filters import FILTERS, each, pairs
from tocsin.domain.template_syntax import Parsed, parse
from tocsin.domain.template_tokens import Refusal
from tocsin.domain.template_values import OUTPUT_CHARACTERS_MAX, RenderFailed, show
from tocsin.errors import FieldProblem, RequestRefused

FUEL: Final = 100_000
"""minijinja's instructions for one rendering: about ten thousand values."""

Render = Callable[[Mapping[str, object]], str]


@dataclass(frozen=True, slots=True)
class Template:
    """
    One compiled template.

    ``paths`` are the variables that it reads (``data.order``, ``recipient.name``); ``render``
    takes ``{"data": …, "recipient": …, "actor": …, "tenant": …}``, plain JSON values each, and
    raises `RenderFailed`.
    """

    source: str
    paths: frozenset[str]
    render: Render


def compile_template(source: str, *, pointer: str = "", html: bool = False) -> Template:
    """
    Check and compile; raises `RequestRefused` for what a template may not hold.

    With *html* every value is escaped, and one that stands for a link's address is made safe.
    """
    try:
        parsed = parse(source, html=html)
        render = _quick(parsed) if parsed.plain else _by_minijinja(parsed, html)
    except Refusal as refusal:
        line = source.count("\n", 0, refusal.at) + 1
        problem = FieldProblem(pointer, "invalid_template", f"line {line}: {refusal.detail}")
        raise RequestRefused("a template cannot be used", errors=(problem,)) from None
    return Template(source, frozenset(".".join(parts) for parts in parsed.variables), render)


def _quick(parsed: Parsed) -> Render:
    """Return the renderer of literal text and plain paths, which needs no engine."""
    pieces = tuple(parsed.pieces)
    if all(isinstance(piece, str) for piece in pieces):
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        return lambda _context: text
    layout = "".join(
        piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces
    )
    finders = tuple(_finder(piece) for piece in pieces if not isinstance(piece, str))
    if len(finders) == 1:
        finder = finders[0]
        return lambda context: _checked(layout % finder(context))
    return lambda context: _checked(layout % tuple([find(context) for find in finders]))


def _finder(parts: tuple[str, ...]) -> Callable[[Mapping[str, object]], str]:
    """Return the function that reads one path as text; paths of two parts are most of them."""
    root, rest = parts[0], parts[1:]
    if len(rest) == 1:
        (name,) = rest

        def find_below(context: Mapping[str, object]) -> str:
            found = context.get(root)
            if type(found) is dict:
                value = found.get(name)
                return value if type(value) is str else show(value)
            return show(lookup(found, rest))

        return find_below
    return lambda context: show(lookup(context.get(root), rest))


def _checked(text: str) -> str:
    if len(text) > OUTPUT_CHARACTERS_MAX:
        raise RenderFailed(f"more than {OUTPUT_CHARACTERS_MAX} characters come out")
    return text


class _Meter:
    """Counts what one rendering puts out, so that it ends before memory does."""

    def __init__(self) -> None:
        self.left = 0

    def finalize(self, value: object) -> str:
        text = show(value)
        self.spend(len(text))
        return text

    def spend(self, characters: int) -> str:
        self.left -= characters
        if self.left < 0:
            raise RenderFailed(f"more than {OUTPUT_CHARACTERS_MAX} characters come out")
        return ""


def _by_minijinja(parsed: Parsed, html: bool) -> Render:
    meter = _Meter()
    environment = _environment(meter, html)
    try:
        environment.add_template("t", "".join(parsed.source))
    except TemplateError as error:
        raise Refusal(f"the template cannot be compiled ({error.kind})", 0) from None
    variables = tuple((name, path[0], path[1:]) for path, name in parsed.variables.items())

    def render(context: Mapping[str, object]) -> str:
        found = {name: _value(context.get(root), parts) for name, root, parts in variables}
        meter.left = OUTPUT_CHARACTERS_MAX
        try:
            return _checked(environment.render_template("t", **found))
        except TemplateError as error:
            # The message could quote the data, which is somebody's.
            raise RenderFailed(f"the template fails with this data ({error.kind})") from None

    return render


def _environment(meter: _Meter, html: bool) -> Environment:
    environment = Environment(
        debug=False,
        fuel=FUEL,
        pycompat=False,
        keep_trailing_newline=True,
        finalizer=meter.finalize,
        auto_escape_callback=lambda _name: html,
    )
    for name, filter_ in FILTERS.items():
        environment.add_filter(name, filter_.apply)
    for name, function in _INNER_FILTERS.items():
        environment.add_filter(name, function)
    environment.add_filter("spend", meter.spend)
    return environment


def _value(root: object, parts: tuple[str, ...]) -> Any:
    found = lookup(root, parts)
    return None if found is MISSING else found


def _at(value: object, *parts: str) -> Any:
    return _value(value, parts)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(left: object, mark: str, right: object) -> bool:
    """Compare as a condition does: what cannot be compared is neither less nor more."""
    same_kind = type(left) is type(right) or (_is_number(left) and _is_number(right))
    if mark == "==":
        return same_kind and left == right
    if mark == "!=":
        return not (same_kind and left == right)
    ordered = same_kind and (_is_number(left) or isinstance(left, str))
    return ordered and _OPERATORS[mark](left, right)


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is float


def _among(value: object, values: object) -> bool:
    if isinstance(values, list):
        return any(_compare(value, "==", each_) for each_ in values)
    if isinstance(values, str):
        return isinstance(value, str) and value in values
    return isinstance(values, dict) and isinstance(value, str) and value in values


_INNER_FILTERS: Final[dict[str, Callable[..., object]]] = {
    "at": _at,
    "among": _among,
    "compare": _compare,
    "each": each,
    "pairs": pairs,
}
