"""What the links of a letter tell: that it was opened, or something followed in it."""

from __future__ import annotations

from typing import Final

import structlog

from tocsin.app.followed_links import Followed, FollowedLinks
from tocsin.app.receipts.early import outputs
from tocsin.app.receipts.reports import CLIENT
from tocsin.domain.records import Reported
from tocsin.errors import StorageFailed, Unavailable
from tocsin.ports.log import Log
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.system import Clock

logger = structlog.get_logger(__name__)

_REASON: Final = "said_by_link"


class LinkReceipts:
    """Takes them from whoever asks: the link itself is the proof."""

    def __init__(self, log: Log, links: FollowedLinks, clock: Clock) -> None:
        self._log = log
        self._links = links
        self._clock = clock

    async def read(self, token: str, target: str | None) -> Followed:
        """Return where *token* leads, as `take` does, and note nothing."""
        return self._links.read(token, target)

    async def take(self, token: str, target: str | None) -> Followed:
        """
        Note what *token* tells, which leads to *target* if anywhere, and return it; raises `NotFound` for what is not ours.

        Somebody waits for where it leads to: what cannot be kept just now is let go.
        """
        followed = self._links.read(token, target)
        state = ReceiptState.OPENED if followed.target is None else ReceiptState.CLICKED
        report = Reported(followed.delivery, CLIENT, state, _REASON, self._clock.now_ms())
        try:
            await self._log.append(outputs(self._log, [report]))
        except (Unavailable, StorageFailed) as error:
            logger.warning("followed_link_not_kept", code=error.code)
        return followed
