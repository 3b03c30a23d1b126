"""Which deliveries a pause concerns, and what becomes of them."""

from __future__ import annotations

import msgspec
import pytest

from tocsin.domain.decision import Decision
from tocsin.domain.pauses import (
    UNTIL_RESUMED_MS,
    Pause,
    Pauses,
    Scope,
    parked,
    pause_of,
    queue_of,
    queue_parts,
)
from tocsin.domain.reasons import Reason, Verdict


def pause(**named: str) -> Pause:
    return Pause(id="pau_1", scope=Scope(**named), reason="why", by="ops", at_ms=1)


def now(**named: str) -> Pauses:
    return Pauses(in_force=(pause(**named),))


@pytest.mark.parametrize(
    ("named", "stops_bulk", "stops_email_bulk", "parks"),
    [
        ({"lane": "bulk"}, True, True, False),
        ({"lane": "critical"}, False, False, False),
        ({"channel": "email"}, False, True, False),
        ({"channel": "chat"}, False, False, False),
        ({"lane": "bulk", "channel": "email"}, False, True, False),
        ({"workflow": "news"}, False, False, True),
        ({"workflow": "other"}, False, False, False),
        ({"workflow": "news", "lane": "bulk"}, False, False, True),
        ({"workflow": "news", "lane": "critical"}, False, False, False),
        ({"workflow": "news", "channel": "chat"}, False, False, False),
        ({"provider": "smtp"}, False, False, True),
        ({"provider": "ses"}, False, False, False),
        ({"provider": "smtp", "workflow": "other"}, False, False, False),
    ],
)
def test_what_is_named_decides_where_a_delivery_waits(
    named: dict[str, str], stops_bulk: bool, stops_email_bulk: bool, parks: bool
) -> None:
    pauses = now(**named)
    assert (pauses.stops_lane("bulk") is not None) is stops_bulk
    assert (pauses.stops_handoffs("email", "bulk") is not None) is stops_email_bulk
    found = pauses.parks("bulk", "email", "news", "smtp", released=True)
    assert (found is not None) is parks


def test_a_provider_that_is_not_chosen_yet_parks_nothing() -> None:
    assert now(provider="smtp").parks("bulk", "email", "news", None, released=False) is None


def test_items_are_parked_since_an_inbox_has_no_hand_offs() -> None:
    pauses = now(channel="inbox")
    assert pauses.parks("bulk", "inbox", "news", None, released=False) is not None
    assert pauses.parks("bulk", "email", "news", None, released=False) is None


@pytest.mark.parametrize(
    ("named", "stopped"),
    [
        ({"lane": "bulk"}, True),
        ({"workflow": "news"}, True),
        ({"channel": "inbox"}, True),
        ({"channel": "email"}, False),
        ({"provider": "smtp"}, False),
        ({"workflow": "news", "channel": "email"}, False),
    ],
)
def test_a_fanout_stops_where_its_items_would_be_shown(
    named: dict[str, str], stopped: bool
) -> None:
    assert (now(**named).stops_fanout("bulk", "news") is not None) is stopped


def test_what_is_new_goes_behind_what_drains_where_that_waits() -> None:
    gone = msgspec.structs.replace(pause(workflow="news"), ended_ms=9)
    routed, handed = Pauses(draining=(gone,)), Pauses(draining_handed=(gone,))
    for pauses, provider, behind in (
        (routed, None, True),
        (routed, "smtp", False),
        (handed, None, False),
        (handed, "smtp", True),
    ):
        found = pauses.parks("bulk", "email", "news", provider, released=False)
        assert (found is gone) is behind
        assert pauses.parks("bulk", "email", "news", provider, released=True) is None


def test_a_parked_decision_says_by_whom_and_why() -> None:
    sending = Decision(2, "email", 1, Verdict.SEND, Reason.SEND)
    waiting = parked(sending, pause(workflow="news"), None)
    assert waiting.rule == "pau_1 by ops: why"
    assert pause_of(waiting.rule) == "pau_1"
    assert (waiting.verdict, waiting.reason) == (Verdict.DEFER, Reason.PAUSED)
    assert (waiting.step, waiting.address, waiting.until_ms) == (2, 1, UNTIL_RESUMED_MS)
    assert parked(sending, pause(workflow="news"), 77).until_ms == 77


@pytest.mark.parametrize("handed", [False, True])
def test_a_queue_names_its_pause(handed: bool) -> None:
    assert queue_parts(queue_of("pau_1", handed=handed)) == ("pau_1", handed)


def test_a_scope_is_shown_as_it_is_named() -> None:
    assert Scope(lane="bulk", provider="smtp").words() == "lane=bulk provider=smtp"
    assert Scope().empty
