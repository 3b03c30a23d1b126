"""
Every setting of Tocsin: its name, type, bounds, default and description, once.

A setting is one line in its table. From it follow the key in the file, the variable in the
environment, the check, the messages and the reference page. Two conventions:

- A field that ends in ``_ms`` is a duration. Its key has no such ending and takes ``"30s"`` or
  ``"24h"``; the code reads whole milliseconds.
- A field of type `Secret` is never printed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tocsin.config.logging_table import Logging
from tocsin.config.outbound import Outbound, StatusWebhookSettings
from tocsin.config.raw import RawTables
from tocsin.config.sandbox_table import Sandbox
from tocsin.config.secret import Secret
from tocsin.config.tracking import Tracking

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIB = 1_024
_MIB = 1_024 * _KIB


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one port for requests and sockets."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port; 0 takes any free one.")] = 8600
    event_bytes_max: Annotated[
        int, Meta(ge=_KIB, le=16 * _MIB, description="Largest single event.")
    ] = _MIB
    request_bytes_max: Annotated[
        int, Meta(ge=64 * _KIB, le=256 * _MIB, description="Largest body of a request.")
    ] = 10 * _MIB
    requests_max: Annotated[
        int, Meta(ge=1, le=65_536, description="Most requests in hand at once; more get a 503.")
    ] = 1_024
    requests_per_second: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Requests each caller may make, on average.")
    ] = 1_000
    requests_burst: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Requests each caller may make at one moment.")
    ] = 2_000
    callers_max: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="Callers whose rate is remembered, those that called most lately.",
        ),
    ] = 100_000
    request_timeout_ms: Annotated[
        int, Meta(ge=_SECOND, le=10 * _MINUTE, description="Longest time one request may take.")
    ] = 30 * _SECOND
    linger_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=_MINUTE,
            description="Longest time that a body which is too large is read and thrown away, so"
            " that its sender sees the answer before the connection ends.",
        ),
    ] = 2 * _SECOND
    stop_grace_ms: Annotated[
        int, Meta(ge=0, le=10 * _MINUTE, description="Longest wait for work in hand at a stop.")
    ] = 10 * _SECOND
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses or networks whose `X-Forwarded-*` headers are believed."),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins of pages that may call from a browser and open sockets,"
            " beside the server's own."
        ),
    ] = ()


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log that every step reads from and appends to."""

    partitions: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Partitions of each topic, fixed when the folder is made. One process gains"
            " nothing by several, and each costs a row with every batch.",
        ),
    ] = 1
    linger_max_ms: Annotated[
        int,
        Meta(ge=0, le=_SECOND, description="Longest wait under load for others to share a commit."),
    ] = 2


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept on this machine."""

    layout: Annotated[
        Literal["joint", "split"],
        Meta(
            description="One file with one transaction, or log, state and projections in three"
            " files that share none, as on several machines."
        ),
    ] = "joint"
    free_bytes_min: Annotated[
        int,
        Meta(ge=0, le=1_024 * 1_024 * _MIB, description="Free disk below which it is not ready."),
    ] = 64 * _MIB
    free_low_percent: Annotated[
        int,
        Meta(ge=0, le=100, description="Free share of the disk below which it warns; 0: never."),
    ] = 10
    free_bulk_percent: Annotated[
        int,
        Meta(ge=0, le=100, description="Free share below which the lane bulk is not accepted."),
    ] = 5
    free_stop_percent: Annotated[
        int, Meta(ge=0, le=100, description="Free share below which nothing is accepted.")
    ] = 2
    ballast_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=64 * 1_024 * _MIB,
            description="Size of a file that is given up below `free_stop_percent`, so that what"
            " is old can be removed; a full disk cannot even be cleaned.",
        ),
    ] = 64 * _MIB
    recipients_held_max: Annotated[
        int,
        Meta(ge=100, le=100_000_000, description="Recipients kept in memory, read most lately."),
    ] = 100_000
    checkpoint_bytes: Annotated[
        int,
        Meta(
            ge=_MIB,
            le=1_024 * _MIB,
            description="Size at which a write-ahead log is copied whole and started anew.",
        ),
    ] = 64 * _MIB


class Accept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What producers send."""

    dedup_window_ms: Annotated[
        int,
        Meta(ge=_MINUTE, le=30 * _DAY, description="How long a repeated event is recognised."),
    ] = _DAY
    events_per_second: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="Events each producer may send, on average."),
    ] = 100_000
    events_burst: Annotated[
        int,
        Meta(ge=1, le=100_000_000, description="Events each producer may send at one moment."),
    ] = 200_000
    backlog_critical_max: Annotated[
        int,
        Meta(
            ge=100,
            le=100_000_000,
            description="Undecided critical events above which producers wait.",
        ),
    ] = 50_000
    backlog_transactional_max: Annotated[
        int,
        Meta(
            ge=100,
            le=100_000_000,
            description="Undecided transactional events above which producers wait.",
        ),
    ] = 5_000
    backlog_bulk_max: Annotated[
        int,
        Meta(
            ge=100,
            le=100_000_000,
            description="Undecided bulk events above which producers wait.",
        ),
    ] = 2_000_000
    waiting_requests_max: Annotated[
        int,
        Meta(ge=0, le=65_536, description="Most requests that wait in a lane; more get a 503."),
    ] = 64
    wait_max_ms: Annotated[
        int, Meta(ge=0, le=_MINUTE, description="Longest wait of a request before it gets a 503.")
    ] = _SECOND


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets what."""

    batch_events_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Most events decided in one step.")
    ] = 1_000
    fanout_threshold: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Recipients above which an event becomes a fan-out."),
    ] = 1_000
    chunk_recipients_max: Annotated[
        int,
        Meta(
            ge=100,
            le=65_536,
            description="Most recipients in one chunk of a fan-out, except in the inbox.",
        ),
    ] = 2_000
    last_known_recipients_max: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Recipients remembered for critical messages, should the store be away.",
        ),
    ] = 20_000


class Deliver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Handing messages over to providers."""

    in_flight_max: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Most messages in hand for each channel and lane."),
    ] = 2_000
    read_ahead_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Most messages read for each channel and lane; among them producers take"
            " turns.",
        ),
    ] = 10_000
    parked_max: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Most messages of each channel and lane that wait as timers for a provider"
            " while others go on; then the lane waits in the log.",
        ),
    ] = 10_000
    calls_max: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Most calls under way for each channel and lane."),
    ] = 200
    orphans_max: Annotated[
        int,
        Meta(
            ge=100,
            le=100_000_000,
            description="Receipts kept that came before what they are about was known.",
        ),
    ] = 100_000
    endpoint_failing_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE,
            le=365 * _DAY,
            description="How long an endpoint may fail until it is not called any more.",
        ),
    ] = 5 * _DAY
    endpoint_failures_min: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="How often it must have failed at least by then."),
    ] = 10


class Inbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people see in the product."""

    token_life_ms: Annotated[
        int,
        Meta(ge=_MINUTE, le=30 * _DAY, description="Life of a recipient's token if none is asked."),
    ] = _HOUR
    polling_recipients_max: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Recipients whose polling is answered from memory while nothing changes.",
        ),
    ] = 100_000


class Gateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sockets of browsers and apps."""

    sockets_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most open sockets; more get a 503.")
    ] = 100_000
    sockets_per_recipient_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Most open sockets of one recipient.")
    ] = 20
    socket_buffer_bytes_max: Annotated[
        int,
        Meta(
            ge=4 * _KIB,
            le=16 * _MIB,
            description="Unsent bytes above which a slow socket is closed; it resumes later.",
        ),
    ] = 256 * _KIB
    ping_interval_ms: Annotated[
        int, Meta(ge=_SECOND, le=10 * _MINUTE, description="Time between pings of a quiet socket.")
    ] = 25 * _SECOND


class Keep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long what happened is kept. What something open still needs is kept longer."""

    inbox_ms: Annotated[
        int,
        Meta(
            ge=_HOUR,
            le=100 * 365 * _DAY,
            description="How long an item stays in an inbox after it became visible.",
        ),
    ] = 90 * _DAY
    ledger_ms: Annotated[
        int,
        Meta(
            ge=_HOUR,
            le=100 * 365 * _DAY,
            description="How long events, plans and outcomes can be asked about after they"
            " settled; never shorter than the other two.",
        ),
    ] = 90 * _DAY
    log_ms: Annotated[
        int,
        Meta(
            ge=_HOUR,
            le=100 * 365 * _DAY,
            description="How long the log keeps what only its readers need: hand-offs, their"
            " outcomes and changes of state.",
        ),
    ] = 7 * _DAY


class Keys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that encrypt secrets and addresses at rest. Set one of the two, not both."""

    encryption_key: Annotated[
        Secret | None,
        Meta(description="The key, 32 bytes in base64, or several, newest first; read at start."),
    ] = None
    encryption_key_file: Annotated[
        str | None, Meta(description="File with them, outside the data folder; read when changed.")
    ] = None


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the whole program."""

    mode: Annotated[
        Literal["sandbox", "real"],
        Meta(
            description="In a sandbox every provider is simulated and the clock can be moved."
            " A data folder stays what it was born as."
        ),
    ] = "sandbox"
    data: Annotated[str, Meta(min_length=1, description="Folder of all that is kept.")] = "./data"
    public_url: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/]+(/.*[^/])?$")] | None,
        Meta(
            description="How the outside reaches this server, for links and callbacks; without"
            " it, the address that it listens on.",
        ),
    ] = None
    http: Http = field(default_factory=Http)
    log: Log = field(default_factory=Log)
    store: Store = field(default_factory=Store)
    accept: Accept = field(default_factory=Accept)
    route: Route = field(default_factory=Route)
    deliver: Deliver = field(default_factory=Deliver)
    outbound: Outbound = field(default_factory=Outbound)
    status_webhooks: StatusWebhookSettings = field(default_factory=StatusWebhookSettings)
    inbox: Inbox = field(default_factory=Inbox)
    gateway: Gateway = field(default_factory=Gateway)
    keep: Keep = field(default_factory=Keep)
    keys: Keys = field(default_factory=Keys)
    tracking: Tracking = field(default_factory=Tracking)
    logging: Logging = field(default_factory=Logging)
    sandbox: Sandbox = field(default_factory=Sandbox)
    providers: RawTables = field(default_factory=dict)
    """``[providers.<name>]``: each is read by the folder of that name."""
    channels: RawTables = field(default_factory=dict)
    """``[channels.<name>]``: which providers carry what."""
