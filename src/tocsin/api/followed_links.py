"""``/v1/t/{token}``: the links of letters that tell when they are opened and followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.app.followed_links import FOLLOW_PATH
from tocsin.app.receipts.links import LinkReceipts

_PICTURE: Final = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b"
)
"""One transparent dot, GIF 89a."""
_HEADERS: Final = (
    (b"cache-control", b"no-store, private"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
)


class FollowedLinkRoutes:
    """The handler; the link is its only credential."""

    def __init__(self, receipts: LinkReceipts) -> None:
        self._receipts = receipts

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the route."""
        return (
            Endpoint(
                "GET",
                FOLLOW_PATH + "{token}",
                "Note that a letter was opened, or lead to what was followed in it",
                self.follow,
                {200: bytes, 302: None},
                query_raw=True,
                answer_type="image/gif",
            ),
        )

    async def follow(self, call: Call) -> Answer:
        """Answer a picture, or where the link leads to."""
        asked = dict(parse_qsl(call.query_text, keep_blank_values=True))
        token, target = call.path["token"], asked.get("to")
        # Programs that look at letters before people do ask so; it is no person's doing.
        take = self._receipts.read if call.of_head else self._receipts.take
        followed = await take(token, target)
        if followed.target is None:
            return Answer(_PICTURE, 200, _HEADERS, "image/gif")
        location = (b"location", followed.target.encode("ascii"))
        return Answer(None, 302, (*_HEADERS, location))
