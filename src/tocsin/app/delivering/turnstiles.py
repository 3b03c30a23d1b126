"""How many messages may go to a provider now: its breakers, its tokens, its own requests to wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import structlog

from tocsin.app.delivering.providers import Wired
from tocsin.domain.breaker import Breaker, BreakerPolicy, BreakerState
from tocsin.domain.lanes import Lane
from tocsin.domain.token_bucket import TokenBucket
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused, TryLater

_THROTTLED_MS: Final = 1_000
"""What a provider that asks for less, and does not say for how long, is given."""
_HOSTS_MAX: Final = 10_000
"""Endpoints remembered for each provider and lane; those without a fault are forgotten first."""

_HEALTH: Final = frozenset(
    {
        ProviderReason.OVERLOADED,
        ProviderReason.UNREACHABLE,
        ProviderReason.TIMED_OUT,
        ProviderReason.OUR_FAULT,
    }
)
"""What says something about the provider, and nothing about one recipient."""

logger = structlog.get_logger(__name__)


class Way(NamedTuple):
    """Where a message goes: a provider, and the host where each address is a service of its own."""

    provider: str
    host: str = ""


class Pass(NamedTuple):
    """One message may go this way."""

    way: Way
    generation: int


class Tokens:
    """
    What a provider may be asked for, in all of its lanes together.

    *critical* may draw the whole bucket, the others leave a reserve in it.
    """

    def __init__(self, wired: Wired) -> None:
        settings = wired.settings
        rate = settings.rate_per_second
        self._paused_until_ms = 0
        self._bucket: TokenBucket | None = None
        if rate is not None:
            burst = settings.burst or max(1, int(rate))
            # One token at least is everybody's, or the others would wait for ever.
            reserve = min(burst * settings.critical_reserve, burst - 1)
            self._bucket = TokenBucket(rate, burst, reserve)

    def take(self, wanted: int, now_ms: int, *, critical: bool) -> int:
        """Take as many as there are."""
        if now_ms < self._paused_until_ms:
            return 0
        if self._bucket is None:
            return wanted
        return self._bucket.take(wanted, now_ms, reserved=critical)

    def give_back(self, count: int) -> None:
        """Put back what no call was made for."""
        if self._bucket is not None:
            self._bucket.give_back(count)

    def ready_ms(self, now_ms: int, *, critical: bool) -> int:
        """Return when to ask again."""
        if now_ms < self._paused_until_ms:
            return self._paused_until_ms
        return now_ms if self._bucket is None else self._bucket.ready_ms(now_ms, reserved=critical)

    def pause(self, until_ms: int) -> None:
        """Give nothing until then: the provider asked for it."""
        self._paused_until_ms = max(self._paused_until_ms, until_ms)


@dataclass(slots=True)
class _Gate:
    """One way in one lane."""

    breaker: Breaker
    paused_until_ms: int = 0
    """Where each host is a service of its own, its request to wait concerns it alone."""


@dataclass(slots=True)
class Counts:
    """What metrics show."""

    waited: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Messages that had to wait for tokens, by (provider, lane)."""
    opened: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often breakers opened, by (provider, lane)."""
    failovers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Deliveries that went on to another provider, by (the provider that failed, lane)."""
    parked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Deliveries that became rows, by (channel, lane, reason)."""


class Turnstiles:
    """
    Those of one lane.

    State is this process's alone and not durable: whoever takes over finds out anew. Nothing here
    waits; whoever is not let through asks again at `ready_ms`, or when `tell` has brought news.
    """

    def __init__(
        self, providers: Sequence[Wired], tokens: dict[str, Tokens], lane: Lane, counts: Counts
    ) -> None:
        """*tokens* are shared with the other lanes."""
        self._providers = {wired.name: wired for wired in providers}
        self._tokens = tokens
        self._lane = lane
        self._critical = lane == "critical"
        self._gates: dict[Way, _Gate] = {}
        self.counts = counts

    def way(self, wired: Wired, address: str) -> Way:
        """Return the way to *address*."""
        if not wired.provider.flags.per_host:
            return Way(wired.name)
        return Way(wired.name, urlsplit(address).hostname or "")

    def passable(self, way: Way, now_ms: int) -> bool:
        """Return whether its breaker would let a message through, or may soon."""
        gate = self._gates.get(way)
        if gate is None:
            return True
        breaker = gate.breaker
        return (
            breaker.closed
            or breaker.passable(now_ms)
            or (breaker.waits_for_probe() and breaker.state(now_ms) is not BreakerState.OPEN)
        )

    def other_ways(self, way: Way, now_ms: int) -> bool:
        """Return whether messages of the lane may go that do not go *way*."""
        return any(
            wired.provider.flags.per_host
            or (name != way.provider and self.passable(Way(name), now_ms))
            for name, wired in self._providers.items()
        )

    def spacing_ms(self, way: Way) -> int:
        """Return how far apart those are to come back that wait *way*, so that all find room."""
        rate = self._providers[way.provider].settings.rate_per_second
        return 1 if rate is None else max(1, int(1000 / rate))

    def admit(self, way: Way, wanted: int, now_ms: int) -> tuple[int, int]:
        """Return how many of *wanted* messages may go now, and in which generation."""
        gate = self._gate(way)
        breaker = gate.breaker
        if now_ms < gate.paused_until_ms:
            return 0, breaker.generation
        tokens = self._tokens[way.provider]
        taken = tokens.take(wanted, now_ms, critical=self._critical)
        admitted = breaker.admit(taken, now_ms)
        tokens.give_back(taken - admitted)
        return admitted, breaker.generation

    def give_back(self, passes: Sequence[Pass]) -> None:
        """Take back what was not used."""
        for (way, generation), count in Counter(passes).items():
            self._tokens[way.provider].give_back(count)
            self._gate(way).breaker.give_back(count, generation)

    def ready_ms(self, way: Way, now_ms: int) -> int:
        """Return when to ask again; *now_ms* when something may go now."""
        gate = self._gate(way)
        tokens_ms = self._tokens[way.provider].ready_ms(now_ms, critical=self._critical)
        return max(tokens_ms, gate.breaker.ready_ms(now_ms), gate.paused_until_ms)

    def waits_for_probe(self, way: Way) -> bool:
        """Return whether nothing is let through until `tell` has heard how a probe ended."""
        return self._gate(way).breaker.waits_for_probe()

    def tell(self, passed: Pass, outcomes: Sequence[ProviderOutcome], now_ms: int) -> None:
        """Take in how a call ended."""
        way = passed.way
        breaker = self._gate(way).breaker
        failed = all(_is_health(outcome) for outcome in outcomes)
        if breaker.tell(failed=failed, generation=passed.generation, now_ms=now_ms):
            state = breaker.state(now_ms)
            logger.warning("breaker", provider=way.provider, lane=self._lane, state=state.value)
            self.counts.opened[way.provider, self._lane] += state is BreakerState.OPEN
        after_ms = [_throttled_ms(each) for each in outcomes if _is_throttled(each)]
        if after_ms:
            self._pause(way, now_ms, max(after_ms))

    def breakers(self, now_ms: int) -> Iterator[tuple[str, int]]:
        """Yield (provider, how many of its breakers are not closed)."""
        found = Counter(
            way.provider
            for way, gate in self._gates.items()
            if gate.breaker.state(now_ms) is not BreakerState.CLOSED
        )
        yield from ((name, found[name]) for name in self._providers)

    def _pause(self, way: Way, now_ms: int, after_ms: int) -> None:
        settings = self._providers[way.provider].settings
        if way.host:
            # One address of many there has asked, maybe in bad faith. It waits as long as it asked
            # for; its neighbours no longer than for a host that is down.
            longest_ms = min(settings.retry_cap_ms, settings.breaker_open_max_ms)
            gate = self._gate(way)
            gate.paused_until_ms = max(gate.paused_until_ms, now_ms + min(after_ms, longest_ms))
        else:
            self._tokens[way.provider].pause(now_ms + min(after_ms, settings.retry_cap_ms))

    def _gate(self, way: Way) -> _Gate:
        gate = self._gates.get(way)
        if gate is None:
            if len(self._gates) >= _HOSTS_MAX:
                self._forget()
            policy = _policy(self._providers[way.provider])
            gate = self._gates[way] = _Gate(Breaker(policy))
        return gate

    def _forget(self) -> None:
        for way in [way for way, gate in self._gates.items() if gate.breaker.pristine]:
            del self._gates[way]
        while len(self._gates) >= _HOSTS_MAX:
            del self._gates[next(iter(self._gates))]


def _policy(wired: Wired) -> BreakerPolicy:
    settings = wired.settings
    return BreakerPolicy(
        failures=settings.breaker_failures,
        window_ms=settings.breaker_window_ms,
        open_ms=settings.breaker_open_ms,
        open_max_ms=settings.breaker_open_max_ms,
        slow_start_per_s=settings.slow_start_per_second,
    )


def _is_health(outcome: ProviderOutcome) -> bool:
    return isinstance(outcome, TryLater | Refused) and outcome.reason in _HEALTH


def _is_throttled(outcome: ProviderOutcome) -> bool:
    return isinstance(outcome, TryLater) and outcome.reason is ProviderReason.THROTTLED


def _throttled_ms(outcome: ProviderOutcome) -> int:
    after_ms = outcome.after_ms if isinstance(outcome, TryLater) else None
    return _THROTTLED_MS if after_ms is None else max(after_ms, 0)
