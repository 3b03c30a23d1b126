"""How what a cancel concerns stands: what its rows say, and what has become of it since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from pyroaring import BitMap

from tocsin.app.routing.inputs import token_place
from tocsin.app.routing.intervals import CONTINUED, interval_timer
from tocsin.app.routing.router import GROUP
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import State
from tocsin.domain.ids import fanout_key, notification_of, recipient_of, step_of, workflow_index_of
from tocsin.domain.intervals import is_interval
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast
from tocsin.ports.log import Log
from tocsin.ports.state import Claim, Claims, Deduplication
from tocsin.ports.views import LedgerView

Handed = Mapping[tuple[bytes, int], BitMap]
"""Whom fan-outs handed over to be called, by (fan-out, step)."""


class CancelStanding:
    """
    Brings rows up to date: each stays as it was when its call, or what follows its interval, began.

    An interval that is over says nothing itself: what follows it has rows of its own. Until those
    are there it is being decided, and the cancel's tombstone may catch it or come too late.
    """

    def __init__(
        self, log: Log, ledger: LedgerView, deduplication: Deduplication, claims: Claims
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._deduplication = deduplication
        self._claims = claims

    async def of(self, key: str, rows: Sequence[Claim]) -> list[Claim]:
        """
        Return what speaks for itself of *rows*, which are under *key*, with its state of now.

        A few looks, however many there are.
        """
        over = _without_followers(rows)
        decided = await self._decided(over) if over else set()
        if decided:
            # What follows from a plan that is durable has its rows; they may be newer than *rows*.
            rows = _with_newer(rows, await self._claims.by_cancellation_key(key), decided)
        found = await self._spoken(rows)
        deciding = [row for row in over if row.delivery not in decided]
        speaking = {notification_of(row.delivery) for row in (*found, *deciding)}
        vain = [row for row in over if notification_of(row.delivery) not in speaking]
        return [
            *found,
            *(_with_state(row, State.SENDING) for row in deciding),
            # Nobody was called and nothing shown, and there is nothing left that might be.
            *(_with_state(row, State.CANCELLED) for row in vain),
        ]

    async def _spoken(self, rows: Sequence[Claim]) -> list[Claim]:
        calling = [row.delivery for row in rows if row.state == State.SENDING]
        settled = await self._ledger.settled(calling) if calling else {}
        found = []
        for row in rows:
            if row.delivery in settled:
                found.append(_with_state(row, settled[row.delivery].state))
            elif not is_interval(row.delivery) or row.state == State.CANCELLED:
                found.append(row)
        return found

    async def _decided(self, over: Iterable[Claim]) -> set[bytes]:
        """Return those whose rest was planned, durably."""
        timers = {interval_timer(row.delivery): row for row in over}
        owners = await self._deduplication.owners(list(timers))
        routed = await self._log.committed(GROUP)
        found = set()
        for timer, token in owners.items():
            partition, position = token_place(token)
            row = timers[timer]
            if routed.get((f"events.{row.lane}", partition), 0) > position:
                found.add(row.delivery)
        return found


def handed_over(chunks: Iterable[Broadcast]) -> Handed:
    """Return whom *chunks* handed over; what they showed is not meant."""
    found: dict[tuple[bytes, int], BitMap] = {}
    for chunk in chunks:
        sent = chunk.by_reason.get(Reason.SEND) if chunk.channel != INBOX else None
        if sent is not None:
            members = found.setdefault((chunk.fanout, chunk.step), BitMap())
            members |= BitMap.deserialize(sent)
    return found


def is_handed(row: Claim, handed: Handed) -> bool:
    """Return whether *row* is of a delivery that a chunk handed over."""
    of = row.delivery
    members = handed.get((fanout_key(of, workflow_index_of(of)), step_of(of)))
    return members is not None and not is_interval(of) and recipient_of(of) in members


def _without_followers(rows: Sequence[Claim]) -> list[Claim]:
    """Return the intervals that are over and that no row has followed yet."""
    latest_ms: dict[bytes, int] = {}
    for row in rows:
        if not is_interval(row.delivery):
            run = notification_of(row.delivery)
            latest_ms[run] = max(row.at_ms, latest_ms.get(run, 0))
    return [
        row
        for row in rows
        if is_interval(row.delivery)
        and row.state == CONTINUED
        and latest_ms.get(notification_of(row.delivery), 0) < row.at_ms
    ]


def _with_newer(
    rows: Sequence[Claim], newer: Sequence[Claim], intervals: Collection[bytes]
) -> list[Claim]:
    """Return *rows*, and what is new in the runs of *intervals*."""
    runs = {notification_of(interval) for interval in intervals}
    known = {row.delivery for row in rows}
    return [
        *rows,
        *(
            row
            for row in newer
            if notification_of(row.delivery) in runs and row.delivery not in known
        ),
    ]


def _with_state(row: Claim, state: str) -> Claim:
    return msgspec.structs.replace(row, state=state)
