"""
``/push/…``: what a browser needs to be pushed to: a service worker, and a snippet that opts in.

All of it is public and the same for everybody; what is somebody's own goes by her token to the
routes of her devices and deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Final

import msgspec

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.errors import NotFound

WORKER: Final = "worker.js"
SNIPPET: Final = "tocsin-push.js"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"

# A worker's policy is that of its own script: it calls this server and nobody else. On a site of
# somebody else's, which imports it, the site's own policy holds.
_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; connect-src 'self'"),
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"cache-control", b"public, max-age=300"),
)


class PushKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser subscribes with (``applicationServerKey``), base64url."""

    public_key: str


class BrowserPushRoutes:
    """Routes that anybody may ask."""

    def __init__(self, public_key: Callable[[], str | None]) -> None:
        """*public_key* is that of the provider of Web Push; None without one."""
        self._public_key = public_key

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            self._script(WORKER, "The service worker that shows what is pushed"),
            self._script(SNIPPET, "The module by which a page asks whether it may push"),
            Endpoint(
                "GET",
                "/push/key",
                "The key that browsers subscribe with",
                self.key,
                {200: PushKey},
            ),
        )

    async def key(self, call: Call) -> Answer:
        """Answer the public key."""
        found = self._public_key()
        if found is None:
            raise NotFound("no provider of Web Push is configured", code="not_configured")
        return Answer(PushKey(public_key=found), headers=_HEADERS)

    def _script(self, name: str, summary: str) -> Endpoint:
        source = (files(__package__) / name).read_bytes()
        return Endpoint(
            "GET",
            f"/push/{name}",
            summary,
            partial(_served, source),
            {200: bytes},
            answer_type="text/javascript",
        )


async def _served(source: bytes, call: Call) -> Answer:
    del call
    return Answer(source, headers=_HEADERS, content_type=_JAVASCRIPT)
