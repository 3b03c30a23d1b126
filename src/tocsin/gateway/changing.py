"""What clients do with items, in the order in which each of them says it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from tocsin.app.inbox import InboxDesk, Reader
from tocsin.errors import RequestRefused, TocsinError
from tocsin.gateway import messages
from tocsin.gateway.messages import ClientMessage
from tocsin.gateway.outbox import Outbox
from tocsin.gateway.people import Session
from tocsin.gateway.socket import Socket

WAITING_MAX: Final = 500
"""Changes of one socket that wait for the store; with more it is closed."""

logger = structlog.get_logger(__name__)


class Changes:
    """One change after the other per socket, as many sockets at once as there are."""

    def __init__(
        self,
        inbox: InboxDesk,
        outbox: Outbox,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._spawn = spawn

    def take(self, socket: Socket[Session], reader: Reader, said: ClientMessage) -> None:
        """Do it when what the client said before is done."""
        session = socket.session
        if session.doing is None:
            session.doing = deque((said,))
            self._spawn(self._work(socket, reader, session.doing))
        elif len(session.doing) < WAITING_MAX:
            session.doing.append(said)
        else:
            socket.close(1008, "too_many_changes")

    async def _work(
        self, socket: Socket[Session], reader: Reader, doing: deque[ClientMessage]
    ) -> None:
        while doing:
            await self._one(socket, reader, doing[0])
            doing.popleft()
        socket.session.doing = None

    async def _one(self, socket: Socket[Session], reader: Reader, said: ClientMessage) -> None:
        try:
            if said.type.endswith("_all"):
                cursor = said.cursor or None
                await self._inbox.change_all(reader, said.type.removesuffix("_all"), cursor)
            else:
                await self._inbox.change(reader, said.type, said.keys())
        except RequestRefused as error:
            self._outbox.send(socket, messages.refusal(error.code, error.detail))
        except TocsinError as error:
            logger.warning("state_not_kept", code=error.code)
            socket.close(1013, error.code)
        except asyncio.CancelledError:
            socket.close(1012, "restart")
            raise
