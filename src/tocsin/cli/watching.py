"""Following an inbox over its socket: printed as it comes, resumed after a break."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import click
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tocsin.cli.client import Client
from tocsin.cli.exits import CannotReach, ServerRefused

SOCKET_PATH: Final = "/v1/inbox/socket"
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_PASSING_FROM: Final = 500


class Watcher:
    """One watch: what was seen last is where it goes on after the connection broke."""

    def __init__(self, client: Client, recipient: str, *, count: int | None, as_json: bool) -> None:
        self._client = client
        self._recipient = recipient
        self._left = count
        self._as_json = as_json
        self._cursor: str | None = None
        self._wait_s = _FIRST_WAIT_S

    async def run(self) -> None:
        """
        Print until `count` items have come.

        Raises `CannotReach` or `ServerRefused` when there is no first connection; later ones are
        tried again.
        """
        while not self._done():
            try:
                await self._follow()
            except (OSError, ConnectionClosed, CannotReach, ServerRefused) as broken:
                if self._cursor is None or _is_final(broken):
                    raise _unreached(broken) from broken
                if self._wait_s == _FIRST_WAIT_S:
                    click.echo("The connection broke; trying again …", err=True)
                await asyncio.sleep(self._wait_s)
                self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    async def _follow(self) -> None:
        token = await asyncio.to_thread(self._token)
        protocols = [Subprotocol("tocsin.v1"), Subprotocol(f"bearer.{token}")]
        try:
            socket = await connect(self._address(), subprotocols=protocols)
        except InvalidStatus as refused:
            status = refused.response.status_code
            said = f"the server refused the socket with {status}"
            raise ServerRefused(said, status=status, code="refused") from refused
        async with socket:
            await self._greeted(socket)
            while not self._done():
                self._take(msgspec.json.decode(await socket.recv()))

    async def _greeted(self, socket: ClientConnection) -> None:
        hello = msgspec.json.decode(await socket.recv())
        self._wait_s = _FIRST_WAIT_S
        if self._cursor is not None:
            resume = {"type": "resume", "cursor": self._cursor}
            await socket.send(msgspec.json.encode(resume).decode())
            click.echo("Connected again.", err=True)
            return
        self._cursor = hello["cursor"]
        if not self._as_json:
            click.echo(f"Watching {self._recipient}: {_counts(hello)}. Ctrl-C ends.", err=True)

    def _take(self, message: Any) -> None:
        for each in message if isinstance(message, list) else [message]:
            if self._done():
                return
            self._cursor = each.get("cursor", self._cursor)
            if each["type"] == "item" and self._left is not None:
                self._left -= 1
            self._print(each)

    def _print(self, message: dict[str, Any]) -> None:
        if self._as_json:
            click.echo(msgspec.json.encode(message).decode())
            return
        match message["type"]:
            case "item":
                item = message["item"]
                text = f"{item['title']} — {item['body']}"
                click.echo(f"{item['created_at']}  {item['workflow']}  {printable(text)}")
            case "state":
                ids = len(message["ids"]) or "all"
                click.echo(f"{ids} {message['state']}; {_counts(message)}")
            case "resync":
                click.echo("Too much was missed; read the inbox for what came meanwhile.")
            case _:
                # A newer server may say more than this version knows.
                return

    def _token(self) -> str:
        document = {"recipient": self._recipient, "scopes": ["inbox"]}
        return str(self._client.call("POST", "/v1/tokens", document=document).json()["token"])

    def _address(self) -> str:
        parts = urlsplit(self._client.address())
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + SOCKET_PATH, "", ""))

    def _done(self) -> bool:
        return self._left is not None and self._left <= 0


def printable(text: str) -> str:
    """Return *text* in one line without what a terminal would obey: it came from outside."""
    return "".join(each if each.isprintable() else " " for each in text)


def _counts(message: dict[str, Any]) -> str:
    counts = message.get("counts", {})
    return f"{counts.get('unread', 0)} unread, {counts.get('unseen', 0)} unseen"


def _is_final(broken: Exception) -> bool:
    """Whether it stays so: a server that starts or stops answers 503, and its proxy 502 or 504."""
    return isinstance(broken, ServerRefused) and broken.answered_status < _PASSING_FROM


def _unreached(broken: Exception) -> CannotReach | ServerRefused:
    if isinstance(broken, CannotReach | ServerRefused):
        return broken
    return CannotReach(f"no socket could be opened: {broken}")
