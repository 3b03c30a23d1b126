"""URLs that somebody outside gives us to call."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from tocsin.domain.hosts import Reach, is_public_host
from tocsin.errors import RequestRefused

URL_CHARACTERS_MAX: Final = 2_048

_PORTS: Final = {"http": 80, "https": 443}


def public_url(value: str, reach: Reach | None = None) -> str:
    """
    Return *value* if it may be called; raises `RequestRefused`.

    With *reach* an address in one of the networks that it allows may be named, too.

    Only what stands in the address is checked here; where its name leads is checked for every
    call, when the connection is made.
    """
    if len(value) > URL_CHARACTERS_MAX or not value.isascii() or not value.isprintable():
        raise _bad_url(f"must be a URL of at most {URL_CHARACTERS_MAX} ASCII characters")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_url("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not host or {" ", "\\"} & set(value):
        raise _bad_url("must be a URL that begins with https:// or http://")
    if "@" in parts.netloc or parts.fragment:
        raise _bad_url("must hold no user, password or fragment; use the signing secret")
    allowed = reach is not None and reach.permits(host, port or _PORTS[parts.scheme])
    if not allowed and not is_public_host(host):
        own = "by a DNS name" if reach is None else "by an address in outbound.allowed_networks"
        raise _bad_url(f"must name a public host; one in a network of your own goes {own}")
    return value


def _bad_url(detail: str) -> RequestRefused:
    return RequestRefused(detail, code="invalid_url")
