"""
What a vendor's answers mean: data beside the code of each provider, in its ``replies.toml``.

A table for each code that the vendor documents, and one for each status that comes without a code::

    [codes.UNREGISTERED]
    means = "refused"
    reason = "dead_address"
    says = "the app was removed from the device"

    [statuses.503]
    means = "later"
    reason = "overloaded"
    says = "the vendor is overloaded"

And where a vendor reports later why a message that it took did not arrive, one for each code::

    [reports.30005]
    reason = "dead_address"
    dead_address = true
    says = "there is no such number"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, Literal

import msgspec

from tocsin.ports.outcomes import (
    Accepted,
    ProviderOutcome,
    ProviderReason,
    Refused,
    TryLater,
)
from tocsin.ports.transport import NoAnswer, NoAnswerReason

Means = Literal["accepted", "refused", "later", "unknown"]
"""``later`` is known not to be taken; ``unknown`` may have been."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one answer means; ``says`` is for the vendor's page in the docs."""

    means: Means
    says: str
    reason: ProviderReason | None = None
    address_only: bool = False
    """See `TryLater.address_only`."""
    after_ms: int | None = None
    """How long to wait where the answer itself does not say."""
    opted_out: bool = False
    """See `Refused.opted_out`."""

    def outcome(
        self, detail: str, *, after_ms: int | None = None, provider_id: str | None = None
    ) -> ProviderOutcome:
        """Return the outcome; *after_ms* is what the answer asked for, and stronger."""
        if self.means == "accepted":
            return Accepted(provider_id)
        assert self.reason is not None
        if self.means == "refused":
            return Refused(self.reason, detail, self.opted_out)
        wait_ms = self.after_ms if after_ms is None else after_ms
        return TryLater(
            self.reason, self.means == "later", wait_ms, detail, address_only=self.address_only
        )


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a message that was taken did not arrive."""

    says: str
    reason: ProviderReason
    dead_address: bool = False
    """Nobody is there: the address leaves the registry."""


class Replies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor's table."""

    codes: Mapping[str, Reply] = {}
    statuses: Mapping[str, Reply] = {}
    reports: Mapping[str, Report] = {}

    def of(self, status: int, code: str | None = None) -> Reply:
        """
        Return what an answer means: by its code, else its status, else the kind of its status.

        A table may name a kind as a whole, as ``4xx``. What nobody has documented is read by RFC
        9110: a 4xx is the request's fault, and after a 5xx nobody knows whether it was done.
        """
        if code is not None and (found := self.codes.get(code)) is not None:
            return found
        whole = self.statuses.get(f"{status // 100}xx")
        return self.statuses.get(str(status)) or whole or _by_kind(status)

    def report(self, code: str) -> Report:
        """Return what a later report means; of an unknown code only that it did not arrive."""
        return self.reports.get(code, _UNDELIVERED)


_UNDELIVERED: Final = Report(reason=ProviderReason.UNREACHABLE, says="it did not arrive")
_TAKEN: Final = Reply(means="accepted", says="taken")
_OURS: Final = Reply(means="refused", reason=ProviderReason.OUR_FAULT, says="not permitted")
_SLOWER: Final = Reply(means="later", reason=ProviderReason.THROTTLED, says="too many requests")
_WRONG: Final = Reply(means="refused", reason=ProviderReason.BAD_CONTENT, says="not understood")
_FAILED: Final = Reply(means="unknown", reason=ProviderReason.OVERLOADED, says="the vendor failed")


def _by_kind(status: int) -> Reply:
    if 200 <= status < 300:
        return _TAKEN
    if status in {401, 403, 407}:
        return _OURS
    if status in {408, 425, 429}:
        return _SLOWER
    return _FAILED if status >= 500 else _WRONG


def load_replies(package: str, file: str = "replies.toml") -> Replies:
    """
    Read the table in a provider's folder; one that is wrong raises ``msgspec.ValidationError``.

    A vendor that answers about each message of a call in words of its own has another for those.
    """
    text = (files(package) / file).read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text), Replies)
    for name, reply in (*found.codes.items(), *found.statuses.items()):
        if (reply.reason is None) != (reply.means == "accepted"):
            raise msgspec.ValidationError(f"{package}: {name} needs a reason if it is not accepted")
    return found


def unanswered(said: NoAnswer) -> ProviderOutcome:
    """Return what it means that no answer came from a vendor whose URL is the operator's."""
    if said.sent:
        return TryLater(ProviderReason.TIMED_OUT, known=False, detail=said.reason)
    if said.reason in _MISLED:
        return TryLater(ProviderReason.OUR_FAULT, detail=said.reason)
    return TryLater(ProviderReason.UNREACHABLE, detail=said.reason)


def unanswered_address(said: NoAnswer) -> ProviderOutcome:
    """Do so where the URL is the recipient's: one that may not be called is no fault of ours."""
    if said.reason in _MISLED and not said.sent:
        return Refused(ProviderReason.BAD_ADDRESS, said.reason)
    return unanswered(said)


NOT_READ: Final = TryLater(
    ProviderReason.TIMED_OUT, known=False, detail="the answer could not be read"
)
"""For an answer that should say what became of a message, and says nothing that is documented."""

_MISLED: Final = frozenset({NoAnswerReason.FORBIDDEN, NoAnswerReason.BAD_URL})
