"""
What operators have stopped for a while, and which deliveries that concerns.

A pause names a lane, a channel, a workflow, a provider, or several of them, and concerns what fits
all that it names. One that names a lane or a channel alone stops the readers of the log: what it
concerns waits there. One that names a workflow or a provider lets the others of its lane pass, so
what it concerns is taken out of their way and parked as rows; an inbox has no hand-offs that could
wait in the log, so its items are parked, too.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision
from tocsin.domain.reasons import Reason, Verdict

UNTIL_RESUMED_MS: Final = 253_402_300_799_000
"""The last second of the year 9999: when a parked delivery is due that never expires."""

KIND: Final = "pause/"
"""How the kind of a parked delivery's timer begins; its queue follows, see `queue_of`."""

_HANDED: Final = "handoff/"

_RULE_CHARACTERS_MAX: Final = 200


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pause concerns: whatever fits all that is named."""

    lane: str | None = None
    channel: str | None = None
    workflow: str | None = None
    provider: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it names nothing."""
        return self == Scope()

    @property
    def stops(self) -> bool:
        """Whether what it concerns waits in the log."""
        return self.workflow is None and self.provider is None

    def concerns(self, lane: str, channel: str, workflow: str | None, provider: str | None) -> bool:
        """Return whether a delivery fits; None: that is not known, so what names it does not."""
        return (
            self.lane in {None, lane}
            and self.channel in {None, channel}
            and self.workflow in {None, workflow}
            and self.provider in {None, provider}
        )

    def words(self) -> str:
        """Return it as people read it: ``lane=bulk channel=email``."""
        named = msgspec.structs.asdict(self).items()
        return " ".join(f"{name}={value}" for name, value in named if value is not None)


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """One pause: who made it, when and why; ``ended_ms`` once it has ended."""

    id: str
    scope: Scope
    reason: str
    by: str
    at_ms: int
    ended_ms: int | None = None
    ended_by: str = ""

    @property
    def rule(self) -> str:
        """Who and why, as decisions and the ledger keep it; `pause_of` reads the id."""
        return f"{self.id} by {self.by}: {self.reason}"[:_RULE_CHARACTERS_MAX]


def until_unless_resumed(until_ms: int | None) -> int | None:
    """Return until when a delivery waits that is parked, None where only a resume ends it."""
    return None if until_ms == UNTIL_RESUMED_MS else until_ms


def pause_of(rule: str) -> str:
    """Return the id of the pause that a decision's rule, or an outcome's detail, names."""
    return rule.partition(" ")[0]


def queue_of(id: str, *, handed: bool) -> str:
    """Return what names the queue of deliveries that a pause parks: decided, or handed off."""
    return f"{_HANDED if handed else ''}{id}"


def queue_parts(queue: str) -> tuple[str, bool]:
    """Return the pause's id, and whether the queue holds hand-offs."""
    return queue.removeprefix(_HANDED), queue.startswith(_HANDED)


class Pauses(msgspec.Struct, frozen=True, kw_only=True):
    """
    The pauses that count now.

    Those that drain have ended, and what they parked is on its way out: what is new goes behind
    it. Where it waits counts: what was parked before it was handed off is in nobody's way there.
    """

    in_force: tuple[Pause, ...] = ()
    draining: tuple[Pause, ...] = ()
    draining_handed: tuple[Pause, ...] = ()

    def stops_lane(self, lane: str) -> Pause | None:
        """Return the pause of a whole lane: nothing of it is routed or handed out."""
        for pause in self.in_force:
            if pause.scope == Scope(lane=lane):
                return pause
        return None

    def stops_handoffs(self, channel: str, lane: str) -> Pause | None:
        """Return the pause by which hand-offs of *channel* in *lane* wait in the log."""
        for pause in self.in_force:
            if pause.scope.stops and pause.scope.concerns(lane, channel, None, None):
                return pause
        return None

    def stops_fanout(self, lane: str, workflow: str) -> Pause | None:
        """Return the pause by which a fan-out of *workflow* decides nobody for now."""
        for pause in self.in_force:
            scope = pause.scope
            if scope.channel in {None, INBOX} and scope.concerns(lane, INBOX, workflow, None):
                return pause
        return None

    def parks(
        self, lane: str, channel: str, workflow: str, provider: str | None, *, released: bool
    ) -> Pause | None:
        """
        Return the pause that takes a delivery out of the way of others.

        *provider* None: it is not chosen yet. *released* ones have been parked before, so they
        need not wait for others that were.
        """
        waits = self.in_force
        if not released:
            waits += self.draining if provider is None else self.draining_handed
        for pause in waits:
            scope = pause.scope
            parked = not scope.stops or (channel == INBOX and scope.channel == INBOX)
            # What was about to be called when the log was stopped was parked all the same.
            behind = pause.ended_ms is not None
            if (parked or behind) and scope.concerns(lane, channel, workflow, provider):
                return pause
        return None


NO_PAUSES: Final = Pauses()


def parked(decision: Decision, pause: Pause, expires_ms: int | None) -> Decision:
    """Return *decision*, which would send, as it waits for the end of *pause* or its own."""
    return Decision(
        decision.step,
        decision.channel,
        decision.address,
        Verdict.DEFER,
        Reason.PAUSED,
        pause.rule,
        UNTIL_RESUMED_MS if expires_ms is None else expires_ms,
    )
