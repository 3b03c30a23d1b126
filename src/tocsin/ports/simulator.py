"""
A vendor, played: what each provider's folder brings along for tests and for the sandbox.

A simulator speaks the vendor's real protocol on a socket of its own, so that the provider runs
unchanged, and keeps what it was sent. Faults are dialled from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tocsin.ports.provider import Callback, ReceiptState


class Dial(StrEnum):
    """What a simulator does with a call."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """Answer that this message will never be taken."""
    DEAD_ADDRESS = "dead_address"
    THROTTLE = "throttle"
    """Answer that it is too much, and when to come back."""
    FAIL = "fail"
    """Answer with the vendor's 5xx, without saying whether it was taken."""
    TAKE_AND_DROP = "take_and_drop"
    """Take the message, then close the connection instead of answering."""
    DROP = "drop"
    """Close the connection before the message was taken."""
    STALL = "stall"
    """Take the message, and answer no earlier than `Simulator.release`."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the vendor took, as it understood it."""

    reference: str
    address: str
    text: str
    trace: str | None
    supersedes: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    """What it says, part by part, where it has parts: ``subject``, ``text``, ``html``."""
    raw: bytes = b""
    """The message as it came over the wire."""


class Simulator(Protocol):
    """
    One played vendor.

    Its credentials and signing secrets are fixed texts that contain ``canary``, so that a search
    finds every place to which one leaks.
    """

    async def start(self) -> Mapping[str, object]:
        """Listen; returns the settings, as a configuration would say them, that lead here."""

    async def close(self) -> None:
        """Close every connection and stop listening."""

    def address(self, n: int) -> str:
        """Return one of its addresses, for each *n* another; it contains ``canary``, too."""

    def dial(self, dials: Sequence[Dial]) -> None:
        """Do this with the next messages, in order; with all that follow, accept."""

    def release(self) -> None:
        """Answer what is stalled."""

    async def until_called(self, count: int) -> None:
        """Return when *count* calls have arrived."""

    @property
    def calls(self) -> Sequence[Sequence[str]]:
        """The references of every call that arrived whole, in order."""

    @property
    def taken(self) -> Sequence[Taken]:
        """What was taken, in order; a repeat of a reference that the vendor drops is not in it."""

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the request by which the vendor would report; a forged one when not *genuine*."""

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
