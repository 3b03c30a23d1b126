"""
What carries messages: a *Channel* knows what a message of its kind is, a *Provider* calls out.

Each channel is a folder under ``tocsin.channels`` that exports ``CHANNEL``; each provider a folder
in its channel's that exports ``SPEC``, and brings its settings type and its simulator along
(`tocsin.ports.simulator`). A distribution adds one by the entry point ``tocsin.providers``. Every
provider passes ``tests/contract/test_provider.py``, every simulator ``test_simulator.py`` there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Meta

from tocsin.ports.message import Content, Message
from tocsin.ports.outcomes import ProviderOutcome
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.transport import Transport

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Flags:
    """What a provider can do."""

    batch_max: int = 1
    """The most messages in one call; each still has an outcome of its own."""
    idempotent: bool = False
    """The vendor itself drops a second call with the same reference."""
    receipts: bool = False
    """It calls back; without, what it accepted stays *sent*."""
    arrivals: bool = False
    """Its receipts say when a message has arrived."""
    reads: bool = False
    """Its receipts say when somebody opened or read a message."""
    acknowledges: bool = False
    """Its messages can ask to be acknowledged, by a key or a button, and it reports that."""
    edits: bool = False
    """It can edit or replace a message that it accepted, named by its ``provider_id``."""
    per_host: bool = False
    """Addresses are URLs, and each host is a service of its own: one that fails is no other's."""


RatePerSecond = Annotated[
    Annotated[float, Meta(gt=0, le=1_000_000)] | None,
    Meta(description="Messages that it may be given, on average; without it, no limit."),
]
Burst = Annotated[
    Annotated[int, Meta(ge=1, le=10_000_000)] | None,
    Meta(description="Messages that it may be given at one moment; by default those of 1 s."),
]
RetryBase = Annotated[
    int, Meta(ge=100, le=60 * _MINUTE_MS, description="Ceiling of the first wait; it doubles.")
]
"""Milliseconds."""


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What every ``[providers.<name>]`` table may say; a folder's own type adds to it.

    A setting whose name ends in ``_file`` or ``_files`` names files that `ProviderSpec.build` reads:
    when they hold something else the provider is built anew, in the place of the first one.
    """

    on_unknown: Annotated[
        Literal["resend", "give_up"],
        Meta(
            description="What to do when it is not known whether a message was taken: send it"
            " again under the same reference, or end it as failed."
        ),
    ] = "resend"
    attempts_max: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="Most attempts of one delivery. One that is known not to have been"
            " accepted, since the provider was in trouble or had too much, does not count.",
        ),
    ] = 12
    patience_ms: Annotated[
        int,
        Meta(
            ge=1_000,
            le=30 * 1_440 * _MINUTE_MS,
            description="How long a message is tried, from its first attempt, if it does not expire"
            " before.",
        ),
    ] = 1_440 * _MINUTE_MS
    retry_base_ms: RetryBase = 1_000
    retry_cap_ms: Annotated[
        int, Meta(ge=1_000, le=1_440 * _MINUTE_MS, description="Longest wait that is drawn.")
    ] = 60 * _MINUTE_MS
    call_timeout_ms: Annotated[
        int,
        Meta(
            ge=100, le=10 * _MINUTE_MS, description="Time after which a call's outcome is unknown."
        ),
    ] = 30_000
    slow_after_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=10 * _MINUTE_MS,
            description="Time after which a call counts as slow: when one in seven is or fails,"
            " others are given more in its place.",
        ),
    ] = 5_000
    rate_per_second: RatePerSecond = None
    burst: Burst = None
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
    an error holds a credential, an address or content. *Checks*: one that can look whether it would
    work says so by `tocsin.ports.self_check.SelfCheck`.
    """

    name: str
    flags: Flags

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make one call with 1 to ``flags.batch_max`` messages."""

    async def read_callback(self, callback: Callback) -> Reading:
        """
        Verify a callback, then read it; a vendor's event that says nothing of use is left out.

        May make a call of its own where the vendor's protocol asks for one, such as for the
        certificate of a signature.

        Raises `tocsin.errors.Unauthenticated` when the signature is not the vendor's or is too
        old, and `tocsin.errors.Malformed` for what cannot be read all the same.
        """

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message is sent as, where the vendor limits each sender by itself: a number, a bot."""

    name: str
    rate_per_second: float
    burst: int = 1


@runtime_checkable
class BySender(Protocol):
    """A provider that has several senders, each with a rate of its own. Optional."""

    def sender_of(self, address: str) -> Sender | None:
        """
        Return who carries a message to *address*; None: only the provider's own rate counts.

        Asked for every message before its call, so it must be quick, and always the same for one
        address. Whatever is asked of a sender is asked of the provider as well.
        """


@runtime_checkable
class InParts(Protocol):
    """A `BySender` whose vendor counts parts of messages against a sender's rate. Optional."""

    def parts_of(self, message: Message) -> int:
        """Return how many *message* is, 1 at least; asked for every message before its call."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages one address is given, where its vendor limits each by itself: a chat."""

    rate_per_second: float
    burst: int = 1


@runtime_checkable
class ByAddress(Protocol):
    """A provider whose vendor lets only so much through to each address. Optional."""

    def pace_of(self, address: str) -> Pace | None:
        """
        Return what *address* is given; None: only other limits count.

        Asked for every message before its call, so it must be quick, and always the same for one
        address. Who has had enough waits as a row, and holds nobody up but those behind it.
        """


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


def _unknown_url() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ProviderTools:
    """What a provider is built with beside its settings."""

    name: str
    """The name of its table: also the last part of the callbacks' path."""
    transport: Transport
    """The one client for HTTP; a provider never closes it."""
    wall_ms: Callable[[], int]
    """Real time, for what goes over the wire: signatures, dates, tokens."""
    callback_url: Callable[[], str | None] = _unknown_url
    """Where the vendor reaches `Provider.read_callback`; None where nobody has said yet."""


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's folder exports as ``SPEC``; the rest of it is imported when configured."""

    name: str
    channel: str
    settings: type[ProviderSettings]
    build: str
    """``module:callable`` that takes (settings, `ProviderTools`) and returns the `Provider`."""
    simulator: str
    """``module:callable`` that takes no argument and returns the `tocsin.ports.simulator`."""
    options: type[msgspec.Struct] | None = None
    """
    What a step's ``options.<name>`` table may hold; None where it takes none.

    Frozen, since all messages without such a table share one object.
    """
    preference: int = 100
    """
    Which provider of its channel a sandbox sends by where nobody configured one: the lowest, of
    equals the first by name.
    """
    multiplexed: bool = False
    """
    Whether most of its calls go to few hosts over HTTP/2, where many share a connection.

    One whose addresses name hosts says which calls are not such: `tocsin.ports.transport.Call`.
    """
