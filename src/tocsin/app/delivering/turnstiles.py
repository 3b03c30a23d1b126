"""How many messages may go to a provider now: its breakers, its tokens, its own requests to wait."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import structlog

from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Rates, Way
from tocsin.domain.breaker import Breaker, BreakerPolicy, BreakerState
from tocsin.domain.lanes import Lane
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import ByAddress, BySender, InParts

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


class Pass(NamedTuple):
    """One message may go this way."""

    way: Way
    generation: int


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
        self, providers: Sequence[Wired], rates: Rates, lane: Lane, counts: Counts
    ) -> None:
        """*rates* are shared with the other lanes."""
        self._providers = {wired.name: wired for wired in providers}
        self._by_sender = {
            wired.name: wired.provider.sender_of
            for wired in providers
            if isinstance(wired.provider, BySender)
        }
        self._in_parts = {
            wired.name: wired.provider.parts_of
            for wired in providers
            if isinstance(wired.provider, InParts)
        }
        self._pace_of = {
            wired.name: wired.provider.pace_of
            for wired in providers
            if isinstance(wired.provider, ByAddress)
        }
        self._plain_ways = {
            wired.name: Way(wired.name)
            for wired in providers
            if not wired.provider.flags.per_host and wired.name not in self._by_sender
        }
        self._rates = rates
        self._lane = lane
        self._critical = lane == "critical"
        self._gates: OrderedDict[Way, _Gate] = OrderedDict()
        self.counts = counts

    def way(self, wired: Wired, address: str) -> Way:
        """Return the way to *address*."""
        name = wired.name
        plain = self._plain_ways.get(name)
        if plain is not None:
            return plain
        host = _host(address) if wired.provider.flags.per_host else ""
        sender_of = self._by_sender.get(name)
        sender = None if sender_of is None else sender_of(address)
        if sender is None:
            return Way(name, host)
        way = Way(name, host, sender.name)
        self._rates.know(way, sender)
        return way

    def rested_ms(self, wired: Wired, address: str, now_ms: int) -> int | None:
        """Return when to come back, where *address* has had enough for now; else None."""
        rested_ms = self._rates.rested_ms(wired.name, address, now_ms)
        if rested_ms is not None or wired.name not in self._pace_of:
            return rested_ms
        return self._rates.paced_ms(wired.name, address, now_ms)

    def passable(self, way: Way, now_ms: int) -> bool:
        """Return whether its breaker would let a message through, or may soon."""
        gate = self._gates.get(way.service)
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
        return (bool(way.sender) and self.passable(way, now_ms)) or any(
            wired.provider.flags.per_host
            or (name != way.provider and self.passable(Way(name), now_ms))
            for name, wired in self._providers.items()
        )

    def spacing_ms(self, way: Way) -> int:
        """Return how far apart those are to come back that wait *way*, so that all find room."""
        return self._rates.spacing_ms(way)

    def admit(self, way: Way, wanted: int, now_ms: int) -> tuple[int, int]:
        """Return how many of *wanted* messages may go now, and in which generation."""
        gate = self._gate(way)
        breaker = gate.breaker
        if now_ms < gate.paused_until_ms:
            return 0, breaker.generation
        taken = self._rates.take(way, wanted, now_ms, critical=self._critical)
        admitted = breaker.admit(taken, now_ms)
        self._rates.give_back(way, taken - admitted)
        return admitted, breaker.generation

    def holds(self, passed: Pass) -> bool:
        """Return whether who was let through may still go: its breaker has not opened since."""
        return self._gate(passed.way).breaker.generation == passed.generation

    def count_addresses(self, passing: Iterable[tuple[Way | None, str]], now_ms: int) -> None:
        """Count each message that was let through against what its address is given."""
        if not self._pace_of:
            return
        for way, address in passing:
            pace_of = None if way is None else self._pace_of.get(way.provider)
            pace = None if pace_of is None else pace_of(address)
            if way is not None and pace is not None:
                self._rates.spend(way.provider, address, pace, now_ms)

    def count_parts(self, way: Way, message: Message) -> None:
        """
        Take from the sender of a message that was let through what it uses beyond one.

        How many parts it has shows when it is written, which is after it was let through; so those
        behind it wait for that.
        """
        parts_of = self._in_parts.get(way.provider)
        if parts_of is not None and way.sender and (more := parts_of(message) - 1) > 0:
            self._rates.owe(way, more)

    def give_back(self, passes: Sequence[Pass]) -> None:
        """Take back what was not used."""
        for (way, generation), count in Counter(passes).items():
            self._rates.give_back(way, count)
            self._gate(way).breaker.give_back(count, generation)

    def ready_ms(self, way: Way, now_ms: int) -> int:
        """Return when to ask again; *now_ms* when something may go now."""
        gate = self._gate(way)
        tokens_ms = self._rates.ready_ms(way, now_ms, critical=self._critical)
        return max(tokens_ms, gate.breaker.ready_ms(now_ms), gate.paused_until_ms)

    def waits_for_probe(self, way: Way) -> bool:
        """Return whether nothing is let through until `tell` has heard how a probe ended."""
        return self._gate(way).breaker.waits_for_probe()

    def tell(
        self,
        passed: Pass,
        addresses: Sequence[str],
        outcomes: Sequence[ProviderOutcome],
        now_ms: int,
    ) -> None:
        """Take in how a call to *addresses* ended."""
        way = passed.way
        breaker = self._gate(way).breaker
        # Nearly all say nothing but that the message was taken.
        others = [
            each for each in outcomes if not isinstance(each, Accepted) or each.rest_ms is not None
        ]
        bad = bool(others) and failed(outcomes)
        ours = bad and all(_is_our_fault(outcome) for outcome in outcomes)
        if breaker.tell(failed=bad, at_once=ours, generation=passed.generation, now_ms=now_ms):
            state = breaker.state(now_ms)
            logger.warning("breaker", provider=way.provider, lane=self._lane, state=state.value)
            self.counts.opened[way.provider, self._lane] += state is BreakerState.OPEN
        if not others:
            return
        wanted_ms = [ms for outcome in outcomes if (ms := _rest_ms(outcome)) is not None]
        if wanted_ms:
            self._pause(way, now_ms, max(wanted_ms))
        for address, outcome in zip(addresses, outcomes, strict=True):
            if isinstance(outcome, TryLater) and _is_for_address(outcome):
                self._rates.rest(way.provider, address, now_ms + self._bound(way, outcome))

    def renewed(self, provider: str, now_ms: int) -> None:
        """Let another one show how it does in the place of that *provider*."""
        for way, gate in self._gates.items():
            if way.provider == provider:
                gate.breaker.renew(now_ms)

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
            self._rates.pause(way.provider, now_ms + min(after_ms, settings.retry_cap_ms))

    def _bound(self, way: Way, outcome: TryLater) -> int:
        return min(_throttled_ms(outcome), self._providers[way.provider].settings.retry_cap_ms)

    def _gate(self, way: Way) -> _Gate:
        way = way.service
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
            self._gates.popitem(last=False)


# Endpoints are few, and messages to each of them many.
@lru_cache(maxsize=4_096)
def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _policy(wired: Wired) -> BreakerPolicy:
    settings = wired.settings
    return BreakerPolicy(
        failures=settings.breaker_failures,
        window_ms=settings.breaker_window_ms,
        open_ms=settings.breaker_open_ms,
        open_max_ms=settings.breaker_open_max_ms,
        slow_start_per_s=settings.slow_start_per_second,
    )


def failed(outcomes: Sequence[ProviderOutcome]) -> bool:
    """Return whether a call says that the provider itself is in trouble."""
    return all(_is_health(outcome) for outcome in outcomes)


def _is_health(outcome: ProviderOutcome) -> bool:
    return not isinstance(outcome, Accepted) and outcome.reason in _HEALTH


def _is_our_fault(outcome: ProviderOutcome) -> bool:
    """Return whether a vendor said so: what a folder's mistake looks like may be one message's."""
    said = isinstance(outcome, Refused) or (isinstance(outcome, TryLater) and outcome.known)
    return said and _reason(outcome) is ProviderReason.OUR_FAULT


def _reason(outcome: ProviderOutcome) -> ProviderReason | None:
    return None if isinstance(outcome, Accepted) else outcome.reason


def _is_for_address(outcome: TryLater) -> bool:
    return outcome.address_only and outcome.reason is ProviderReason.THROTTLED


def _rest_ms(outcome: ProviderOutcome) -> int | None:
    """Return how long a provider wants no call at all, where its answer says so."""
    if isinstance(outcome, Accepted):
        return outcome.rest_ms
    if isinstance(outcome, Refused) or outcome.address_only:
        return None
    return _throttled_ms(outcome) if outcome.reason is ProviderReason.THROTTLED else None


def _throttled_ms(outcome: TryLater) -> int:
    return _THROTTLED_MS if outcome.after_ms is None else max(outcome.after_ms, 0)
