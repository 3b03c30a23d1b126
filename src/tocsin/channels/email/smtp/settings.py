"""What ``[providers.smtp]`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tocsin.channels.email.writing.sender import Address, SenderSettings
from tocsin.config import Secret
from tocsin.ports.provider import RetryBase

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS

HostName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]


class SmtpSettings(SenderSettings, frozen=True, kw_only=True):
    """
    The server that takes email from us and relays it.

    Servers ask for more patience than other providers: one that does not know us yet lets us wait
    for minutes, and a full mailbox for hours.
    """

    host: Annotated[HostName, Meta(description="Name of the server.")]
    port: Annotated[int, Meta(ge=1, le=65_535, description="Its port.")] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(
            description="TLS after a greeting in plain (`starttls`, port 587), from the first byte"
            " (`tls`, port 465), or none, which is refused with a password unless the host is"
            " this machine."
        ),
    ] = "starttls"
    ca_file: Annotated[
        str | None,
        Meta(description="File with the certificates that are trusted, instead of the system's."),
    ] = None
    username: Annotated[
        str | None, Meta(description="Who we log in as; without it we do not log in.")
    ] = None
    password: Annotated[Secret | None, Meta(description="What we log in with.")] = None
    bounce_address: Annotated[
        Address | None,
        Meta(
            description="Where reports of letters that could not be delivered go; without it, to"
            " `from_address`."
        ),
    ] = None
    bounce_key: Annotated[
        Secret | None,
        Meta(
            description="Signs the reference of each letter, so that a report about it can be"
            " believed; what comes to `bounce_address` is then to be handed to"
            " `/v1/callbacks/smtp`. Any long text that nobody knows."
        ),
    ] = None
    dkim_selectors: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$")], ...],
        Meta(
            description="Names of the DNS records that hold our DKIM keys, without `._domainkey`;"
            " letters are signed once for each. Without any, the relaying server has to sign."
        ),
    ] = ()
    dkim_key_files: Annotated[
        tuple[str, ...],
        Meta(
            description="Files with the private keys that belong to them, in the same order: RSA"
            " (2,048 bits, about a millisecond for a letter) or Ed25519, PEM."
        ),
    ] = ()
    dkim_domain: Annotated[
        HostName | None,
        Meta(description="Whose records they are; without it, the domain of `from_address`."),
    ] = None
    client_name: Annotated[
        HostName | None,
        Meta(
            description="What we call ourselves when we connect; without it, the domain of"
            " `from_address`.",
        ),
    ] = None
    connections_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Most connections to the server at once.")
    ] = 20
    letters_per_connection_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Letters after which a connection is changed.")
    ] = 500
    idle_ms: Annotated[
        int, Meta(ge=100, le=10 * _MINUTE_MS, description="How long an idle connection is kept.")
    ] = 20 * _SECOND_MS
    connect_timeout_ms: Annotated[
        int,
        Meta(ge=100, le=5 * _MINUTE_MS, description="Longest time to connect and log in."),
    ] = 15 * _SECOND_MS
    attempts_max: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="Most attempts of one delivery that may have been accepted, or that failed"
            " for a reason of its own.",
        ),
    ] = 20
    retry_base_ms: RetryBase = 15 * _SECOND_MS
    call_timeout_ms: Annotated[
        int,
        Meta(
            ge=_SECOND_MS,
            le=20 * _MINUTE_MS,
            description="Time after which a call's outcome is unknown. The first half of it is for"
            " getting a connection and naming the recipient; when that is not done by then, it is"
            " known that nothing was sent.",
        ),
    ] = 60 * _SECOND_MS
