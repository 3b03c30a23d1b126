"""A bug that is planted on purpose: which part of the engine is broken, and who must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec

from tests.simulation.broken import Broken
from tocsin.app.delivering.providers import Wired
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.wiring.services import Services
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

Wrap = Callable[[Any, Random], Broken]


def any_of(*invariants: str) -> frozenset[str]:
    """Name the invariants of which one must notice."""
    return frozenset(invariants)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """
    The engine with some of its ports broken; without any, the engine as it is.

    Each mapping is from the name of a part to what is put around it.
    """

    violates: frozenset[str] = frozenset()
    log: Wrap | None = None
    inbox: Wrap | None = None
    ledger: Wrap | None = None
    ports: tuple[tuple[str, Wrap], ...] = ()
    accept: Wrap | None = None
    provider: Wrap | None = None
    settings: tuple[tuple[str, int], ...] = ()
    """Settings of the providers that differ from those that the checker knows."""
    quiet_hours: bool = True
    partitions: int | None = None

    def config(self, config: Config) -> Config:
        """Return the settings that the bug needs to show itself."""
        if self.partitions is None:
            return config
        log = msgspec.structs.replace(config.log, partitions=self.partitions)
        return msgspec.structs.replace(config, log=log)

    def stores(self, storage: Storage, stores: Stores, dice: Random) -> tuple[Storage, Stores]:
        """Return the stores that the engine is built on."""
        changed: dict[str, Any] = {}
        if self.log is not None:
            changed["log"] = self.log(storage.log, dice)
        if self.inbox is not None:
            changed["inbox"] = self.inbox(storage.inbox, dice)
        if self.ledger is not None:
            changed["ledger"] = self.ledger(storage.ledger, dice)
        broken: dict[str, Any] = {
            name: wrap(getattr(stores, name), dice) for name, wrap in self.ports
        }
        return replace(storage, **changed), replace(stores, **broken)

    def channels(self, channels: dict[str, ChannelFacts]) -> dict[str, ChannelFacts]:
        """Return what decide is told of the channels."""
        if self.quiet_hours:
            return channels
        return {
            name: msgspec.structs.replace(facts, interrupts=False)
            for name, facts in channels.items()
        }

    def providers(self, wired: list[Wired], dice: Random) -> list[Wired]:
        """Return the providers of one life."""
        return [
            Wired(
                each.provider if self.provider is None else self._provider(each, dice),
                msgspec.structs.replace(each.settings, **dict(self.settings)),
            )
            for each in wired
        ]

    def _provider(self, wired: Wired, dice: Random) -> Any:
        assert self.provider is not None
        return self.provider(wired.provider, dice)

    def services(self, services: Services, dice: Random) -> Services:
        """Return the use cases."""
        if self.accept is None:
            return services
        accept: Any = self.accept(services.accept, dice)
        return replace(services, accept=accept)
