"""What the vendors of a sandbox were sent for one recipient, as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from tocsin.cli.client import Client
from tocsin.cli.exits import CannotReach, ServerRefused

_PATH: Final = "/v1/sandbox/messages"
_EVERY_S: Final = 0.5
_SHOWN_MAX: Final = 500

Message = dict[str, Any]


class SandboxMail:
    """
    Looks every half second: what nobody needs in production has no socket.

    *take* is called with each message once, the oldest first. On a real server there is nothing
    to look at, and `follow` returns.
    """

    def __init__(self, client: Client, recipient: str, take: Callable[[Message], None]) -> None:
        self._client = client
        self._recipient = recipient
        self._take = take
        self._since: str | None = None
        self._known: set[str] = set()

    async def begin(self) -> bool:
        """Pass over what has arrived before; returns whether there is anything to follow."""
        try:
            self._fresh(await asyncio.to_thread(self._ask))
        except (ServerRefused, CannotReach):
            return False
        return True

    async def follow(self) -> None:
        """Hand over what arrives until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                found = await asyncio.to_thread(self._ask)
            except (ServerRefused, CannotReach):
                continue  # whoever follows the inbox says so
            for message in self._fresh(found):
                self._take(message)

    def _ask(self) -> list[Message]:
        query = {"recipient": self._recipient, "since": self._since, "limit": _SHOWN_MAX}
        found = self._client.call("GET", _PATH, query=query).json()["messages"]
        assert isinstance(found, list)
        return found

    def _fresh(self, found: list[Message]) -> list[Message]:
        """Return what was not there at the last look, the oldest first."""
        fresh = [each for each in reversed(found) if each["id"] not in self._known]
        if found:
            self._since = found[0]["received_at"]
            # The next look brings back what arrived in the same millisecond, and nothing older.
            self._known = {each["id"] for each in found if each["received_at"] == self._since}
        return fresh
