"""Two records of each kind: one with only what is required, one with every field filled."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import (
    Attempt,
    Broadcast,
    Continue,
    Event,
    Handoff,
    Individuals,
    Item,
    Plan,
    PlannedRun,
    Record,
    Release,
    Reported,
    Retry,
    Settled,
    StateChange,
)

_MS = 1_900_000_000_000
_EVENT = _MS.to_bytes(6, "big") + bytes(range(10))
_OWNER = _MS.to_bytes(6, "big") + bytes(range(10, 20))
_NOTE = _EVENT[:10] + bytes((1, 0, 0, 0, 1, 44))
_DELIVERY = _NOTE + bytes((2, 0, 3, 0))
_DIGEST = bytes(range(100, 116))
_TIMER = bytes(range(200, 216))
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_SENT = Decision(0, "inbox", 0, Verdict.SEND, Reason.SEND, content=0)
_HELD = Decision(1, "email", 3, Verdict.DEFER, Reason.IN_QUIET_HOURS, "quiet_hours", _MS + 1)
_NOTIFICATION = PlannedNotification(300, "ana", 4, (_SENT, _HELD))
_RUN = PlannedRun(
    "order.shipped",
    7,
    1,
    (_NOTIFICATION,),
    fanout=bytes(16),
    outcome=Outcome.ROUTED,
    owner=_OWNER,
    contents=(b',"title":"On its way"}',),
    category="orders",
    expires_ms=_MS + 2,
    waits=((300, 0),),
)

_EVENTS = (
    Event(_EVENT, _MS, "shop", "shop", "o-1", "order.shipped", _DIGEST),
    Event(
        _EVENT,
        _MS,
        "shop",
        "warehouse",
        "o-1-shipped",
        "order.shipped",
        _DIGEST,
        data=b'{"order":1}',
        workflows=(("order.shipped", 7, 0), ("order.survey", 1, 1)),
        subject="o-1",
        time_ms=_MS - 5,
        audience=b'["ana"]',
        exclude=b'["ben"]',
        actor="store-7",
        tenant="acme",
        locale="de",
        cancellation_key="o-1",
        expires_ms=_MS + 9,
        trace=_TRACE,
        strict_recipients=True,
        may_change_addresses=True,
        content=b"{}",
        data_ref="data-1",
        send_ms=_MS + 7,
    ),
)
_RELEASES = (
    Release(_TIMER, _MS, "bulk", 1, 2, 3, 4, 5, 6),
    Release(_TIMER, _MS, "bulk", 1, 2, 3, 4, 5, 6, trace=_TRACE, profile_version=7),
    Release(_TIMER, _MS, "bulk", 1, 2, 3, 4, 5, 6, replay_of=_DELIVERY, generation=1),
)
_CONTINUES = (
    Continue(_TIMER, _MS, "bulk", 1, 2, 3, 4, 0),
    Continue(_TIMER, _MS, "bulk", 1, 2, 3, 4, 1, ((0, 0), (1, 3)), trace=_TRACE, early=True),
)
_INDIVIDUALS = (
    Individuals(_TIMER, _EVENT, "bulk", 1, 2, 3, 4, (300, 301)),
    Individuals(_TIMER, _EVENT, "bulk", 1, 2, 3, 4, (300,), trace=_TRACE),
)
_PLANS = (
    Plan(1, 5, 4, _EVENT, _EVENT, _MS, Outcome.NO_WORKFLOW, facts_away=("preferences",)),
    Plan(1, 5, 4, _TIMER, _EVENT, _MS, Outcome.ROUTED, replay_of=_DELIVERY, generation=1),
    Plan(
        2,
        5,
        3,
        _TIMER,
        _EVENT,
        _MS,
        Outcome.ROUTED,
        runs=(_RUN, PlannedRun("order.survey", 1, 2)),
        alias_of=_OWNER,
        detail="why",
        trace=_TRACE,
        tenant="acme",
        locale="de",
        released=_TIMER,
        event_position=2,
        producer="shop",
    ),
)
_ITEMS = (
    Item(_NOTE, 300, "ana", _MS, "orders", b"{}"),
    Item(
        _NOTE,
        300,
        "ana",
        _MS,
        "orders",
        b'{"id":"ntf_1"}',
        expires_ms=_MS + 3,
        plan=(1, 2, 3),
        step=2,
        trace=_TRACE,
    ),
)
_STATES = (
    StateChange(300, "ana", "read", (), _MS),
    StateChange(
        300,
        "ana",
        "read",
        (_NOTE,),
        _MS,
        until=(1, 2, 3, 4, 5),
        places=(bytes(range(14)),),
        delivered=((_DELIVERY, "bulk"),),
    ),
)
_PLACE = ("bulk", 1, 2)
_BROADCASTS = (
    Broadcast(bytes(16), _EVENT, "sale", 1, 0, 0, "inbox", "news", "bulk", 0, _MS, {}, b"", _PLACE),
    Broadcast(
        bytes(16),
        _EVENT,
        "sale",
        1,
        2,
        3,
        "inbox",
        "news",
        "bulk",
        4,
        _MS,
        {"send": b"\x01", "opted_out": b"\x02"},
        b'{"title":"Sale"}',
        _PLACE,
        personal=True,
        expires_ms=_MS + 4,
        trace=_TRACE,
        part=6,
    ),
)
_HANDOFFS = (
    Handoff(_DELIVERY, "bulk", 1, 2, 300, "order.shipped", 7, 2, 3, _MS),
    Handoff(
        _DELIVERY,
        "bulk",
        1,
        2,
        300,
        "order.shipped",
        7,
        2,
        3,
        _MS,
        expires_ms=_MS + 5,
        trace=_TRACE,
        plan=(1, 2, 3),
        producer="shop",
    ),
)
_RETRIES = (Retry(_TIMER, _MS, _HANDOFFS[0]), Retry(_TIMER, _MS, _HANDOFFS[1], attempts=2))
_ATTEMPTS = (
    Attempt(_DELIVERY, 1, 2, "smtp", "ref-1", _MS),
    Attempt(_DELIVERY, 1, 2, "smtp", "ref-1", _MS, channel="email", lane="bulk"),
    Attempt(
        _DELIVERY,
        2,
        2,
        "vonage",
        "ref-1",
        _MS,
        channel="sms",
        lane="critical",
        route="sms.routes[0]",
        considered=(("twilio", "open", 75), ("vonage", "chosen", 25)),
    ),
)
_OUTCOMES = (
    Settled(_DELIVERY, "bulk", "email", "sent", "send", _MS),
    Settled(_DELIVERY, "bulk", "email", "failed", "blocked", _MS, workflow="news"),
    Settled(
        _DELIVERY,
        "bulk",
        "email",
        "failed",
        "bounced",
        _MS,
        attempt=2,
        epoch=3,
        provider="smtp",
        provider_id="p-1",
        known=False,
        detail="550",
        receipt=True,
        until_ms=_MS + 6,
    ),
)

_REPORTS = (
    Reported(_DELIVERY, "sendgrid", "delivered", "accepted", _MS),
    Reported(_DELIVERY, "ses", "failed", "bounced", _MS, dead_address=True, detail="5.1.1"),
    Reported(_DELIVERY, "twilio_voice", "unanswered", "unanswered", _MS, detail="busy", attempt=2),
)

SAMPLES: Sequence[Record] = (
    *_EVENTS,
    *_RELEASES,
    *_CONTINUES,
    *_INDIVIDUALS,
    *_PLANS,
    *_ITEMS,
    *_STATES,
    *_BROADCASTS,
    *_HANDOFFS,
    *_RETRIES,
    *_ATTEMPTS,
    *_OUTCOMES,
    *_REPORTS,
)
"""When a record gets a field, fill it here in the second of its kind, then add a golden file."""
