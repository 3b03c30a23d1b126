"""The filters of templates: what each does, how it is called, and none that can grow a text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tocsin.domain.instants import parse_instant
from tocsin.domain.template_values import OUTPUT_CHARACTERS_MAX, RenderFailed, show

_SAFE_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")
_DATE_FORMATS: Final = {"date": "%Y-%m-%d", "time": "%H:%M", "datetime": "%Y-%m-%d %H:%M"}


class Filter(NamedTuple):
    """One filter: its function, how many arguments it takes, and the line for the reference."""

    apply: Callable[..., object]
    arguments: tuple[int, int]
    """Fewest and most, beside the value."""
    usage: str
    does: str


def safe_url(text: str) -> bool:
    """Return whether *text* is a web, mail or phone address, or a path on the same site."""
    plain = text.strip().lower()
    if plain.startswith(_SAFE_SCHEMES):
        return True
    return plain.startswith(("/", "#", "?")) and not plain.startswith(("//", "/\\"))


def _text(value: object) -> str:
    return show(value)


def _trim(value: object) -> str:
    return show(value).strip()


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | dict) else 0


def _default(value: object, other: object = "") -> object:
    return other if value is None or value == "" else value


def _first(value: object) -> object:
    return value[0] if isinstance(value, str | list) and value else None


def _last(value: object) -> object:
    return value[-1] if isinstance(value, str | list) and value else None


def _join(value: object, between: object = ", ") -> str:
    if not isinstance(value, list):
        return show(value)
    parts = [show(each) for each in value]
    glue = show(between)
    if sum(map(len, parts)) + len(glue) * len(parts) > OUTPUT_CHARACTERS_MAX:
        raise RenderFailed("join makes a text that is too long")
    return glue.join(parts)


def _number(value: object) -> float | int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if math.isfinite(value) else None
    return None


def _round(value: object, digits: object = 0) -> object:
    number = _number(value)
    if number is None or not isinstance(digits, int) or not 0 <= digits <= 10:
        return value
    return round(number, digits) if digits else round(number)


def _fixed(value: object, digits: object = 2) -> object:
    number = _number(value)
    if number is None or abs(number) > 1e30 or not isinstance(digits, int) or not 0 <= digits <= 10:
        return value
    return f"{number:,.{digits}f}"


def _moment(value: object) -> datetime | None:
    number = _number(value)
    try:
        if isinstance(value, str):
            whole = f"{value}T00:00:00Z" if len(value) == 10 else value
            number = parse_instant(whole) / 1_000
        if number is None:
            return None
        return datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _dated(name: str) -> Callable[[object], object]:
    def apply(value: object) -> object:
        moment = _moment(value)
        return value if moment is None else moment.strftime(_DATE_FORMATS[name])

    return apply


def _truncate(value: object, characters: object = 80) -> str:
    text = show(value)
    limit = characters if isinstance(characters, int) else 80
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def _urlencode(value: object) -> str:
    return quote(show(value), safe="")


def _url(value: object) -> str:
    text = show(value)
    return text if safe_url(text) else "#"


def _plural(value: object, one: object, many: object) -> object:
    return one if value == 1 and not isinstance(value, bool) else many


FILTERS: Final[dict[str, Filter]] = {
    "date": Filter(_dated("date"), (0, 0), "data.at | date", "the day of an instant, in UTC"),
    "datetime": Filter(_dated("datetime"), (0, 0), "data.at | datetime", "day and time, in UTC"),
    "default": Filter(_default, (0, 1), "x | default('there')", "another value for nothing"),
    "first": Filter(_first, (0, 0), "data.items | first", "the first of a list or text"),
    "fixed": Filter(_fixed, (0, 1), "data.price | fixed(2)", "a number like 1,234.50"),
    "join": Filter(_join, (0, 1), "data.names | join(', ')", "a list as one text"),
    "last": Filter(_last, (0, 0), "data.items | last", "the last of a list or text"),
    "length": Filter(_length, (0, 0), "data.items | length", "how many there are"),
    "lower": Filter(lambda value: _text(value).lower(), (0, 0), "x | lower", "small letters"),
    "plural": Filter(_plural, (2, 2), "n | plural('item', 'items')", "the word for one or many"),
    "round": Filter(_round, (0, 1), "data.price | round(1)", "a rounded number"),
    "time": Filter(_dated("time"), (0, 0), "data.at | time", "the time of an instant, in UTC"),
    "title": Filter(lambda value: _text(value).title(), (0, 0), "x | title", "Each Word Like This"),
    "trim": Filter(_trim, (0, 0), "x | trim", "without white space at both ends"),
    "truncate": Filter(_truncate, (0, 1), "x | truncate(40)", "cut to so many characters"),
    "upper": Filter(lambda value: _text(value).upper(), (0, 0), "x | upper", "capital letters"),
    "url": Filter(_url, (0, 0), "data.link | url", "a safe address, else #"),
    "urlencode": Filter(_urlencode, (0, 0), "x | urlencode", "fit for a part of an address"),
}
"""All filters, as the reference lists them. None makes a text much longer than what it is given."""


def each(value: object) -> list[Any]:
    """Return what a loop runs over: a list's values or an object's names, 1,000 at most."""
    if value is None:
        return []
    if isinstance(value, dict | list):
        return _bounded(list(value))
    raise RenderFailed("a loop needs a list or an object")


def pairs(value: object) -> list[Any]:
    """Return an object's (name, value) pairs for a loop with two variables."""
    if value is None:
        return []
    if isinstance(value, dict):
        return _bounded([list(pair) for pair in value.items()])
    raise RenderFailed("a loop with two variables needs an object")


LOOP_MAX: Final = 1_000


def _bounded(values: list[Any]) -> list[Any]:
    if len(values) > LOOP_MAX:
        raise RenderFailed(f"a loop runs over more than {LOOP_MAX} values")
    return values
