"""
A vendor, played: what each provider's folder brings along for tests and for the sandbox.

A simulator speaks the vendor's real protocol on a socket of its own, so that the provider runs
unchanged, and keeps what it was sent. `tocsin.channels.simulating.Simulating` fills everything of
this but the protocol itself. Two ways to make it fail: `Simulator.dial` says what happens to the
very next messages, for tests; `Simulator.faults` says what happens with which probability, for
whoever plays with the sandbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from tocsin.ports.receipts import Callback, ReceiptState, Response

Share = Annotated[float, Meta(ge=0, le=1)]
"""A probability."""


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


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong at a played vendor, and how often."""

    latency_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    """Real time that each answer takes."""
    errors: Mapping[str, Share] = {}
    """By the vendor's own code (`Simulator.codes`); together 1 at the most."""
    lose_replies: Share = 0.0
    """The message is taken and the connection closed instead of an answer."""
    duplicate_receipts: Share = 0.0
    """A receipt is reported twice."""
    dead: Annotated[tuple[str, ...], Meta(max_length=10_000)] = ()
    """Addresses behind which nobody is."""
    down: bool = False
    """Nothing listens."""

    def __repr__(self) -> str:
        return f"Faults(down={self.down})"


class Action(StrEnum):
    """What a person or her provider does with a message that arrived."""

    DELIVER = "deliver"
    BOUNCE = "bounce"
    COMPLAIN = "complain"
    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    PRESS = "press"
    DECLINE = "decline"


Tell = Callable[[Callback], Awaitable[Response]]
"""Makes a vendor's request to the server and returns its answer; raises for one that refuses."""


@dataclass(frozen=True, slots=True)
class Deed:
    """
    Something done with the message *id*: *words* are a reply's text, or the keys that are pressed.
    """

    id: str
    action: Action
    at_ms: int
    words: str = ""

    def __repr__(self) -> str:
        return f"Deed({self.id}, {self.action})"


class Proof(StrEnum):
    """What a vendor's callbacks prove by their signature, or whatever they have instead."""

    BYTES = "bytes"
    """Who sent it, when, and each byte of it."""
    FIELDS = "fields"
    """Who sent it, when, and what it says, however that is written."""
    MOMENT = "moment"
    """Who sent it and when, not what it says."""
    SENDER = "sender"
    """Who sent it, no more."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """
    One message that arrived whole, whether the vendor took it or not.

    ``id`` is the provider's name, a hyphen and a number that counts up. ``content`` is what a
    person would see, by field; ``raw`` what came over the wire. ``answer`` is what the vendor
    said, empty where the answer was lost. ``supersedes`` is the platform's own name of the message
    that was edited; ``replaces`` the reference of the one that is seen no more since this one came.
    """

    id: str
    provider: str
    channel: str
    reference: str
    to: str
    received_ms: int
    content: Mapping[str, str]
    raw: bytes
    answer: str
    taken: bool
    trace: str | None = None
    supersedes: str | None = None
    replaces: str | None = None

    def __repr__(self) -> str:
        return f"Received({self.id})"


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


def _no_time() -> int:
    return 0


def _no_chance() -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """
    Where a simulator plays. Without any: a free port, nothing on disk, and nothing left to chance.

    ``log`` is the file to which what arrives is appended before it is answered: it outlives the
    process, not the machine. ``held_max`` is how many messages are kept. ``port`` is the one that
    is wished for; when it is taken, another. ``now_ms`` dates what arrives; ``real_ms`` is real
    time, for what goes over the wire; ``fraction`` draws from [0, 1).
    """

    port: int = 0
    log: Path | None = None
    held_max: int = 100_000
    now_ms: Callable[[], int] = _no_time
    fraction: Callable[[], float] = _no_chance
    real_ms: Callable[[], int] = _no_time


class Simulator(Protocol):
    """
    One played vendor.

    Its credentials and signing secrets are fixed texts that contain ``canary``, so that a search
    finds every place to which one leaks; fixed, so that they hold after a restart.
    """

    provider: str
    channel: str
    codes: Mapping[str, Dial]
    """The errors that `Faults.errors` may name, and what each amounts to."""
    actions: Mapping[Action, ReceiptState]
    """What a person can do with a message of this vendor so that it is reported, and as what."""
    speaks: frozenset[Action]
    """What else a person can do, of which no receipt comes: answer in words, for example."""
    silence: str
    """Why there are no actions, as the end of a sentence; empty where there are."""
    proof: Proof
    """What its callbacks prove."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; returns the settings, as a configuration would say them, that lead here."""

    async def close(self) -> None:
        """Close every connection and stop listening."""

    def address(self, n: int) -> str:
        """
        Return one of its addresses, for each *n* another; it contains ``canary``, too, where it
        is no number.
        """

    @property
    def port(self) -> int:
        """Where it listens, or will again when it is not down any more."""

    @property
    def faults(self) -> Faults:
        """What goes wrong."""

    async def set_faults(self, faults: Faults) -> None:
        """Let this go wrong from the next message on; raises `RequestRefused` for other codes."""

    def messages(
        self,
        *,
        to: str | None = None,
        since_ms: int | None = None,
        about: Callable[[str], bool] | None = None,
        limit: int = 100,
    ) -> Sequence[Received]:
        """
        Return what arrived, newest first.

        *to* is an address or a reference; *about* says which references are wanted.
        """

    def message(self, id: str) -> Received:
        """Return one; raises `tocsin.errors.NotFound`."""

    async def act(self, deed: Deed, tell: Tell) -> str:
        """
        Do as a person, or her provider, would, and report it by *tell* as the vendor does.

        Returns what the person is answered, if anything. Raises `NotFound` for a message that is
        not there, and `Conflict` (``action_not_possible``) for what cannot be done with it.
        """

    def dial(self, dials: Sequence[Dial]) -> None:
        """Do this with the next messages, in order; with all that follow, accept."""

    def release(self) -> None:
        """Answer what is stalled."""

    async def until_called(self, count: int) -> None:
        """Return when *count* calls have arrived."""

    @property
    def calls(self) -> Sequence[Sequence[str]]:
        """The references of the calls that arrived whole, in order; the last 10,000."""

    @property
    def taken(self) -> Sequence[Taken]:
        """What was taken, in order; a repeat of a reference that the vendor drops is not in it."""

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the request by which the vendor would report; a forged one when not *genuine*."""

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
