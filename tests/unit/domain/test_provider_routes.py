"""Who carries a message, and how much of what is sent each is given."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.provider_routes import ProviderRoute, parts, ranking, route_of

KEYS = [number.to_bytes(4, "big") for number in range(4_000)]
ORDERED = ProviderRoute(name="sms", providers=("a", "b", "c"))
WEIGHTED = ProviderRoute(name="sms", providers=("a", "b", "c"), weights=(6, 3, 1))
NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def firsts(route: ProviderRoute, shares: dict[str, float]) -> dict[str, float]:
    counted = Counter(ranking(route, shares, key)[0] for key in KEYS)
    return {name: counted[name] / len(KEYS) for name in route.providers}


@pytest.mark.parametrize(
    ("route", "shares"),
    [
        (ORDERED, {}),
        (ORDERED, {"a": 0.4}),
        (ORDERED, {"a": 0.4, "b": 0.5}),
        (WEIGHTED, {}),
        (WEIGHTED, {"a": 0.25}),
        (WEIGHTED, {"a": 0.05, "b": 0.05, "c": 0.05}),
    ],
)
def test_each_is_given_its_part(route: ProviderRoute, shares: dict[str, float]) -> None:
    said = parts(route, shares)
    assert sum(said.values()) == pytest.approx(1)
    found = firsts(route, shares)
    for name, part in said.items():
        assert found[name] == pytest.approx(part, abs=0.03)


def test_while_all_are_well_the_order_is_kept() -> None:
    assert {tuple(ranking(ORDERED, {}, key)) for key in KEYS} == {("a", "b", "c")}


@given(NAMES, st.data())
def test_everybody_is_asked_once_and_the_order_is_always_the_same(
    names: list[str], data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names)))
    shares = data.draw(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.05, 1)))
    weighted = any(weights) and data.draw(st.booleans())
    route = ProviderRoute(
        name="x", providers=tuple(names), weights=tuple(weights) if weighted else ()
    )
    for key in KEYS[:20]:
        found = ranking(route, shares, key)
        assert sorted(found) == sorted(names)
        assert found == ranking(route, shares, key)


def test_a_weight_that_falls_moves_only_what_its_provider_had() -> None:
    for key in KEYS:
        before, after = ranking(WEIGHTED, {}, key), ranking(WEIGHTED, {"a": 0.5}, key)
        assert after[0] == before[0] or before[0] == "a"
        assert [name for name in after if name != "a"] == [name for name in before if name != "a"]


def test_who_has_no_weight_is_asked_last() -> None:
    route = ProviderRoute(name="sms", providers=("a", "b", "c"), weights=(0, 1, 1))
    assert {ranking(route, {}, key)[-1] for key in KEYS} == {"a"}


@pytest.mark.parametrize(
    ("address", "tenant", "name"),
    [
        ("+4915112345678", None, "german"),
        ("+4915112345678", "acme", "german"),
        ("+12025550100", "acme", "acme"),
        ("+12025550100", None, "rest"),
        ("ana@Example.ORG", None, "domain"),
        ("ana@mail.example.org", None, "below"),
        ("ana@notexample.org", None, "rest"),
    ],
)
def test_the_first_route_that_takes_a_message_counts(
    address: str, tenant: str | None, name: str
) -> None:
    routes = [
        ProviderRoute(name="german", providers=("a",), prefixes=("+49", "+43")),
        ProviderRoute(name="acme", providers=("a",), tenants=("acme",)),
        ProviderRoute(name="domain", providers=("a",), domains=("example.org",)),
        ProviderRoute(name="below", providers=("a",), domains=("*.example.org",)),
        ProviderRoute(name="rest", providers=("a",)),
    ]
    assert route_of(routes, address, tenant).name == name


def test_all_that_a_route_asks_for_must_fit() -> None:
    route = ProviderRoute(name="x", providers=("a",), prefixes=("+49",), tenants=("acme",))
    assert route.takes("+491", "acme")
    assert not route.takes("+491", "other")
    assert not route.takes("+431", "acme")
    assert not route.takes_all
