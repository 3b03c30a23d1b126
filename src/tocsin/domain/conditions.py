"""Conditions of workflows and subscriptions: data, compiled once to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec


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


def read_condition(value: object, pointer: str = "") -> Condition:
    """Read ``{all|any: [{variable, operator, argument}]}``; raises `RequestRefused`."""
    raise NotImplementedError


def show_condition(condition: Condition) -> dict[str, object]:
    """Return the document that `read_condition` reads as *condition*."""
    raise NotImplementedError


def compile_condition(condition: Condition) -> Test:
    """Return the function that says whether *condition* holds; it never raises."""
    raise NotImplementedError
