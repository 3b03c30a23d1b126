"""How much a provider, a sender and an address are given: by what the provider says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.delivering.site import BEGIN_MS
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Rates
from tocsin.app.delivering.turnstiles import Counts, Pass, Turnstiles
from tocsin.domain.lanes import Lane
from tocsin.ports.message import Content, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Flags, Pace, ProviderSettings, Sender
from tocsin.ports.receipts import Callback, Reading

GERMAN: Final = "+4915112345678"
BRITISH: Final = "+447700900123"


class Texter:
    """A vendor that sends from a number of each country, one message a second from each."""

    name = "texter"
    flags = Flags()

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        return [Accepted() for _ in messages]

    async def read_callback(self, callback: Callback) -> Reading:
        return Reading(())

    async def close(self) -> None:
        """Nothing is open."""

    def sender_of(self, address: str) -> Sender | None:
        return Sender(address[:3], 1.0) if address.startswith(("+49", "+44")) else None

    def pace_of(self, address: str) -> Pace | None:
        return Pace(0.5, 2) if address == GERMAN else None

    def parts_of(self, message: Message) -> int:
        return len(message.content.body)


def made(lane: Lane = "transactional", **settings: float) -> tuple[Turnstiles, Wired]:
    wired = Wired(Texter(), ProviderSettings(**settings))  # type: ignore[arg-type]  # by name
    return Turnstiles([wired], Rates({"texter": wired}), lane, Counts()), wired


def told(turnstiles: Turnstiles, wired: Wired, address: str, outcome: ProviderOutcome) -> None:
    way = turnstiles.way(wired, address)
    admitted, generation = turnstiles.admit(way, 1, BEGIN_MS)
    assert admitted == 1
    turnstiles.tell(Pass(way, generation), [address], [outcome], BEGIN_MS)


def test_each_sender_has_a_rate_of_its_own() -> None:
    turnstiles, wired = made()
    german, british = turnstiles.way(wired, GERMAN), turnstiles.way(wired, BRITISH)
    assert turnstiles.admit(german, 5, BEGIN_MS)[0] == 1
    assert turnstiles.admit(british, 5, BEGIN_MS)[0] == 1
    assert turnstiles.admit(german, 5, BEGIN_MS + 999)[0] == 0
    assert turnstiles.admit(german, 5, BEGIN_MS + 1_000)[0] == 1
    assert turnstiles.ready_ms(german, BEGIN_MS + 1_000) == BEGIN_MS + 2_000
    assert turnstiles.spacing_ms(german) == 1_000


def test_a_message_of_several_parts_uses_as_much_of_its_sender_alone() -> None:
    turnstiles, wired = made(rate_per_second=10, burst=10, critical_reserve=0)
    german = turnstiles.way(wired, GERMAN)
    assert turnstiles.admit(german, 1, BEGIN_MS)[0] == 1
    turnstiles.count_parts(german, texted(3))
    assert turnstiles.admit(german, 1, BEGIN_MS + 2_999)[0] == 0
    assert turnstiles.ready_ms(german, BEGIN_MS + 2_999) == BEGIN_MS + 3_000
    assert turnstiles.admit(german, 5, BEGIN_MS + 3_000)[0] == 1
    turnstiles.count_parts(german, texted(1))
    assert turnstiles.admit(german, 1, BEGIN_MS + 4_000)[0] == 1
    elsewhere = turnstiles.way(wired, "+1202")
    turnstiles.count_parts(elsewhere, texted(3))
    assert turnstiles.admit(elsewhere, 99, BEGIN_MS + 5_000)[0] == 10


def texted(parts: int) -> Message:
    return Message("dlv_1", GERMAN, Content(body="x" * parts))


def test_what_a_sender_may_not_send_is_not_taken_from_its_provider() -> None:
    turnstiles, wired = made(rate_per_second=10, burst=3, critical_reserve=0)
    assert turnstiles.admit(turnstiles.way(wired, GERMAN), 3, BEGIN_MS)[0] == 1
    assert turnstiles.admit(turnstiles.way(wired, "+1202"), 5, BEGIN_MS)[0] == 2


def test_who_waits_for_one_sender_does_not_hold_up_the_others() -> None:
    turnstiles, wired = made()
    assert turnstiles.other_ways(turnstiles.way(wired, GERMAN), BEGIN_MS)
    assert not turnstiles.other_ways(turnstiles.way(wired, "+1202"), BEGIN_MS)


def test_senders_share_the_breaker_of_their_provider() -> None:
    turnstiles, wired = made(breaker_failures=1)
    told(turnstiles, wired, GERMAN, TryLater(ProviderReason.UNREACHABLE))
    assert not turnstiles.passable(turnstiles.way(wired, BRITISH), BEGIN_MS)


def test_a_quota_that_is_used_up_pauses_the_provider() -> None:
    turnstiles, wired = made()
    told(turnstiles, wired, "+1202", Accepted("1", rest_ms=7_000))
    way = turnstiles.way(wired, "+1303")
    assert turnstiles.admit(way, 1, BEGIN_MS + 6_999)[0] == 0
    assert turnstiles.admit(way, 1, BEGIN_MS + 7_000)[0] == 1


def test_an_address_that_has_enough_rests_alone() -> None:
    turnstiles, wired = made()
    full = TryLater(ProviderReason.THROTTLED, after_ms=60_000, address_only=True)
    told(turnstiles, wired, "+1202", full)
    assert turnstiles.admit(turnstiles.way(wired, "+1303"), 1, BEGIN_MS)[0] == 1
    assert turnstiles.rested_ms(wired, "+1303", BEGIN_MS) is None
    # One after the other, not all at once.
    asked = [turnstiles.rested_ms(wired, "+1202", BEGIN_MS) for _ in range(3)]
    assert asked == [BEGIN_MS + ms for ms in (60_000, 61_000, 62_000)]
    assert turnstiles.rested_ms(wired, "+1202", BEGIN_MS + 60_000) is None


def test_an_address_with_a_pace_waits_alone_when_it_has_had_enough() -> None:
    turnstiles, wired = made()
    german, british = turnstiles.way(wired, GERMAN), turnstiles.way(wired, BRITISH)
    turnstiles.count_addresses([(german, GERMAN), (british, BRITISH), (None, GERMAN)], BEGIN_MS)
    assert turnstiles.rested_ms(wired, GERMAN, BEGIN_MS) is None
    turnstiles.count_addresses([(german, GERMAN), (british, BRITISH)], BEGIN_MS)
    assert turnstiles.rested_ms(wired, BRITISH, BEGIN_MS) is None
    assert turnstiles.rested_ms(wired, GERMAN, BEGIN_MS) == BEGIN_MS + 2_000
    assert turnstiles.rested_ms(wired, GERMAN, BEGIN_MS + 1_999) == BEGIN_MS + 2_000
    assert turnstiles.rested_ms(wired, GERMAN, BEGIN_MS + 2_000) is None


def test_our_own_fault_opens_the_breaker_at_once() -> None:
    turnstiles, wired = made()
    told(turnstiles, wired, "+1202", Refused(ProviderReason.OUR_FAULT, "401"))
    assert not turnstiles.passable(turnstiles.way(wired, "+1303"), BEGIN_MS)
    assert dict(turnstiles.breakers(BEGIN_MS)) == {"texter": 1}


def test_a_folders_own_mistake_may_be_one_messages_and_is_counted() -> None:
    turnstiles, wired = made()
    told(turnstiles, wired, "+1202", TryLater(ProviderReason.OUR_FAULT, known=False))
    assert turnstiles.passable(turnstiles.way(wired, "+1303"), BEGIN_MS)
