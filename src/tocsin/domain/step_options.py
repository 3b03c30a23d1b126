"""
What a step says to single vendors: tables of plain values, whose texts may be templates.

They are small and go to the vendor's folder as they are; only it knows what its vendor takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tocsin.domain.reading import KEY, Notes, step_into
from tocsin.domain.templates import Template, compile_template
from tocsin.errors import FieldProblem, RequestRefused

OPTIONS_BYTES_MAX: Final = 8_192
"""Of all tables of one step, as JSON."""
DEPTH_MAX: Final = 6
_MARKS: Final = ("{{", "{%", "{#")

Options = Mapping[str, Mapping[str, object]]
"""A table by the name of its provider."""


def read_options(value: object, pointer: str, notes: Notes) -> dict[str, dict[str, object]]:
    """Return the tables; what is wrong with them is noted."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        notes.add(pointer, "wrong_type", "a table for each provider is needed here")
        return {}
    for name, table in value.items():
        place = step_into(pointer, name)
        if not isinstance(name, str) or KEY.match(name) is None:
            notes.add(place, "invalid_key", "the name of a provider is needed")
        elif not isinstance(table, dict):
            notes.add(place, "wrong_type", "a table is needed here")
        else:
            _check(table, place, notes, DEPTH_MAX)
    if len(msgspec.json.encode(value)) > OPTIONS_BYTES_MAX:
        notes.add(pointer, "too_large", f"options have at most {OPTIONS_BYTES_MAX} bytes")
    return value


def _check(value: object, place: str, notes: Notes, depth: int) -> None:
    if depth == 0:
        notes.add(place, "too_deep", f"options are at most {DEPTH_MAX} tables deep")
        return
    if isinstance(value, dict):
        for name, each in value.items():
            _check(each, step_into(place, name), notes, depth - 1)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check(each, step_into(place, number), notes, depth - 1)


@dataclass(frozen=True, slots=True)
class CompiledOptions:
    """The tables, ready to be filled in."""

    tables: Options
    templates: Mapping[str, Template]
    """By the text that each was made of."""

    def of(self, provider: str, context: Mapping[str, object]) -> Mapping[str, object]:
        """Return what *provider* is told; raises `RenderFailed`."""
        table = self.tables.get(provider)
        if table is None:
            return _NOTHING
        filled = _filled(table, self.templates, context) if self.templates else table
        return filled if isinstance(filled, Mapping) else _NOTHING

    @property
    def paths(self) -> frozenset[str]:
        """All that the templates read."""
        return frozenset[str]().union(*(each.paths for each in self.templates.values()))


_NOTHING: Final[Mapping[str, object]] = {}
NO_OPTIONS: Final = CompiledOptions({}, {})


def compile_options(tables: Options, pointer: str, problems: list[FieldProblem]) -> CompiledOptions:
    """Return the tables with their templates; what is wrong with those is added to *problems*."""
    if not tables:
        return NO_OPTIONS
    templates = {}
    for place, text in texts(tables, pointer):
        if not is_template(text):
            continue
        try:
            templates[text] = compile_template(text, pointer=place)
        except RequestRefused as refusal:
            problems.extend(refusal.errors)
    return CompiledOptions(tables, templates)


def is_template(value: object) -> bool:
    """Return whether something is to be filled in."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


def texts(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all texts in *value*."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from texts(each, step_into(pointer, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts(each, step_into(pointer, number))


def literal(value: object) -> object:
    """Return *value* without what is only known when it is filled in, so that it can be checked."""
    if isinstance(value, Mapping):
        return {name: literal(each) for name, each in value.items() if not is_template(each)}
    if isinstance(value, list):
        return [literal(each) for each in value if not is_template(each)]
    return value


def _filled(
    value: object, templates: Mapping[str, Template], context: Mapping[str, object]
) -> object:
    if isinstance(value, str):
        template = templates.get(value)
        return value if template is None else template.render(context)
    if isinstance(value, Mapping):
        return {name: _filled(each, templates, context) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, templates, context) for each in value]
    return value
