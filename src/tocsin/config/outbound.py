"""Settings of calls to the outside, in the form of `tocsin.config.tables`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIB = 1_024
_MIB = 1_024 * _KIB


class Outbound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls over HTTP to the outside."""

    allowed_networks: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")], ...],
        Meta(
            description="Networks that may be called though they are not public, such as"
            " `10.1.0.0/16`, on every port. Without any, only public addresses are."
        ),
    ] = ()
    ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535)], ...],
        Meta(description="Ports of public addresses that may be called."),
    ] = (80, 443)
    proxy: Annotated[
        str | None,
        Meta(
            description="Proxy that every call goes through, as `http://host:port`. It is then"
            " what decides where calls may go: the check of addresses is of no use before it.",
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(description="File with the certificates that are trusted, instead of the system's."),
    ] = None
    connect_timeout_ms: Annotated[
        int, Meta(ge=100, le=_MINUTE, description="Longest time to make a connection.")
    ] = 5 * _SECOND
    timeout_ms: Annotated[
        int, Meta(ge=100, le=10 * _MINUTE, description="Longest time one call may take.")
    ] = 30 * _SECOND
    connections_per_host_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Most open connections to one host.")
    ] = 16
    connections_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Most open connections in all.")
    ] = 1_000
    streams_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Most calls at once on one HTTP/2 connection.")
    ] = 100
    answer_bytes_max: Annotated[
        int, Meta(ge=_KIB, le=16 * _MIB, description="Bytes of an answer that are read.")
    ] = 64 * _KIB


class StatusWebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints of customers that are told what became of deliveries."""

    webhooks_max: Annotated[int, Meta(ge=0, le=1_000, description="Most endpoints.")] = 20
    batch_max: Annotated[int, Meta(ge=1, le=1_000, description="Most statuses in one call.")] = 50
    batch_wait_ms: Annotated[
        int,
        Meta(ge=0, le=_MINUTE, description="How long statuses gather before they are told."),
    ] = 200
    retry_base_ms: Annotated[
        int, Meta(ge=10, le=_HOUR, description="Ceiling of the first wait; it doubles.")
    ] = _SECOND
    retry_cap_ms: Annotated[
        int, Meta(ge=_SECOND, le=_DAY, description="Longest wait that is drawn.")
    ] = 15 * _MINUTE
    disable_after_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE,
            le=90 * _DAY,
            description="How long an endpoint may fail before it is given up.",
        ),
    ] = 3 * _DAY
