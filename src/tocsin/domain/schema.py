"""The JSON Schema of an event's data: inline, bounded, matched in linear time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import msgspec
from jsonschema_rs import (
    Draft202012Validator,
    RegexOptions,
    ValidationError,
    ValidationErrorKind,
)

from tocsin.domain.reading import step_into
from tocsin.errors import FieldProblem

SCHEMA_BYTES_MAX: Final = 65_536
SCHEMA_DEPTH_MAX: Final = 32
PROBLEMS_SHOWN_MAX: Final = 10
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef"})
_FOREIGN: Final = frozenset({"$id", "$vocabulary"})


def compile_schema(
    schema: dict[str, object], pointer: str
) -> tuple[Callable[[object], tuple[FieldProblem, ...]] | None, list[FieldProblem]]:
    """
    Return the check of decoded data, or None and what is wrong with *schema*.

    Nothing is fetched: a reference that does not begin with ``#`` is refused. Patterns use an
    engine without backtracking, so neither they nor the data can stall it; ``format`` is a note.
    """
    size = len(msgspec.json.encode(schema))
    if size > SCHEMA_BYTES_MAX:
        detail = f"a schema has at most {SCHEMA_BYTES_MAX} bytes"
        return None, [FieldProblem(pointer, "too_long", detail)]
    problems = list(islice(_refused(schema, pointer, 1), PROBLEMS_SHOWN_MAX))
    if problems:
        return None, problems
    try:
        # offline again, beside the check above: two locks on a door that leads to the network.
        validator = Draft202012Validator(
            schema,
            validate_formats=False,
            offline=True,
            pattern_options=RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20),
        )
    except (ValidationError, ValueError) as error:
        message = str(error).partition("\n")[0][:200]
        return None, [FieldProblem(pointer, "invalid_schema", message)]
    return _checker(validator), []


def _refused(value: object, pointer: str, depth: int) -> Iterator[FieldProblem]:
    if depth > SCHEMA_DEPTH_MAX:
        detail = f"a schema is at most {SCHEMA_DEPTH_MAX} deep"
        yield FieldProblem(pointer, "too_deep", detail)
        return
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _refused(each, step_into(pointer, number), depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            place = step_into(pointer, name)
            refusal = _field_problem(name, each)
            if refusal is not None:
                yield FieldProblem(place, "foreign_schema", refusal)
            yield from _refused(each, place, depth + 1)


def _field_problem(name: str, value: object) -> str | None:
    if name in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
        return "only references within the schema are followed; begin with #/"
    if name in _FOREIGN and isinstance(value, str | dict):
        return f"{name} is not supported: the schema stands for itself"
    if name == "$schema" and str(value).rstrip("#") != _DRAFT:
        return f"the schema's draft is {_DRAFT}; leave $schema out"
    return None


def _checker(
    validator: Draft202012Validator,
) -> Callable[[object], tuple[FieldProblem, ...]]:
    def check(data: object) -> tuple[FieldProblem, ...]:
        if validator.is_valid(data):
            return ()
        errors = islice(validator.iter_errors(data), PROBLEMS_SHOWN_MAX)
        return tuple(map(_problem, errors))

    return check


def _problem(error: ValidationError) -> FieldProblem:
    """Say which rule is broken, never the value: it may be somebody's."""
    pointer = "/data"
    for part in error.instance_path:
        pointer = step_into(pointer, part)
    return FieldProblem(pointer, "invalid_data", _wanted(error)[:300])


def _wanted(error: ValidationError) -> str:
    """Say what the schema asks for; names and types are the schema's own, so they may be shown."""
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            return f"{name} is required"
        case ValidationErrorKind.Type(types=types):
            return f"must be of the type {' or '.join(types)}"
        case _:
            return f"the schema refuses this at {'/'.join(map(str, error.schema_path))}"
