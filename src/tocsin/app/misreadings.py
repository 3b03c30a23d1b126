"""What msgspec finds wrong with a value, as field problems: a pointer, a code, our own sentence."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import msgspec
from msgspec import inspect

from tocsin.domain.names import nearest
from tocsin.errors import FieldProblem, Malformed, RequestRefused

_NAMED_MAX: Final = 12
"""How many fields a sentence names when none is near the one given."""

_AT: Final = re.compile(r" - at `(?:key in )?\$?([^`]*)`\Z")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `([^`]*)`")
_EXPECTED: Final = re.compile(r"Expected `([a-z| ]+)`(?: of length [<>=]+ \d+|, got `[a-z]+`)?\Z")
_BOUND: Final = re.compile(r"Expected `([a-z]+)` ([<>=]+ [\d.e+-]+|of length [<>=]+ \d+)\Z")


def refusal_of(error: msgspec.DecodeError | RecursionError, kind: object) -> RequestRefused:
    """
    Turn what msgspec found in a body of type *kind* into a refusal with pointers (RFC 6901).

    Bytes that are no JSON are `Malformed`; JSON of another shape is a 422 with one field.
    """
    if isinstance(error, RecursionError):
        return Malformed("the body is nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return Malformed("the body is not valid JSON in UTF-8")
    problem = field_problem(str(error), kind)
    return RequestRefused("one field of the request is wrong, see errors", errors=(problem,))


def field_problem(message: str, kind: object, *, base: str = "") -> FieldProblem:
    """Read msgspec's *message* about a value of type *kind*, repeating no value of it."""
    at = _AT.search(message)
    pointer = base + (_pointer(at.group(1)) if at else "")
    said = message[: at.start()] if at else message
    if found := _UNKNOWN.match(said):
        return _unknown_field(pointer, found.group(1), kind)
    if found := _MISSING.match(said):
        return FieldProblem(f"{pointer}/{escape(found.group(1))}", "required", "is required")
    if found := _BOUND.match(said):
        return FieldProblem(pointer, "out_of_range", f"must be {found.group(1)} {found.group(2)}")
    if found := _EXPECTED.match(said):
        return FieldProblem(pointer, "wrong_type", f"must be {_in_words(found.group(1))}")
    if said.startswith("Invalid enum value"):
        return FieldProblem(pointer, "not_allowed", "is none of the values allowed here")
    return FieldProblem(pointer, "invalid", "does not have the form that is needed here")


def escape(part: str) -> str:
    """Return *part* as one step of a JSON pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def _unknown_field(pointer: str, name: str, kind: object) -> FieldProblem:
    known = _field_names(kind)
    close = nearest(name, known)
    hint = "is not a field here"
    if close:
        hint += f"; did you mean {close}?"
    elif len(known) <= _NAMED_MAX:
        hint += f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
    return FieldProblem(f"{pointer}/{escape(name[:80])}", "unknown_field", hint)


def _pointer(path: str) -> str:
    steps = []
    for found in _STEP.finditer(path):
        # Under "[...]" msgspec means some value of a mapping; its container is all we can name.
        if found.group(0) == "[...]":
            break
        steps.append("/" + escape(found.group(1) or found.group(2)))
    return "".join(steps)


def _in_words(expected: str) -> str:
    return " or ".join(part.strip() for part in expected.split("|"))


@cache
def _field_names(kind: object) -> tuple[str, ...]:
    names: set[str] = set()
    seen: set[object] = set()
    waiting = [inspect.type_info(kind)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            names.update(field.encode_name for field in info.fields)
            waiting.extend(field.type for field in info.fields)
        waiting.extend(_parts(info))
    return tuple(sorted(names))


def _parts(info: inspect.Type) -> list[inspect.Type]:
    match info:
        case inspect.UnionType(types=types):
            return list(types)
        case inspect.DictType(value_type=value):
            return [value]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [item]
        case inspect.Metadata(type=inner):
            return [inner]
        case _:
            return []
