"""What a provider can say of itself beside carrying messages; whoever looks for a fault asks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from tocsin.ports.advice import ADVICE
from tocsin.ports.outcomes import Accepted, ProviderOutcome


class Weight(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    ADVICE = "advice"
    """It works, and could be better or safer."""
    PROBLEM = "problem"
    """Messages do not arrive, or what becomes of them stays unknown."""


class Finding(msgspec.Struct, frozen=True):
    """
    One thing that was looked at: what was found, and what to do next.

    Both are sentences for an operator, without a credential, an address or content.
    """

    weight: Weight
    says: str
    do: str = ""


def found(outcome: ProviderOutcome, doing: str) -> Finding:
    """Return what *outcome* of a look means; *doing* is what was tried, as in "logging in"."""
    if isinstance(outcome, Accepted):
        return Finding(Weight.FINE, f"{doing} works")
    says, do = ADVICE[outcome.reason]
    detail = f" ({outcome.detail})" if outcome.detail else ""
    return Finding(Weight.PROBLEM, f"{doing} fails{detail}: {says}", do)


@runtime_checkable
class SelfCheck(Protocol):
    """A provider that can look whether it would work, without sending a message. Optional."""

    async def check(self) -> Sequence[Finding]:
        """
        Look, for example, whether credentials can be read and whether the vendor takes them.

        May call the vendor, but sends nobody anything and changes nothing there. Bounded by
        whoever asks; raises for nothing that a vendor or a network may do.
        """
