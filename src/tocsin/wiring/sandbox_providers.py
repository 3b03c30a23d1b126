"""Which providers a sandbox has: all, each led to where it is played."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from tocsin.app.delivering.providers import Played
from tocsin.channels.registry import Registry
from tocsin.config import Misconfigured, RawTable

STAND_INS: Final = frozenset({"from_address"})
"""Settings that a played vendor needs to be told, and takes as whoever configured it says them."""

Leads = Mapping[str, Mapping[str, object]]
"""The settings that lead to each vendor that is played, by provider."""


def led(tables: Mapping[str, RawTable], registry: Registry, leads: Leads) -> dict[str, RawTable]:
    """Return a table for every vendor that is played; nobody else is ever called."""
    for name in tables:
        if registry.spec(name).name not in leads:
            raise Misconfigured([f"providers.{name}: it is not played in this sandbox"])
    names = [*tables, *(name for name in leads if name not in tables and name in registry.specs)]
    empty = {name: tables.get(name) or RawTable(name, {}, {}) for name in names}
    return {name: _led(table, leads[name]) for name, table in empty.items()}


def _led(table: RawTable, lead: Mapping[str, object]) -> RawTable:
    said = {key for key, _, _ in table.items()}
    wanted = {key: value for key, value in lead.items() if key not in STAND_INS or key not in said}
    return table.with_values(wanted, "sandbox")


def on_request(tables: Collection[str], registry: Registry, leads: Leads) -> frozenset[str]:
    """
    Return the vendors that carry only what an address or a route names them for.

    A sandbox has every vendor, which nobody has: what it does by itself must not depend on how
    many there are. So each channel sends by those that somebody configured in *tables*, else by
    the one that is preferred.
    """
    played = [spec for name, spec in registry.specs.items() if name in leads]
    chosen = set(tables)
    served = {spec.channel for spec in played if spec.name in chosen}
    for spec in sorted(played, key=lambda spec: (spec.preference, spec.name)):
        if spec.channel not in served:
            served.add(spec.channel)
            chosen.add(spec.name)
    return frozenset(spec.name for spec in played) - chosen


async def as_real(
    tables: Mapping[str, RawTable],
    names: Iterable[str],
    build: Callable[[RawTable, AsyncExitStack], object],
) -> dict[str, Played]:
    """
    Return what a real server would say of each provider in *names*, given *tables*.

    *build* makes one, which the stack closes again; nobody is called.
    """
    found: dict[str, Played] = {}
    async with AsyncExitStack() as stack:
        for name in names:
            lacks: tuple[str, ...] = ()
            try:
                build(tables.get(name) or RawTable(name, {}, {}), stack)
            except Misconfigured as refused:
                lacks = tuple(refused.problems)
            found[name] = Played(name in tables, lacks)
    return found
