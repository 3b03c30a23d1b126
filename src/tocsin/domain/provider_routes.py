"""
Which providers of a channel carry a message, and in which order they are asked.

A channel has *routes*; the first that takes a message says who carries it: in order, or by weights.
By weights the order is drawn from a hash of the delivery, so it is the same whenever it is asked,
and a weight that changes a little moves only a few deliveries (rendezvous hashing: Thaler and
Ravishankar 1996; with weights: Schindelhauer and Schomaker 2005).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import log

import msgspec


class ProviderRoute(msgspec.Struct, frozen=True, kw_only=True):
    """
    One route: who carries what it takes.

    It takes a message when each of ``prefixes``, ``domains`` and ``tenants`` that is not empty
    has one that fits. ``weights`` stand beside ``providers``; without, they are in order. A
    provider with the weight 0 is asked after all others.
    """

    name: str
    """Where it stands in the configuration: ``sms.routes[0]``."""
    providers: tuple[str, ...]
    weights: tuple[int, ...] = ()
    prefixes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether no message is not taken."""
        return not (self.prefixes or self.domains or self.tenants)

    def takes(self, address: str, tenant: str | None) -> bool:
        """Return whether a message to *address*, about something of *tenant*, goes here."""
        if self.prefixes and not address.startswith(self.prefixes):
            return False
        if self.domains and not _in_domain(address, self.domains):
            return False
        return not self.tenants or tenant in self.tenants


def route_of(routes: Sequence[ProviderRoute], address: str, tenant: str | None) -> ProviderRoute:
    """Return the first of *routes* that takes the message; the last one takes all."""
    return next(each for each in routes if each.takes(address, tenant))


def ranking(route: ProviderRoute, shares: Mapping[str, float], key: bytes) -> Sequence[str]:
    """
    Return the providers of *route* in the order in which they are asked to carry *key*.

    *shares* says of who is not well how much of its usual part it is given, 0 to 1; who is not in
    it is given all. In order, a provider with a share of 0.4 is passed over by six of ten
    deliveries; they ask it after all the others. With weights, its weight is 0.4 of its own.
    """
    names = route.providers
    if len(names) == 1 or not (route.weights or any(name in shares for name in names)):
        return names
    if route.weights:
        drawn = [
            _lot(weight * shares.get(name, 1.0), key, name)
            for name, weight in zip(names, route.weights, strict=True)
        ]
        return [names[n] for n in sorted(range(len(names)), key=drawn.__getitem__)]
    passed = [name for name in names if _unit(key, name) >= shares.get(name, 1.0)]
    return [*(name for name in names if name not in passed), *passed]


def parts(route: ProviderRoute, shares: Mapping[str, float]) -> dict[str, float]:
    """Return which part of what *route* takes each provider is given first; together 1."""
    if route.weights:
        now = {
            name: weight * shares.get(name, 1.0)
            for name, weight in zip(route.providers, route.weights, strict=True)
        }
        total = sum(now.values())
        return {name: each / total for name, each in now.items()}
    found: dict[str, float] = {}
    left = 1.0
    for name in route.providers:
        found[name] = left * shares.get(name, 1.0)
        left -= found[name]
    found[route.providers[0]] += left
    return found


def _lot(weight: float, key: bytes, name: str) -> float:
    """Return a draw of which the smallest wins, in proportion to *weight*."""
    return -log(_unit(key, name)) / weight if weight > 0 else float("inf")


def _unit(key: bytes, name: str) -> float:
    """Return a number above 0 and below 1 that looks drawn, the same for the same arguments."""
    digest = blake2b(key, digest_size=7, person=name.encode()[:16]).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**56


def _in_domain(address: str, domains: Sequence[str]) -> bool:
    domain = address.rpartition("@")[2].lower()
    return any(
        domain == each or (each.startswith("*.") and domain.endswith(each[1:])) for each in domains
    )
