"""
Conditions of workflows and subscriptions: data, compiled once to a function.

A condition never fails: a variable that is missing, and values that cannot be compared with one
another (a string with a number, a number with true), make a comparison false whatever its
operator, but for ``exists`` with the argument false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tocsin.domain.paths import MISSING, PATH, PATH_RULE, lookup
from tocsin.domain.reading import Notes, Reader, step_into

DEPTH_MAX: Final = 8
PARTS_MAX: Final = 100
CHOICES_MAX: Final = 1_000
TEXT_MAX: Final = 1_024
VARIABLES: Final = frozenset({"data", "recipient", "actor", "tenant"})
"""What a variable's path may begin with."""


class Comparison(msgspec.Struct, frozen=True, array_like=True, tag="is"):
    """One variable (``data.price``) held against one argument."""

    variable: str
    operator: str
    argument: Any = None


class AllOf(msgspec.Struct, frozen=True, array_like=True, tag="all"):
    """True when every part is; true without parts."""

    parts: tuple[Comparison | AllOf | AnyOf, ...]


class AnyOf(msgspec.Struct, frozen=True, array_like=True, tag="any"):
    """True when some part is; false without parts."""

    parts: tuple[Comparison | AllOf | AnyOf, ...]


Condition = Comparison | AllOf | AnyOf
Context = Mapping[str, object]
Test = Callable[[Context], bool]


def _kind(value: object) -> str:
    """Return what *value* can be compared with: bool is no number, unlike in Python."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else "other"


def _same(value: object, argument: object) -> bool:
    return _kind(value) == _kind(argument) and value == argument


def _ordered(value: object, argument: object) -> bool:
    kind = _kind(value)
    return kind == _kind(argument) and kind in {"number", "text"}


def _among(value: object, argument: Any) -> bool:
    return any(_same(value, each) for each in argument)


def _contains(value: object, argument: object) -> bool:
    if isinstance(value, list):
        return _among(argument, value)
    return isinstance(value, str) and isinstance(argument, str) and argument in value


def _text(value: object, argument: object) -> tuple[str, str] | None:
    return (value, argument) if isinstance(value, str) and isinstance(argument, str) else None


def _starts(value: object, argument: object) -> bool:
    texts = _text(value, argument)
    return texts is not None and texts[0].startswith(texts[1])


def _ends(value: object, argument: object) -> bool:
    texts = _text(value, argument)
    return texts is not None and texts[0].endswith(texts[1])


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": _same,
    "!=": lambda value, argument: _kind(value) == _kind(argument) and value != argument,
    "<": lambda value, argument: _ordered(value, argument) and bool(value < argument),
    "<=": lambda value, argument: _ordered(value, argument) and bool(value <= argument),
    ">": lambda value, argument: _ordered(value, argument) and bool(value > argument),
    ">=": lambda value, argument: _ordered(value, argument) and bool(value >= argument),
    "in": _among,
    "not_in": lambda value, argument: _kind(value) != "other" and not _among(value, argument),
    "contains": _contains,
    "starts_with": _starts,
    "ends_with": _ends,
}
OPERATORS: Final = (*_OPERATORS, "exists")
"""The closed list, in the order in which it is documented."""


def read_condition(value: object, pointer: str = "") -> Condition:
    """Read ``{all|any: [{variable, operator, argument}]}``; raises `RequestRefused`."""
    notes = Notes()
    condition = _ConditionReader(notes).read(value, pointer, 1)
    notes.finish("the condition cannot be read")
    assert condition is not None
    return condition


class _ConditionReader:
    """Reads one condition and counts its parts."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._parts = 0

    def read(self, value: object, pointer: str, depth: int) -> Condition | None:
        self._parts += 1
        if depth > DEPTH_MAX or self._parts > PARTS_MAX:
            limits = f"at most {PARTS_MAX} parts, {DEPTH_MAX} deep, are allowed"
            self._notes.add(pointer, "too_many", limits)
            return None
        for word, kind in (("all", AllOf), ("any", AnyOf)):
            if isinstance(value, dict) and word in value:
                return self._group(value, word, kind, pointer, depth)
        return self._comparison(value, pointer)

    def _group(
        self, value: object, word: str, kind: type[AllOf | AnyOf], pointer: str, depth: int
    ) -> Condition | None:
        reader = Reader(value, pointer, self._notes, {word})
        items = reader.items(word, count_max=PARTS_MAX)
        if not items:
            reader.note(word, "empty", "at least one comparison is needed")
            return None
        place = reader.at(word)
        parts = [self.read(item, step_into(place, n), depth + 1) for n, item in enumerate(items)]
        return kind(tuple(part for part in parts if part is not None))

    def _comparison(self, value: object, pointer: str) -> Condition | None:
        reader = Reader(value, pointer, self._notes, {"variable", "operator", "argument"})
        variable = reader.text("variable", required=True)
        operator = reader.text("operator", required=True)
        if variable is not None and not _names_a_variable(variable):
            roots = ", ".join(sorted(VARIABLES))
            reader.note("variable", "invalid_path", f"{PATH_RULE}; it begins with one of {roots}")
        if operator is None:
            return None
        if operator not in OPERATORS:
            known = f"the operators are {', '.join(OPERATORS)}"
            reader.note("operator", "unknown_operator", known)
        argument = reader.get("argument")
        refusal = _argument_problem(operator, argument, "argument" in reader.fields)
        if refusal is not None:
            reader.note("argument", "invalid_argument", refusal)
        return Comparison(variable or "", operator, argument)


def _names_a_variable(path: str) -> bool:
    return PATH.match(path) is not None and path.partition(".")[0] in VARIABLES


def _argument_problem(operator: str, argument: object, given: bool) -> str | None:
    if operator == "exists":
        return None if argument is None or isinstance(argument, bool) else "true or false is needed"
    if not given:
        return f"{operator} needs an argument"
    if operator in {"in", "not_in"}:
        if isinstance(argument, list) and len(argument) <= CHOICES_MAX:
            return None if all(map(_scalar, argument)) else "the list's values must be plain"
        return f"a list of at most {CHOICES_MAX} plain values is needed"
    if operator in {"starts_with", "ends_with"}:
        return None if isinstance(argument, str) and _scalar(argument) else "a string is needed"
    return None if _scalar(argument) else "a string, a number, true, false or null is needed"


def _scalar(value: object) -> bool:
    return _kind(value) != "other" and not (isinstance(value, str) and len(value) > TEXT_MAX)


def show_condition(condition: Condition) -> dict[str, object]:
    """Return the document that `read_condition` reads as *condition*."""
    if isinstance(condition, Comparison):
        shown: dict[str, object] = {
            "variable": condition.variable,
            "operator": condition.operator,
        }
        if condition.operator != "exists" or condition.argument is not None:
            shown["argument"] = condition.argument
        return shown
    word = "all" if isinstance(condition, AllOf) else "any"
    return {word: [show_condition(part) for part in condition.parts]}


def compile_condition(condition: Condition) -> Test:
    """Return the function that says whether *condition* holds; it never raises."""
    if isinstance(condition, Comparison):
        return _compile_comparison(condition)
    tests = tuple(compile_condition(part) for part in condition.parts)
    if isinstance(condition, AllOf):
        return lambda context: all(test(context) for test in tests)
    return lambda context: any(test(context) for test in tests)


def _compile_comparison(comparison: Comparison) -> Test:
    root, *rest = comparison.variable.split(".")
    parts = tuple(rest)
    argument = comparison.argument
    if comparison.operator == "exists":
        wanted = argument is not False
        return lambda context: (_find(context, root, parts) is not MISSING) is wanted
    operator = _OPERATORS[comparison.operator]

    def test(context: Context) -> bool:
        value = _find(context, root, parts)
        return value is not MISSING and operator(value, argument)

    return test


def _find(context: Context, root: str, parts: tuple[str, ...]) -> object:
    return lookup(context.get(root, MISSING), parts)
