"""Following an inbox over its socket, and in a sandbox the other channels, printed as it comes."""

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
from tocsin.cli.sandbox_mail import Message, SandboxMail

SOCKET_PATH: Final = "/v1/inbox/socket"
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_PASSING_FROM: Final = 500
_TEXT_MAX: Final = 200
_COLOURS: Final = {"inbox": "cyan", "email": "yellow", "webhook": "magenta", "push": "green"}


class Watcher:
    """One watch: what was seen last is where it goes on after the connection broke."""

    def __init__(self, client: Client, recipient: str, *, count: int | None, as_json: bool) -> None:
        self._client = client
        self._recipient = recipient
        self._left = count
        self._as_json = as_json
        self._cursor: str | None = None
        self._wait_s = _FIRST_WAIT_S
        self._ended = asyncio.Event()
        self._failure: CannotReach | ServerRefused | None = None

    async def run(self) -> None:
        """
        Print until `count` items have come.

        Raises `CannotReach` or `ServerRefused` when there is no first connection; later ones are
        tried again.
        """
        mail = SandboxMail(self._client, self._recipient, self._take_mail)
        if not await mail.begin():
            await self._follow_inbox()
            return
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(mail.follow())
            inbox = tasks.create_task(self._failing())
            ended = tasks.create_task(self._ended.wait())
            await asyncio.wait({inbox, ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in (following, inbox, ended):
                task.cancel()
        if self._failure is not None:
            raise self._failure

    async def _failing(self) -> None:
        """Keep what ends it, so that it is raised alone and not in a group."""
        try:
            await self._follow_inbox()
        except (CannotReach, ServerRefused) as failed:
            self._failure = failed

    async def _follow_inbox(self) -> None:
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
            if each["type"] == "item":
                self._count()
            self._print(each)

    def _take_mail(self, message: Message) -> None:
        if self._done():
            return
        self._count()
        if self._as_json:
            shown = {"type": "message", "message": message}
            click.echo(msgspec.json.encode(shown).decode())
            return
        refused = "" if message["taken"] else f"  (refused: {message['answer']})"
        text = said(message["content"]) + refused
        click.echo(line(message["received_at"], message["channel"], message["to"], text))

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._ended.set()

    def _print(self, message: dict[str, Any]) -> None:
        if self._as_json:
            click.echo(msgspec.json.encode(message).decode())
            return
        match message["type"]:
            case "item":
                item = message["item"]
                text = f"{item['title']} — {item['body']}"
                click.echo(line(item["created_at"], "inbox", item["workflow"], text))
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


def line(at: str, channel: str, about: str, text: str) -> str:
    """Return one message in one line: when, by which channel, about what or to whom, and what."""
    colour = _COLOURS.get(channel, "white")
    day, _, time = at.rstrip("Z").partition("T")
    when = click.style(f"{day} {time[:8]}", dim=True)
    badge = click.style(f"{channel:<8}", fg=colour, bold=True)
    return f"{when}  {badge}  {printable(about)}  {printable(text)}"


def said(content: dict[str, str]) -> str:
    """Return what a message says, its heading first."""
    heading = content.get("subject") or content.get("title") or ""
    body = content.get("text") or content.get("body") or ""
    return " — ".join(part for part in (heading, " ".join(body.split())[:_TEXT_MAX]) if part)


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
