"""``[channels.<name>]``: which providers carry what. Who may be named is known to the wiring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.config.load import Misconfigured
from tocsin.config.raw import RawTable
from tocsin.domain.names import nearest
from tocsin.domain.provider_routes import ProviderRoute

ROUTES_MAX: Final = 1_000
WEIGHT_MAX: Final = 1_000_000

MATCHES: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "prefixes": (frozenset({"sms", "voice"}), 'what numbers begin with, such as "+49"'),
    "domains": (
        frozenset({"email"}),
        'domains of addresses, such as "example.org", or "*.example.org" for those below it',
    ),
    "tenants": (frozenset(), "tenants of the events"),
}
"""What a route may ask for: on which channels, none for all, and what it takes."""

_KEYS: Final = (*MATCHES, "providers", "weights")


def decode_routes(table: RawTable) -> Sequence[ProviderRoute]:
    """
    Return the routes of one channel.

    Raises:
        Misconfigured: with all that is wrong at once.

    """
    problems: list[str] = []
    found: list[ProviderRoute] = []
    for key, value, origin in table.items():
        place = f"channels.{table.name}.{key}"
        if key != "routes":
            problems.append(f"{place} ({origin}) is not a setting; it takes routes")
        elif not isinstance(value, list) or len(value) > ROUTES_MAX:
            problems.append(f"{place} ({origin}) must be a list of tables, {ROUTES_MAX} at most")
        else:
            for number, each in enumerate(value):
                route = _route(table.name, number, each, problems)
                found += [] if route is None else [route]
    problems += _unreached(found)
    if problems:
        raise Misconfigured(problems)
    return found


def _route(channel: str, number: int, given: object, problems: list[str]) -> ProviderRoute | None:
    name = f"{channel}.routes[{number}]"
    place = f"channels.{name}"
    if not isinstance(given, dict):
        problems.append(f"{place} must be a table")
        return None
    wrong = [
        *_unknown(place, given),
        *_matches_wrong(place, channel, given),
        *_carriers_wrong(place, given),
    ]
    problems += wrong
    if wrong:
        return None
    weights: Mapping[str, int] = given.get("weights", {})
    return ProviderRoute(
        name=name,
        providers=tuple(given.get("providers", weights)),
        weights=tuple(weights.values()),
        prefixes=tuple(given.get("prefixes", ())),
        domains=tuple(each.lower() for each in given.get("domains", ())),
        tenants=tuple(given.get("tenants", ())),
    )


def _unknown(place: str, given: Mapping[str, Any]) -> Iterator[str]:
    for key in given:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            hint = f"did you mean {close}?" if close else f"it takes {', '.join(_KEYS)}"
            yield f"{place}.{key} is not a setting; {hint}"


def _matches_wrong(place: str, channel: str, given: Mapping[str, Any]) -> Iterator[str]:
    for key, (channels, takes) in MATCHES.items():
        if key not in given:
            continue
        if channels and channel not in channels:
            where = " and ".join(sorted(channels))
            yield f"{place}.{key} says nothing on the channel {channel}; it is for {where}"
        elif not _texts(given[key]):
            yield f"{place}.{key} must be a list of {takes}"
        elif key == "prefixes" and not all(_is_prefix(each) for each in given[key]):
            yield f'{place}.prefixes must begin with + and go on with digits, such as "+49"'


def _carriers_wrong(place: str, given: Mapping[str, Any]) -> Iterator[str]:
    if ("providers" in given) == ("weights" in given):
        yield f"{place} needs providers, in order, or weights, and not both"
    elif "providers" in given:
        names = given["providers"]
        if not _texts(names) or len(set(names)) < len(names):
            yield f"{place}.providers must be a list of names, each once"
    elif not _weights(given["weights"]):
        yield (
            f"{place}.weights must be a table of names with whole numbers from 0 to {WEIGHT_MAX},"
            " one of them above 0"
        )


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, str) and e for e in value)


def _weights(value: object) -> bool:
    return (
        isinstance(value, dict)
        and all(type(each) is int and 0 <= each <= WEIGHT_MAX for each in value.values())
        and any(value.values())
    )


def _is_prefix(text: str) -> bool:
    return text[:1] == "+" and text[1:].isascii() and text[1:].isdigit()


def _unreached(routes: Iterable[ProviderRoute]) -> Iterator[str]:
    all_: ProviderRoute | None = None
    for route in routes:
        if all_ is not None:
            yield f"channels.{route.name} is never reached: {all_.name} takes everything"
        elif route.takes_all:
            all_ = route


def show_route(route: ProviderRoute) -> str:
    """Return a route in one line, as the file could say it."""
    said = {
        "prefixes": list(route.prefixes),
        "domains": list(route.domains),
        "tenants": list(route.tenants),
    }
    parts = [f"{key} = {_json(value)}" for key, value in said.items() if value]
    if route.weights:
        weights = zip(route.providers, route.weights, strict=True)
        parts.append(f"weights = {{ {', '.join(f'{name} = {n}' for name, n in weights)} }}")
    else:
        parts.append(f"providers = {_json(list(route.providers))}")
    return f"{{ {', '.join(parts)} }}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
