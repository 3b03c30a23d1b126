"""What becomes of events and messages, counted per batch from the records that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from pyroaring import BitMap

from tocsin.app.metrics.histogram import Histogram
from tocsin.domain.channels import INBOX
from tocsin.domain.ids import accepted_ms
from tocsin.domain.lanes import LANE_NUMBER
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Broadcast, Item, Plan, Settled, StateChange
from tocsin.ports.log import Batch

_STATES: Final = {
    Verdict.SUPPRESS: "suppressed",
    Verdict.EXPIRE: "expired",
    Verdict.CANCEL: "cancelled",
}
_REASON_STATES: Final[dict[str, str]] = {
    Reason.SEND: "sent",
    Reason.EXPIRED: "expired",
    Reason.CANCELLED: "cancelled",
}
_HOW: Final = attrgetter("channel", "lane", "state", "at_ms", "receipt")
_ENDS: Final = frozenset({"sent", "delivered", "failed", "expired", "cancelled", "suppressed"})


class EventMeter:
    """What was answered to producers."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        """By lane."""
        self.refused = 0
        self.duplicates = 0


class MessageMeter:
    """
    Plans, settled deliveries, and how long people waited.

    Called once per batch that is durable, with the records themselves: a few tenths of a
    microsecond for each message.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.plans: Counter[tuple[str, str]] = Counter()
        """By (lane, outcome)."""
        self.settled: Counter[tuple[str, str, str]] = Counter()
        """By (channel, lane, state)."""
        self.seconds: dict[tuple[str, str], Histogram] = {}
        """By (channel, lane)."""

    def shown(self, batches: Sequence[Batch]) -> None:
        """Time what has just become visible in inboxes."""
        now_ms = self._now_ms()
        for batch in batches:
            _, _, lane = batch.topic.partition(".")
            if lane in LANE_NUMBER:
                # Messages of one batch share few acceptance times: each is worked out once.
                ages = Counter([each.key[:6] for each in batch.records if type(each) is Item])
                if ages:
                    self._time(INBOX, lane, now_ms, ages.items())
            elif lane == "broadcasts":
                self._shown_broadcasts(batch, now_ms)

    def ledger(self, batches: Sequence[Batch]) -> None:
        """Count what the ledger has just taken: plans, items, chunks and outcomes."""
        for batch in batches:
            kind, _, lane = batch.topic.partition(".")
            if kind == "plans":
                self._planned(lane, batch)
            elif kind == "outcomes":
                self._outcomes(batch)
            elif lane in LANE_NUMBER:
                self.settled[INBOX, lane, "sent"] += len(batch.records)
            else:
                self._chunks_and_states(batch)

    def _planned(self, lane: str, batch: Batch) -> None:
        # Once per message: an enum's members are dear to look up.
        all_is_well, send = Outcome.ROUTED, Verdict.SEND
        routed = 0
        for plan in batch.records:
            if type(plan) is not Plan:
                continue
            if plan.outcome is all_is_well:
                routed += 1
            else:
                self.plans[lane, plan.outcome.value] += 1
            for run in plan.runs:
                for note in run.notifications:
                    for decision in note.decisions:
                        if decision.verdict is not send:
                            self._withheld(decision.channel, lane, decision.verdict)
        self.plans[lane, all_is_well.value] += routed

    def _withheld(self, channel: str, lane: str, verdict: Verdict) -> None:
        state = _STATES.get(verdict)
        if state is not None:
            self.settled[channel, lane, state] += 1

    def _chunks_and_states(self, batch: Batch) -> None:
        for record in batch.records:
            if isinstance(record, Broadcast):
                for reason, members in record.by_reason.items():
                    state = _REASON_STATES.get(reason, "suppressed")
                    many = len(BitMap.deserialize(members))
                    self.settled[record.channel, record.lane, state] += many
            elif isinstance(record, StateChange):
                for _, lane in record.delivered:
                    self.settled[INBOX, lane, "delivered"] += 1

    def _outcomes(self, batch: Batch) -> None:
        # Most of a batch ends alike, at one time, and is of events of a few times.
        ended = [each for each in batch.records if type(each) is Settled and each.state in _ENDS]
        for (channel, lane, state, at_ms, receipt), alike in groupby(ended, _HOW):
            stamps = [each.delivery[:6] for each in alike]
            self.settled[channel, lane, state] += len(stamps)
            if state == "sent" and not receipt:
                self._time(channel, lane, at_ms, Counter(stamps).items())

    def _shown_broadcasts(self, batch: Batch, now_ms: int) -> None:
        for record in batch.records:
            members = record.by_reason.get(Reason.SEND) if isinstance(record, Broadcast) else None
            if isinstance(record, Broadcast) and members is not None and record.channel == INBOX:
                many = len(BitMap.deserialize(members))
                self._time(INBOX, record.lane, now_ms, [(record.event[:6], many)])

    def _time(
        self, channel: str, lane: str, now_ms: int, ages: Iterable[tuple[bytes, int]]
    ) -> None:
        histogram = self.seconds.get((channel, lane))
        if histogram is None:
            histogram = self.seconds[channel, lane] = Histogram()
        for stamp, times in ages:
            histogram.add(max(0, now_ms - accepted_ms(stamp)) / 1000, times)
