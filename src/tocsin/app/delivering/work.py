"""One delivery in hand."""

from __future__ import annotations

import msgspec

from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Pass
from tocsin.domain.attempts import History
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.records import Attempt, Event, Handoff, Settled
from tocsin.domain.records.deliveries import Considered
from tocsin.domain.workflow import CompiledStep, Workflow
from tocsin.ports.message import Message
from tocsin.ports.state import Claim


class Ended(msgspec.Struct, frozen=True):
    """A delivery goes no further now: it has settled, or waits until ``until_ms``."""

    state: str
    reason: str
    detail: str = ""
    until_ms: int | None = None


class Work(msgspec.Struct):
    """A hand-off on its way, from the record that was read to the outcome."""

    partition: int
    position: int
    handoff: Handoff
    attempts_before: int
    history: History
    event: Event | None = None
    recipient: Recipient | None = None
    workflow: Workflow | None = None
    step: CompiledStep | None = None
    """What it says."""
    address: Address | None = None
    """Where it goes, once that was decided anew."""
    opened: str = ""
    """The address itself, as it may be called."""
    message: Message | None = None
    wired: Wired | None = None
    way: Way | None = None
    """Where it would go; it does when it has a ``passed``."""
    route: str = ""
    considered: tuple[Considered, ...] = ()
    """How it was chosen who carries it, where there was a choice."""
    passed: Pass | None = None
    attempt: Attempt | None = None
    """The record of the call that is made."""
    claim: Claim | None = None
    """The row where a cancel could meet it; only cancellable ones have one."""
    ended: Ended | None = None
    settled_before: bool = False
    """Its outcome is on the log already, so there is nothing to do and nothing to write."""
    proved: bool = False
    """A receipt that is kept aside shows that it was taken, though nobody heard so."""
    from_timer: bool = False
    """Whether a timer brought it back, so that what was tried is on the log."""
    overtakes: bool = False
    """Whether it goes before an earlier one that it has waited for long enough."""

    @property
    def stopped(self) -> bool:
        """Whether no call is to be made now."""
        return self.settled_before or self.ended is not None

    def forget(self) -> None:
        """Begin anew, since something that was to be looked at was away, or has changed."""
        self.message = self.wired = self.way = self.claim = self.ended = self.attempt = None
        self.settled_before = self.proved = self.overtakes = False

    def note(self, outcome: Settled) -> None:
        """Keep in mind how the call ended that was made: another follows at once."""
        assert self.attempt is not None
        self.history.take(self.attempt)
        self.history.take(outcome)
        self.passed = None

    @property
    def delivery(self) -> bytes:
        """The delivery's key."""
        return self.handoff.delivery

    @property
    def number(self) -> int:
        """The number of the next attempt, or of the one that is being made."""
        return self.history.attempts + 1
