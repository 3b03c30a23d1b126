"""How much a provider and its senders may be given, in all lanes together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.app.delivering.providers import Wired
from tocsin.domain.token_bucket import TokenBucket
from tocsin.ports.provider import Pace, Sender

_SENDERS_MAX: Final = 10_000
_ADDRESSES_MAX: Final = 10_000
_SPACING_MS: Final = 1_000
"""Who waits for one address comes back one after the other, so far apart."""


class Way(NamedTuple):
    """
    Where a message goes: a provider, the host where each address is a service of its own, and who
    it is sent as where each sender has a rate of its own.
    """

    provider: str
    host: str = ""
    sender: str = ""

    @property
    def service(self) -> Way:
        """What fails or works as one: whoever it is sent as."""
        return Way(self.provider, self.host) if self.sender else self


class Tokens:
    """
    One bucket, and the time until which whoever owns it wants nothing.

    *critical* may draw all of it, the others leave a reserve in it. Without a rate it has no end.
    """

    def __init__(self, rate_per_s: float | None, burst: int | None, reserve: float) -> None:
        """*reserve* is a part of the burst."""
        self.rate_per_s = rate_per_s
        self._paused_until_ms = 0
        self._bucket: TokenBucket | None = None
        if rate_per_s is not None:
            most = burst or max(1, int(rate_per_s))
            # One token at least is everybody's, or the others would wait for ever.
            self._bucket = TokenBucket(rate_per_s, most, min(most * reserve, most - 1))

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

    def owe(self, count: int) -> None:
        """Take more than was asked for, there or not."""
        if self._bucket is not None:
            self._bucket.owe(count)

    def ready_ms(self, now_ms: int, *, critical: bool) -> int:
        """Return when to ask again."""
        if now_ms < self._paused_until_ms:
            return self._paused_until_ms
        return now_ms if self._bucket is None else self._bucket.ready_ms(now_ms, reserved=critical)

    def pause(self, until_ms: int) -> None:
        """Give nothing until then: the provider asked for it."""
        self._paused_until_ms = max(self._paused_until_ms, until_ms)


@dataclass(slots=True)
class _Rest:
    """An address that wants nothing for a while."""

    until_ms: int
    waiting: int = 0


class Rates:
    """The buckets of all providers and senders, and the addresses that have had enough for now."""

    def __init__(self, providers: Mapping[str, Wired]) -> None:
        self._settings = {name: wired.settings for name, wired in providers.items()}
        self._providers = {
            name: Tokens(each.rate_per_second, each.burst, each.critical_reserve)
            for name, each in self._settings.items()
        }
        self._senders: OrderedDict[Way, Tokens] = OrderedDict()
        self._resting: OrderedDict[tuple[str, str], _Rest] = OrderedDict()
        self._paces: OrderedDict[tuple[str, str], TokenBucket] = OrderedDict()

    def know(self, way: Way, sender: Sender) -> None:
        """Take note of a sender's rate."""
        if way not in self._senders:
            while len(self._senders) >= _SENDERS_MAX:
                self._senders.popitem(last=False)
            reserve = self._settings[way.provider].critical_reserve
            self._senders[way] = Tokens(sender.rate_per_second, sender.burst, reserve)

    def take(self, way: Way, wanted: int, now_ms: int, *, critical: bool) -> int:
        """Take as many as all that bound this way have."""
        got = wanted
        buckets = self._buckets(way)
        for number, tokens in enumerate(buckets):
            less = tokens.take(got, now_ms, critical=critical)
            for before in buckets[:number]:
                before.give_back(got - less)
            got = less
        return got

    def give_back(self, way: Way, count: int) -> None:
        """Put back what no call was made for."""
        for tokens in self._buckets(way):
            tokens.give_back(count)

    def owe(self, way: Way, count: int) -> None:
        """Take *count* more from a sender, for a message that is more than one."""
        sender = self._senders.get(way)
        if sender is not None:
            sender.owe(count)

    def ready_ms(self, way: Way, now_ms: int, *, critical: bool) -> int:
        """Return when to ask again."""
        return max(each.ready_ms(now_ms, critical=critical) for each in self._buckets(way))

    def spacing_ms(self, way: Way) -> int:
        """Return how far apart those are to come back that wait, so that all find room."""
        rates = [each.rate_per_s for each in self._buckets(way) if each.rate_per_s is not None]
        return max(1, int(1000 / min(rates))) if rates else 1

    def pause(self, provider: str, until_ms: int) -> None:
        """Give a provider nothing until then."""
        self._providers[provider].pause(until_ms)

    def rest(self, provider: str, address: str, until_ms: int) -> None:
        """Let nothing more go to one address until then."""
        resting = self._resting
        rest = resting.get((provider, address))
        if rest is not None and rest.until_ms >= until_ms:
            return
        while len(resting) >= _ADDRESSES_MAX:
            resting.popitem(last=False)
        resting[provider, address] = _Rest(until_ms)

    def rested_ms(self, provider: str, address: str, now_ms: int) -> int | None:
        """
        Return when to come back with a message to *address*; None: it may go.

        Each who asks is given a later time than the one before.
        """
        rest = self._resting.get((provider, address)) if self._resting else None
        if rest is None:
            return None
        if rest.until_ms <= now_ms:
            del self._resting[provider, address]
            return None
        rest.waiting += 1
        return rest.until_ms + (rest.waiting - 1) * _SPACING_MS

    def spend(self, provider: str, address: str, pace: Pace, now_ms: int) -> None:
        """Count a message to *address*, which is given so many."""
        key, paces = (provider, address), self._paces
        bucket = paces.get(key)
        if bucket is None:
            # The one that was forgotten begins with a full bucket; it was not asked for long.
            while len(paces) >= _ADDRESSES_MAX:
                paces.popitem(last=False)
            bucket = paces[key] = TokenBucket(pace.rate_per_second, pace.burst)
        paces.move_to_end(key)
        bucket.take(1, now_ms)

    def paced_ms(self, provider: str, address: str, now_ms: int) -> int | None:
        """Return when *address* may have another message; None: now."""
        bucket = self._paces.get((provider, address))
        ready_ms = now_ms if bucket is None else bucket.ready_ms(now_ms)
        return ready_ms if ready_ms > now_ms else None

    def _buckets(self, way: Way) -> Sequence[Tokens]:
        own = self._providers[way.provider]
        sender = self._senders.get(way) if way.sender else None
        return (own,) if sender is None else (own, sender)
