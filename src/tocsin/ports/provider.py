"""
What carries messages: a *Channel* knows what a message of its kind is, a *Provider* calls out.

Each channel is a folder under ``tocsin.channels`` that exports ``CHANNEL``; each provider a folder
in its channel's that exports ``SPEC``, and brings its settings type and its simulator along
(`tocsin.ports.simulator`). A distribution adds one by the entry point ``tocsin.providers``. Every
provider passes ``tests/contract/test_provider.py``, every simulator ``test_simulator.py`` there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from tocsin.ports.transport import Transport

_MINUTE_MS: Final = 60_000


class ProviderReason(StrEnum):
    """Why a provider did not accept, in a closed list."""

    BAD_ADDRESS = "bad_address"
    """Nothing that it could send to; another message to it would fare the same."""
    DEAD_ADDRESS = "dead_address"
    """Nobody is there any more: the address leaves the registry."""
    BLOCKED = "blocked"
    """This recipient does not want it, or the vendor does not let it through."""
    BAD_CONTENT = "bad_content"
    TOO_LARGE = "too_large"
    OUR_FAULT = "our_fault"
    """Credentials, configuration or billing: every message would fare the same."""
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    """The vendor failed (5xx)."""
    UNREACHABLE = "unreachable"
    """No connection came about, so nothing was sent."""
    TIMED_OUT = "timed_out"
    """The connection broke, or no answer came in time, after something was sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message; ``provider_id`` is its own name for it."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class TryLater:
    """
    Not accepted, or not known to be: another attempt may succeed.

    ``known`` is False when the message may have been accepted all the same: the answer was lost.
    ``after_ms`` is what the provider asked for, if it did. ``detail`` is kept in the ledger: the
    vendor's code or words, never an address, content or credential.
    """

    reason: ProviderReason
    known: bool = True
    after_ms: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Known not to be accepted, and the same message never will be. ``detail`` as above."""

    reason: ProviderReason
    detail: str = ""


ProviderOutcome = Accepted | TryLater | Refused


@dataclass(frozen=True, slots=True)
class Content:
    """What a step says, as rendered text; which fields count is the channel's business."""

    title: str = ""
    body: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Content({len(self.title)} + {len(self.body)} characters)"


@dataclass(frozen=True, slots=True)
class About:
    """
    What a message is about, for vendors that pass it on to programs.

    ``data`` is the event's data as JSON text, with what the call gave for this recipient alone.
    """

    notification: str
    event: str
    event_id: str
    event_type: str
    source: str
    workflow: str
    recipient: str
    accepted_ms: int
    data: bytes = b"{}"
    tenant: str | None = None
    actor: str | None = None

    def __repr__(self) -> str:
        return f"About({self.notification})"


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message to hand over.

    ``reference`` is ours: the same for every attempt of a delivery, written before the call. A
    provider carries it along as the vendor's idempotency key, custom id or Message-ID, so that
    callbacks name it; it has at most 64 characters of ``a-z 0-9 _``. ``trace`` is the caller's
    ``traceparent`` (W3C Trace Context). ``secret`` is the address's own, for signing.
    """

    reference: str
    address: str
    content: Content
    secret: str | None = None
    app: str | None = None
    trace: str | None = None
    expires_ms: int | None = None
    supersedes: str | None = None
    """The ``provider_id`` of an earlier message to edit or replace, for providers that can."""
    category: str | None = None
    """What people switch on and off; the workflow's."""
    unsubscribe: str | None = None
    """
    The URL at which this recipient switches this category off on this channel, by one POST.

    It needs no login, so it is as secret as the address; None where nobody can switch it off.
    """
    about: About | None = None
    """None only where there is no event, as in a test."""

    def __repr__(self) -> str:
        return f"Message({self.reference})"


class ReceiptState(StrEnum):
    """What a receipt can say."""

    DELIVERED = "delivered"
    FAILED = "failed"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    ACKNOWLEDGED = "acknowledged"


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """
    What a provider said later, read from a callback.

    ``reference`` is ours: where a vendor only names its own id, the folder sees to it that ours
    comes back (metadata, a tag, the callback's URL).
    """

    reference: str
    state: ReceiptState
    reason: str
    at_ms: int
    dead_address: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """An HTTP request that claims to come from a provider; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_ms: int

    def __repr__(self) -> str:
        return f"Callback({self.method} {self.path}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Flags:
    """What a provider can do."""

    batch_max: int = 1
    """The most messages in one call; each still has an outcome of its own."""
    idempotent: bool = False
    """The vendor itself drops a second call with the same reference."""
    receipts: bool = False
    """It calls back; without, what it accepted stays *sent*."""
    edits: bool = False
    """It can edit or replace a message that it accepted, named by its ``provider_id``."""
    per_host: bool = False
    """Addresses are URLs, and each host is a service of its own: one that fails is no other's."""


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every ``[providers.<name>]`` table may say; a folder's own type adds to it."""

    on_unknown: Annotated[
        Literal["resend", "give_up"],
        Meta(
            description="What to do when it is not known whether a message was taken: send it"
            " again under the same reference, or end it as failed."
        ),
    ] = "resend"
    attempts_max: Annotated[
        int, Meta(ge=1, le=100, description="Most attempts of one delivery.")
    ] = 8
    retry_base_ms: Annotated[
        int, Meta(ge=100, le=60 * _MINUTE_MS, description="Ceiling of the first wait; it doubles.")
    ] = 1_000
    retry_cap_ms: Annotated[
        int, Meta(ge=1_000, le=1_440 * _MINUTE_MS, description="Longest wait that is drawn.")
    ] = 60 * _MINUTE_MS
    call_timeout_ms: Annotated[
        int,
        Meta(
            ge=100, le=10 * _MINUTE_MS, description="Time after which a call's outcome is unknown."
        ),
    ] = 30_000
    rate_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="Messages that it may be given, on average; without it, no limit."),
    ] = None
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Messages that it may be given at one moment; by default those of 1 s."),
    ] = None
    critical_reserve: Annotated[
        float,
        Meta(
            ge=0, lt=1, description="Part of the burst that only the critical lane may draw upon."
        ),
    ] = 0.2
    breaker_failures: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Failed calls after which it is not called for a while, when they are at"
            " least half of all in their window.",
        ),
    ] = 10
    breaker_window_ms: Annotated[
        int, Meta(ge=1_000, le=60 * _MINUTE_MS, description="The window in which they count.")
    ] = 30_000
    breaker_open_ms: Annotated[
        int,
        Meta(
            ge=100,
            le=60 * _MINUTE_MS,
            description="How long it is not called then; twice as long after each probe that fails.",
        ),
    ] = 5_000
    breaker_open_max_ms: Annotated[
        int, Meta(ge=100, le=60 * _MINUTE_MS, description="The longest time without a probe.")
    ] = _MINUTE_MS
    slow_start_per_second: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Messages a second that it is given when it answers again; twice as many"
            " every 10 s, and all after 100 s.",
        ),
    ] = 50
    dead_addresses_max: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Dead addresses in a window above which it is not believed, when they are"
            " more than a tenth of its answers.",
        ),
    ] = 100
    dead_addresses_window_ms: Annotated[
        int, Meta(ge=1_000, le=1_440 * _MINUTE_MS, description="That window.")
    ] = 5 * _MINUTE_MS


class Provider(Protocol):
    """
    Calls one vendor. Never retries, counts or logs: the pipeline does.

    *Outcomes*: `send` returns one for each message, in order, and raises for nothing that a vendor
    or a network may do. Known not to be accepted is only what failed before a byte of the message
    was sent, or what the vendor said so about; a broken connection, a timeout and a 5xx without a
    promise of the vendor's are unknown. *Cancelled*: the caller's deadline passed or its process
    ends; `send` lets go of its connection and raises ``CancelledError``, and the caller counts
    every message of the call as unknown. *Secrets*: neither a repr, nor an outcome's detail, nor
    an error holds a credential, an address or content.
    """

    name: str
    flags: Flags

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make one call with 1 to ``flags.batch_max`` messages."""

    def read_callback(self, callback: Callback) -> Sequence[Receipt]:
        """
        Verify a callback, then read it; a vendor's event that says nothing of use is left out.

        Raises `tocsin.errors.Unauthenticated` when the signature is not the vendor's or is too
        old, and `tocsin.errors.Malformed` for what cannot be read all the same.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Channel(Protocol):
    """
    What a message of one kind is. Pure: a channel makes no call.

    ``interrupts`` says whether quiet hours silence it. ``needs_address`` and ``needs_provider``
    are False for the inbox: what route emits is stored by the projection.
    """

    name: str
    interrupts: bool
    needs_address: bool
    needs_provider: bool

    def check_address(self, address: str) -> str:
        """
        Return the address as it may be called, or raise `tocsin.errors.RequestRefused`.

        Asked right before every call, since what may be called can change after it was stored.
        """

    def content_fields(self) -> frozenset[str]:
        """Return the names of the step's fields that are templates."""

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut rendered fields to the channel's limits and return the content."""


@dataclass(frozen=True, slots=True)
class ProviderTools:
    """What a provider is built with beside its settings."""

    name: str
    """The name of its table: also the last part of the callbacks' path."""
    transport: Transport
    """The one client for HTTP; a provider never closes it."""
    wall_ms: Callable[[], int]
    """Real time, for what goes over the wire: signatures, dates, tokens."""


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's folder exports as ``SPEC``; the rest of it is imported when configured."""

    name: str
    channel: str
    settings: type[ProviderSettings]
    build: str
    """``module:callable`` that takes (settings, `ProviderTools`) and returns the `Provider`."""
    simulator: str
    """``module:callable`` that takes no argument and returns the `tocsin.ports.simulator`."""
