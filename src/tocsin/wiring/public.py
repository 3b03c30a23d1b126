"""How the outside reaches this server, for the links in messages."""

from __future__ import annotations

from tocsin.config import Config


def public_url(config: Config) -> str | None:
    """
    Return the URL, without a slash at its end: the setting, or else where the server listens.

    None as long as any free port is yet to be taken.
    """
    if config.public_url is None and config.http.port:
        return local_url(config.http.host, config.http.port)
    return config.public_url


def local_url(host: str, port: int) -> str:
    """Return a URL that reaches what listens on *host* from this machine."""
    named = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  # what listens everywhere is reached here
    shown = f"[{named}]" if ":" in named else named
    return f"http://{shown}:{port}"
