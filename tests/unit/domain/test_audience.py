"""Terms of a call, and the audience rule of a workflow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.audience import (
    TERMS_MAX,
    EveryoneTerm,
    GroupTerm,
    ObjectTerm,
    RecipientTerm,
    Term,
    decode_terms,
    encode_terms,
    read_terms,
    single_recipient,
)
from tocsin.domain.reading import Notes
from tocsin.domain.rules import AudienceRule, read_rule, resolve, show_rule
from tocsin.errors import NotBuilt, RequestRefused


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        ("ana", (RecipientTerm("ana"),)),
        (["ana", "bo"], (RecipientTerm("ana"), RecipientTerm("bo"))),
        ([], ()),
        ({"id": "ana"}, (RecipientTerm("ana"),)),
        (
            {"id": "ana", "email": "a@example.org", "data": {"seat": 4}},
            (RecipientTerm("ana", email="a@example.org", data=b'{"seat":4}'),),
        ),
        ({"group": "staff"}, (GroupTerm("staff"),)),
        ({"object": {"collection": "product", "id": "42"}}, (ObjectTerm("product", "42"),)),
        ({"everyone": True}, (EveryoneTerm(),)),
    ],
)
def test_a_call_names_recipients_in_these_forms(value: object, terms: tuple[Term, ...]) -> None:
    assert read_terms(value) == terms
    assert decode_terms(encode_terms(terms)) == terms


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        (5, "/recipients", "wrong_type"),
        (None, "/recipients", "wrong_type"),
        ([""], "/recipients/0", "empty"),
        (["a\x00b"], "/recipients/0", "control_character"),
        (["a\nb"], "/recipients/0", "control_character"),
        (["a\u2028b"], "/recipients/0", "control_character"),
        (["a\ud800"], "/recipients/0", "control_character"),
        (["a", "b" * 257], "/recipients/1", "too_long"),
        ({"id": 5}, "/recipients/id", "wrong_type"),
        ({"id": "a", "emial": "x"}, "/recipients/emial", "unknown_field"),
        ({"id": "a", "data": [1]}, "/recipients/data", "wrong_type"),
        ({"id": "a", "data": {"x": "y" * 70_000}}, "/recipients/data", "too_long"),
        ({}, "/recipients", "invalid_term"),
        ({"group": "a", "everyone": True}, "/recipients", "invalid_term"),
        ({"group": "a b"}, "/recipients/group", "invalid_key"),
        ({"group": None}, "/recipients/group", "missing"),
        ({"everyone": False}, "/recipients/everyone", "invalid_value"),
        ({"object": {"id": "4"}}, "/recipients/object/collection", "missing"),
        ({"a/b~c": 1}, "/recipients/a~1b~0c", "unknown_field"),
        (["a"] * (TERMS_MAX + 1), "/recipients", "too_many"),
    ],
)
def test_a_mistake_is_named_at_its_place(value: object, pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_terms(value)
    assert (pointer, code) in [(each.pointer, each.code) for each in refused.value.errors]


def test_a_segment_is_refused_as_not_built() -> None:
    with pytest.raises(NotBuilt, match="segments"):
        read_terms([{"segment": "vip"}])


def test_a_list_of_mistakes_ends_where_nobody_reads_on() -> None:
    with pytest.raises(RequestRefused) as refused:
        read_terms([5] * 500)
    assert len(refused.value.errors) == 50


def test_the_key_of_an_event_is_its_single_recipient() -> None:
    assert single_recipient((RecipientTerm("ana"),)) == "ana"
    assert single_recipient((RecipientTerm("ana"), RecipientTerm("bo"))) is None
    assert single_recipient((GroupTerm("staff"),)) is None
    assert single_recipient(()) is None


def test_profile_fields_are_seen_and_data_alone_is_none() -> None:
    assert RecipientTerm("ana", phone="+49…").changes_profile
    assert not RecipientTerm("ana", data=b"{}").changes_profile


def test_a_term_does_not_show_its_person() -> None:
    assert "example" not in repr(RecipientTerm("ana", email="ana@example.org"))


def rule(value: object) -> AudienceRule:
    notes = Notes()
    read = read_rule(value, "/audience", notes)
    assert notes.problems == []
    return read


@pytest.mark.parametrize(
    ("value", "data", "terms"),
    [
        ({"path": "data.customer"}, {"customer": "ana"}, [RecipientTerm("ana")]),
        ({"path": "data.customer"}, {"customer": 42}, [RecipientTerm("42")]),
        ({"path": "data.customer"}, {}, []),
        ({"path": "data.customer"}, {"customer": None}, []),
        ({"path": "data.customer"}, {"customer": True}, []),
        ({"path": "data.customer"}, {"customer": 1.5}, []),
        ({"path": "data.customer"}, {"customer": {"id": "ana"}}, []),
        ({"path": "data.customer"}, {"customer": "a\x00"}, []),
        ({"path": "data.customer"}, [1], []),
        ({"path": "data.a.b"}, {"a": {"b": "ana"}}, [RecipientTerm("ana")]),
        ({"path": "data.a.1"}, {"a": ["x", "ana"]}, [RecipientTerm("ana")]),
        (
            {"path": "data.team"},
            {"team": ["ana", 7, None, "bo"]},
            [RecipientTerm("ana"), RecipientTerm("7"), RecipientTerm("bo")],
        ),
        ("ana", {}, [RecipientTerm("ana")]),
        ({"id": "ana"}, {}, [RecipientTerm("ana")]),
        (
            {"id": {"path": "data.c"}, "email": {"path": "data.mail"}},
            {"c": "ana", "mail": "a@example.org"},
            [RecipientTerm("ana", email="a@example.org")],
        ),
        (
            {"id": {"path": "data.c"}, "email": {"path": "data.mail"}},
            {"c": ["ana", "bo"], "mail": "a@example.org"},
            [RecipientTerm("ana"), RecipientTerm("bo")],
        ),
        ({"group": {"path": "data.team"}}, {"team": "staff"}, [GroupTerm("staff")]),
        ({"group": {"path": "data.team"}}, {"team": "no key"}, []),
        (
            {"object": {"collection": "product", "id": {"path": "data.p"}}},
            {"p": 42},
            [ObjectTerm("product", "42")],
        ),
        ({"object": {"collection": "product", "id": {"path": "data.p"}}}, {}, []),
        ({"everyone": True}, {}, [EveryoneTerm()]),
        ([{"path": "data.c"}, "bo"], {"c": "ana"}, [RecipientTerm("ana"), RecipientTerm("bo")]),
    ],
)
def test_a_rule_finds_its_audience_in_the_data(
    value: object, data: object, terms: list[Term]
) -> None:
    read = rule(value)
    assert list(resolve(read, data)) == terms
    assert rule(show_rule(read)) == read


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        ({"path": "customer"}, "/audience/path", "invalid_path"),
        ({"path": "data"}, "/audience/path", "invalid_path"),
        ({"path": "data.a b"}, "/audience/path", "invalid_path"),
        ({"path": 5}, "/audience/path", "wrong_type"),
        ({"path": "data.a", "x": 1}, "/audience", "invalid_term"),
        ([{"group": {"path": "recipient.x"}}], "/audience/0/group/path", "invalid_path"),
        ({"object": {"id": {"path": "data.p"}}}, "/audience/object/collection", "missing"),
        ({"id": {"path": "data.c"}, "emial": "x"}, "/audience/emial", "unknown_field"),
        (["a"] * 101, "/audience", "too_many"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(value: object, pointer: str, code: str) -> None:
    notes = Notes()
    read_rule(value, "/audience", notes)
    assert (pointer, code) in [(each.pointer, each.code) for each in notes.problems]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_data_makes_a_rule_fail(value: object) -> None:
    for term in resolve(rule({"path": "data.x"}), {"x": value}):
        assert isinstance(term, RecipientTerm)
        assert read_terms(term.id) == (term,)
