"""What providers are given while they are slow or fail: looked at, moved, and told in the trail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from tocsin.app.waiting import first_of, set_
from tocsin.domain.provider_health import HealthPolicy, Move, ProviderHealth, Tally
from tocsin.errors import Unavailable
from tocsin.ports.state import Change, Trail
from tocsin.ports.system import Clock

ACTION: Final = "provider.share"
BY: Final = "system"
_REMEMBERED_MS: Final = 86_400_000
"""What an earlier process had moved is gone on from, unless it is older than that."""
_AGAIN_MS: Final = 500

logger = structlog.get_logger(__name__)


class ProviderState(NamedTuple):
    """How a provider does: the part of what is usual that it is given, and its last 15 minutes."""

    name: str
    share: float
    tally: Tally


class HealthDesk:
    """
    The shares of the providers that have another beside them.

    What is known of calls is this process's alone; a share outlives it in the audit trail, where
    every move is written before the next one is made.
    """

    def __init__(
        self,
        providers: Iterable[str],
        trail: Trail,
        clock: Clock,
        policy: HealthPolicy | None = None,
    ) -> None:
        self._health = {name: ProviderHealth(policy or HealthPolicy()) for name in providers}
        self._trail = trail
        self._clock = clock
        self._bad = asyncio.Event()
        self._shares: dict[str, float] = {}
        self.moves: dict[str, int] = dict.fromkeys(self._health, 0)

    @property
    def shares(self) -> Mapping[str, float]:
        """The shares that are not whole, by provider."""
        return self._shares

    def states(self) -> Sequence[ProviderState]:
        """Return how each does."""
        now_ms = self._clock.now_ms()
        return [
            ProviderState(name, each.share, each.tally(now_ms))
            for name, each in self._health.items()
        ]

    def watches(self, provider: str) -> bool:
        """Return whether anything is to be told of *provider*."""
        return provider in self._health

    def tell(self, provider: str, *, slow: bool, failed: bool) -> None:
        """Take in how one call ended."""
        health = self._health.get(provider)
        if health is not None:
            asleep = health.next_ms() is None
            health.tell(self._clock.now_ms(), slow=slow and not failed, failed=failed)
            if asleep and health.next_ms() is not None:
                self._bad.set()

    def busy(self) -> bool:
        """Return whether a share is to be looked at now."""
        next_ms = self.next_ms()
        return self._bad.is_set() or (next_ms is not None and next_ms <= self._clock.now_ms())

    def next_ms(self) -> int | None:
        """Return when a share is looked at next."""
        times = (each.next_ms() for each in self._health.values())
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    async def run(self) -> None:
        """Move shares until cancelled."""
        await self._resume()
        while True:
            next_ms = self.next_ms()
            if next_ms is None:
                await self._bad.wait()
            else:
                await first_of(self._clock.sleep_until(next_ms), set_(self._bad))
            self._bad.clear()
            await self._move(self._clock.now_ms())

    async def _move(self, now_ms: int) -> None:
        changes = []
        for name, health in self._health.items():
            move = health.move(now_ms)
            if move is None:
                continue
            self._note(name, move.after)
            self.moves[name] += 1
            changes.append(Change(now_ms, BY, ACTION, f"provider/{name}", _said(move)))
            logger.warning("provider_share", provider=name, share=move.after)
        while changes:
            try:
                await self._trail.add(changes)
                changes = []
            except Unavailable as error:
                logger.warning("provider_share_waits", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    async def _resume(self) -> None:
        """Go on from where an earlier process was."""
        now_ms = self._clock.now_ms()
        found: dict[str, float] = {}
        if self._health:
            async for change in self._trail.entries(now_ms - _REMEMBERED_MS):
                if change.action == ACTION:
                    found[change.target.partition("/")[2]] = _share_of(change)
        for name, share in found.items():
            if name in self._health and share < 1.0:
                self._health[name].resume(share, now_ms)
                self._note(name, share)

    def _note(self, name: str, share: float) -> None:
        if share < 1.0:
            self._shares[name] = share
        else:
            self._shares.pop(name, None)


def _said(move: Move) -> str:
    """Return a move in words that begin with the share, by which `_share_of` knows it."""
    bad = move.slow + move.failed
    return (
        f"{move.after:g} of its part, before {move.before:g}: of {move.calls} calls within 15 min"
        f" {bad} were bad ({move.slow} slow, {move.failed} failed)"
    )


def _share_of(change: Change) -> float:
    return float(change.detail.partition(" ")[0])
