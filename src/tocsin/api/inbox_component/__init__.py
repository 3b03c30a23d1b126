"""
``/inbox/v1/…``: the element that shows a person's inbox on any page, and the client below it.

The files are public and the same for everybody; what is somebody's own they ask for with her token.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from typing import Final

from tocsin.api.endpoint import Answer, Call, Endpoint

FILES: Final = {
    "tocsin-inbox.js": "The inbox as an element of any page",
    "bell.js": "Its bell and panel",
    "tabs.js": "Its tabs",
    "choices.js": "A person's preferences, as switches",
    "dom.js": "How its nodes are made",
    "client.js": "The client below it, which shows nothing",
    "style.js": "How it looks",
}
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_HEADERS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"cache-control", b"public, max-age=300"),
)


class InboxComponentRoutes:
    """Files that anybody may have."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return [
            Endpoint(
                "GET",
                f"/inbox/v1/{name}",
                summary,
                partial(_served, (files(__package__) / name).read_bytes()),
                {200: bytes},
                quiet=True,
                answer_type="text/javascript",
            )
            for name, summary in FILES.items()
        ]


async def _served(source: bytes, call: Call) -> Answer:
    del call
    return Answer(source, headers=_HEADERS, content_type=_JAVASCRIPT)
