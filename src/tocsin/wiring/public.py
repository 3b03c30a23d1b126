"""How the outside reaches this server, for the links in messages."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.config import Config


class Whereabouts:
    """Where the outside reaches this server; known when it listens, where it takes any free port."""

    def __init__(self, config: Config) -> None:
        self._url = public_url(config)

    def listen(self, url: str) -> None:
        """Note where it listens; what the configuration says is stronger."""
        self._url = self._url or url

    def callbacks_of(self, provider: str) -> Callable[[], str | None]:
        """Return what says where a provider's callbacks go."""

        def url() -> str | None:
            return None if self._url is None else f"{self._url}/v1/callbacks/{provider}"

        return url


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
