"""What the attempts and outcomes of one delivery say about the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

import msgspec

from tocsin.domain.delivery import State, settled
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.retry import costs

_NEVER_MS: Final = 1 << 62
_PENDING: Final = State.PENDING


class Standing(Enum):
    """How a delivery stands when its hand-off, or a timer about it, is read."""

    READY = "ready"
    """No call is open: the next attempt may be made."""
    UNKNOWN = "unknown"
    """An attempt was written and nothing about how it ended."""
    SUPERSEDED = "superseded"
    """A later attempt has taken over from this input."""
    ENDED = "ended"
    """It has settled."""


class History(msgspec.Struct):
    """The attempts and outcomes of one delivery, folded; fed in the order of the log."""

    attempts: int = 0
    open: Attempt | None = None
    state: str = ""
    last: Attempt | None = None
    again: bool = False
    """The last attempt is known not to have been taken, and whoever made it makes another."""
    unknown_provider: str | None = None
    """Who may have taken it without our hearing of it: nobody else may be called any more."""
    receipts: Mapping[tuple[str, str, str], int] = {}
    """The earliest time of each (provider, state, reason): a repeat says nothing new."""
    spent: int = 0
    """How many attempts used up one of those that a delivery has (`tocsin.domain.retry.costs`)."""
    began_ms: int | None = None
    """When the first attempt was made."""
    tried: tuple[str, ...] = ()
    """Who is known not to have taken it since it last waited: they are passed over for now."""
    earlier: tuple[str, ...] = ()
    """Everybody who was called but the last provider, who may be among them, too."""

    def take(self, record: Attempt | Settled) -> None:
        """Fold one record in; a repeat changes nothing."""
        if isinstance(record, Attempt):
            if record.number > self.attempts:
                before = self.provider
                if before is not None and before not in (record.provider, *self.earlier):
                    self.earlier = (*self.earlier, before)
                self.attempts, self.open = record.number, record
                self.last, self.again = record, False
                self.began_ms = record.at_ms if self.began_ms is None else self.began_ms
            return
        if record.receipt:
            of = (record.provider, record.state, record.reason)
            # A new one, since copies of a history share it.
            self.receipts = {
                **self.receipts,
                of: min(record.at_ms, self.receipts.get(of, _NEVER_MS)),
            }
        elif record.attempt and record.attempt == self.attempts:
            self._end(record)
        if not record.known and record.provider:
            self.unknown_provider = record.provider
        if record.state in _FINAL and self.state not in _FINAL:
            self.state = record.state

    def _end(self, record: Settled) -> None:
        self.again = record.state == _PENDING
        if self.open is None:
            return
        self.tried = (*self.tried, record.provider) if self.again and record.known else ()
        self.spent += costs(record.reason, known=record.known)
        self.open = None

    @property
    def used(self) -> int:
        """How many attempts are used up, with one whose outcome was never heard of."""
        return self.spent + (self.open is not None)

    @property
    def provider(self) -> str | None:
        """The provider of the last attempt."""
        return None if self.last is None else self.last.provider

    def was_given_to(self, provider: str) -> bool:
        """Return whether *provider* was ever called with it."""
        return provider == self.provider or provider in self.earlier

    @property
    def bound(self) -> str | None:
        """The provider that may have taken it without our hearing of it: it keeps the delivery."""
        return self.unknown_provider if self.open is None else self.open.provider

    @property
    def ended(self) -> bool:
        """Whether it has settled."""
        return self.state in _FINAL

    def standing(self, attempts_before: int) -> Standing:
        """Judge an input that was written when *attempts_before* had been made."""
        if self.ended:
            return Standing.ENDED
        if self.open is not None:
            return Standing.UNKNOWN
        if self.again or self.attempts <= attempts_before:
            return Standing.READY
        return Standing.SUPERSEDED


def history(records: Iterable[Attempt | Settled]) -> History:
    """Fold the records of one delivery."""
    found = History()
    for record in records:
        found.take(record)
    return found


# Plain texts, as records have: they are compared for each of them.
_FINAL = frozenset(state.value for state in State if settled(state))
