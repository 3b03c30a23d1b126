"""The schema of an event's data is inline, bounded and never quotes what it checks."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.domain.schema import compile_schema


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "pointer", "code"),
    [
        ({"$ref": "http://127.0.0.1:9/x"}, "/schema/$ref", "foreign_schema"),
        ({"$ref": "file:///etc/passwd"}, "/schema/$ref", "foreign_schema"),
        ({"$ref": "other.json"}, "/schema/$ref", "foreign_schema"),
        ({"allOf": [{"$dynamicRef": "//x"}]}, "/schema/allOf/0/$dynamicRef", "foreign_schema"),
        ({"$id": "https://example.org/a"}, "/schema/$id", "foreign_schema"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#"},
            "/schema/$schema",
            "foreign_schema",
        ),
        ({"$ref": "#/$defs/gone"}, "/schema", "invalid_schema"),
        ({"type": "objet"}, "/schema", "invalid_schema"),
        ({"pattern": "("}, "/schema", "invalid_schema"),
        ({"pattern": "(?=a)a"}, "/schema", "invalid_schema"),
        ({"pattern": "(a{1000}){1000}"}, "/schema", "invalid_schema"),
        ({"enum": ["x" * 70_000]}, "/schema", "too_long"),
        (deep(32), "/schema" + "/not" * 32, "too_deep"),
    ],
)
def test_a_schema_that_cannot_be_is_refused(
    schema: dict[str, object], pointer: str, code: str
) -> None:
    check, problems = compile_schema(schema, "/schema")
    assert check is None
    assert (pointer, code) in [(each.pointer, each.code) for each in problems]


SCHEMA: dict[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {"type": "integer"},
        "mail": {"type": "string", "format": "email"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "$defs": {"line": {"type": "object", "required": ["name"]}},
}


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        ({"order": 1}, []),
        ({"order": 1, "mail": "no address", "lines": [{"name": "pen"}]}, []),
        ({}, ["/data"]),
        ([], ["/data"]),
        ({"order": "one"}, ["/data/order"]),
        ({"order": 1, "lines": [{"name": "pen"}, {}]}, ["/data/lines/1"]),
        ({"order": 1, "lines": [5] * 50}, [f"/data/lines/{n}" for n in range(10)]),
    ],
)
def test_data_is_checked_and_each_mistake_placed(data: object, pointers: list[str]) -> None:
    check, problems = compile_schema(SCHEMA, "/schema")
    assert problems == []
    assert check is not None
    assert [each.pointer for each in check(data)] == pointers


def test_a_problem_says_what_is_missing_and_what_type_is_wanted() -> None:
    schema: dict[str, object] = {
        "required": ["order", "customer"],
        "properties": {
            "order": {"minLength": 1},
            "customer": {"type": ["string", "null"]},
        },
    }
    check, _ = compile_schema(schema, "/schema")
    assert check is not None

    missing = [each.detail for each in check({})]
    wrong = {each.pointer: each.detail for each in check({"order": "", "customer": 5})}

    assert missing == ["order is required", "customer is required"]
    assert wrong["/data/order"] == "the schema refuses this at properties/order/minLength"
    assert set(wrong["/data/customer"].split()) >= {"must", "string", "or", "null"}


def test_a_problem_never_quotes_the_data() -> None:
    check, _ = compile_schema({"properties": {"phone": {"type": "integer"}}}, "/schema")
    assert check is not None
    (problem,) = check({"phone": "+49 30 123456"})
    assert "123456" not in str(problem)
    assert problem.code == "invalid_data"


def test_a_pattern_with_nested_repeats_ends() -> None:
    check, _ = compile_schema({"properties": {"x": {"pattern": "^(a+)+$"}}}, "/schema")
    assert check is not None
    # A backtracking engine would take longer than the test may.
    assert len(check({"x": "a" * 50_000 + "!"})) == 1
