"""A condition holds or does not; it never fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.conditions import (
    OPERATORS,
    Comparison,
    compile_condition,
    read_condition,
    show_condition,
)
from tocsin.errors import RequestRefused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DATA = {"price": 79.5, "city": "Berlin", "tags": ["a", "b"], "sold": True, "none": None, "n": 1}


@pytest.mark.parametrize(
    ("variable", "operator", "argument", "holds"),
    [
        ("data.price", "<=", 80, True),
        ("data.price", "<", 79.5, False),
        ("data.price", ">", 79, True),
        ("data.price", ">=", 79.5, True),
        ("data.price", "==", 79.5, True),
        ("data.city", "==", "Berlin", True),
        ("data.city", "!=", "Bern", True),
        ("data.city", "<", "Bern", True),
        ("data.city", "in", ["Bern", "Berlin"], True),
        ("data.city", "not_in", ["Bern", "Berlin"], False),
        ("data.city", "starts_with", "Ber", True),
        ("data.city", "ends_with", "lin", True),
        ("data.city", "contains", "erl", True),
        ("data.tags", "contains", "a", True),
        ("data.tags", "contains", "c", False),
        ("data.tags.1", "==", "b", True),
        ("data.none", "==", None, True),
        ("data.none", "exists", True, True),
        ("data.gone", "exists", True, False),
        ("data.gone", "exists", False, True),
    ],
)
def test_a_comparison_looks_at_one_value(
    variable: str, operator: str, argument: object, holds: bool
) -> None:
    test = compile_condition(Comparison(variable, operator, argument))
    assert test({"data": DATA}) is holds


@pytest.mark.parametrize(
    ("variable", "operator", "argument"),
    [
        ("data.gone", "!=", 5),
        ("data.gone", "not_in", [5]),
        ("data.city", "<", 5),
        ("data.city", "!=", 5),
        ("data.sold", "==", 1),
        ("data.n", "==", True),
        ("data.n", "in", [True]),
        ("data.none", "<", 5),
        ("data.tags", "==", "a"),
        ("data.tags", "not_in", ["a"]),
        ("data.price", "contains", "7"),
        ("data.price.deeper", "==", 1),
    ],
)
def test_what_cannot_be_compared_does_not_hold(
    variable: str, operator: str, argument: object
) -> None:
    test = compile_condition(Comparison(variable, operator, argument))
    assert test({"data": DATA}) is False


def test_all_and_any_nest() -> None:
    condition = read_condition(
        {
            "all": [
                {"variable": "data.price", "operator": "<=", "argument": 80},
                {
                    "any": [
                        {"variable": "data.city", "operator": "==", "argument": "Bern"},
                        {"variable": "data.sold", "operator": "==", "argument": True},
                    ]
                },
            ]
        }
    )
    assert compile_condition(condition)({"data": DATA}) is True
    assert compile_condition(condition)({"data": {**DATA, "sold": False}}) is False


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        (5, "/when", "wrong_type"),
        ({}, "/when/variable", "missing"),
        ({"all": []}, "/when/all", "empty"),
        ({"all": [], "any": []}, "/when/any", "unknown_field"),
        (
            {"variable": "data.x", "operator": "~", "argument": 1},
            "/when/operator",
            "unknown_operator",
        ),
        ({"variable": "nope.x", "operator": "==", "argument": 1}, "/when/variable", "invalid_path"),
        (
            {"variable": "data..x", "operator": "==", "argument": 1},
            "/when/variable",
            "invalid_path",
        ),
        ({"variable": "data.x", "operator": "=="}, "/when/argument", "invalid_argument"),
        (
            {"variable": "data.x", "operator": "in", "argument": 5},
            "/when/argument",
            "invalid_argument",
        ),
        (
            {"variable": "data.x", "operator": "in", "argument": [[1]]},
            "/when/argument",
            "invalid_argument",
        ),
        (
            {"any": [{"variable": "data.x", "operator": "==", "argument": {}}]},
            "/when/any/0/argument",
            "invalid_argument",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(value: object, pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_condition(value, "/when")
    assert (pointer, code) in [(each.pointer, each.code) for each in refused.value.errors]


def test_depth_and_size_are_bounded() -> None:
    deep: dict[str, Any] = {"variable": "data.x", "operator": "==", "argument": 1}
    for _ in range(9):
        deep = {"all": [deep]}
    wide = {"any": [{"all": [deep["all"][0]["all"][0]] * 50}] * 50}
    for value in (deep, wide):
        with pytest.raises(RequestRefused) as refused:
            read_condition(value)
        assert refused.value.errors[0].code == "too_many"


@given(
    operator=st.sampled_from(OPERATORS),
    value=JSON,
    argument=st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
)
def test_whatever_the_values_there_is_an_answer(
    operator: str, value: object, argument: object
) -> None:
    given_ = [argument] if operator in {"in", "not_in"} else argument
    test = compile_condition(Comparison("data.x", operator, given_))
    assert test({"data": {"x": value}}) in {True, False}
    assert compile_condition(Comparison("data.x", operator, given_))({}) in {True, False}


@given(st.sampled_from(OPERATORS), st.text(max_size=20))
def test_what_is_shown_reads_as_the_same_condition(operator: str, text: str) -> None:
    argument: object = {"exists": True, "in": [text], "not_in": [text]}.get(operator, text)
    shown = {"any": [{"variable": "data.x", "operator": operator, "argument": argument}]}
    condition = read_condition(shown)
    assert show_condition(condition) == shown
    assert read_condition(show_condition(condition)) == condition
