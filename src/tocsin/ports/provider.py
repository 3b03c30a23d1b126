"""
What carries messages: a *Channel* knows what a message of its kind is, a *Provider* calls out.

Each channel and each provider is one folder under ``tocsin.channels``; a folder brings its
settings type and its simulator along. Every provider passes ``tests/contract/test_provider.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec


class ProviderReason(StrEnum):
    """Why a provider did not accept, in a closed list."""

    BAD_ADDRESS = "bad_address"
    DEAD_ADDRESS = "dead_address"
    BLOCKED = "blocked"
    BAD_CONTENT = "bad_content"
    TOO_LARGE = "too_large"
    OUR_FAULT = "our_fault"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message; ``provider_id`` is its own name for it."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class TryLater:
    """
    Not accepted, or not known to be: another attempt may succeed.

    ``known`` is False when the message may have been accepted all the same (the answer was lost).
    ``after_ms`` is what the provider asked for, if it did.
    """

    reason: ProviderReason
    known: bool = True
    after_ms: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Known not to be accepted, and the same message never will be."""

    reason: ProviderReason
    detail: str = ""


ProviderOutcome = Accepted | TryLater | Refused


@dataclass(frozen=True, slots=True)
class Content:
    """What a step says, as rendered text; which fields count is the channel's business."""

    title: str = ""
    body: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """
    One call to make. ``reference`` is ours, the same for every attempt of a delivery, written
    before the call; callbacks and idempotency keys are matched by it.
    """

    reference: str
    address: str
    content: Content
    secret: str | None = None
    app: str | None = None
    trace: str | None = None
    expires_ms: int | None = None
    supersedes: str | None = None
    """The provider's id of an earlier message to edit or replace, where flags allow."""

    def __repr__(self) -> str:
        return f"Message({self.reference})"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider said later, read from a callback."""

    reference: str | None
    provider_id: str | None
    state: str
    """delivered | failed | opened | clicked | complained | unsubscribed | acknowledged."""
    reason: str
    at_ms: int | None = None
    dead_address: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """An HTTP request that claims to come from a provider."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class Flags:
    """What a provider can do."""

    batch_max: int = 1
    idempotent: bool = False
    """The provider itself drops a second call with the same reference."""
    receipts: bool = False
    reports_delivery: bool = False
    edits: bool = False


class Provider(Protocol):
    """
    Calls one vendor. Never retries, counts or logs: the pipeline does.

    `send` returns one outcome for each message, in order, and never raises for what a vendor or a
    network may do; after a cancel the outcome of every message in hand is unknown.
    """

    name: str
    flags: Flags

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call, or one for all where ``flags.batch_max`` allows."""

    def read_callback(self, callback: Callback) -> Sequence[Receipt]:
        """
        Verify and read a callback.

        Raises `tocsin.errors.Unauthenticated` when the signature is not the provider's.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Channel(Protocol):
    """
    What a message of one kind is. Pure: a channel makes no call.

    ``interrupts`` says whether quiet hours silence it; ``needs_address`` is False for the inbox.
    """

    name: str
    interrupts: bool
    needs_address: bool

    def check_address(self, address: str) -> str:
        """Return the address in its one normal form, or raise `tocsin.errors.RequestRefused`."""

    def content_fields(self) -> frozenset[str]:
        """Return the names of the step's fields that are templates."""

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut rendered fields to the channel's limits and return the content."""


class ProviderSpec(msgspec.Struct, frozen=True):
    """What a provider's folder exports as ``SPEC``; ``build`` is imported when configured."""

    name: str
    channel: str
    settings: type
    build: str
    """``module:callable`` taking (settings, `ProviderTools`)."""
