"""
Which calls wait for a connection that is being made, in the hope of sharing it.

libcurl finds out whether a connection can be shared from its first answer, and lets calls that
should share wait for that. Where the other side speaks HTTP/1 the wait is in vain; if its first
answer never comes, a host that hangs once would hold up every call to it. Only TLS leads to HTTP/2
here, so hosts in plain text never have to wait, nor those that have answered in HTTP/1.
"""

from __future__ import annotations

from typing import Final

_TLS: Final = "https://"
_HTTP_1: Final = b"HTTP/1"
_HOSTS_MAX: Final = 10_000


class Sharing:
    """What is known of hosts; it forgets when they are too many, and learns anew."""

    def __init__(self) -> None:
        self._alone: set[str] = set()
        self._forgot = False

    def is_hoped_for(self, url: str) -> bool:
        """Return whether a call to *url* may come to share a connection."""
        if not url.startswith(_TLS):
            return False
        # Where only vendors are called, which all speak HTTP/2, there is nothing to look up.
        return not self._alone or _host(url) not in self._alone

    def is_kept_by_http_2(self, url: str) -> bool:
        """
        Return whether a connection to the host of *url* that was kept must be one of HTTP/2.

        One of HTTP/1 is kept when it has answered, and then it is known.
        """
        return self.is_hoped_for(url) and not self._forgot

    def learn(self, url: str, first_line: bytes) -> None:
        """Note how the host of *url*, for which it was hoped, has answered."""
        if not first_line.startswith(_HTTP_1):
            return
        if len(self._alone) >= _HOSTS_MAX:
            self._alone.clear()
            self._forgot = True
        self._alone.add(_host(url))


def _host(url: str) -> str:
    return url[len(_TLS) :].partition("/")[0]
