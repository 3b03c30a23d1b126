"""
Devices: they show an inbox, follow it live, change states, and lose their connection.

A device does what the documents tell clients to do: keep the last cursor, resume with it, resume
when ``prev`` is not that cursor, and read everything anew when told to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import msgspec

from tests.simulation.engine import Life
from tests.simulation.history import History
from tocsin.app.inbox import Filter, Reader
from tocsin.errors import TocsinError
from tocsin.gateway.people import Session, Stage
from tocsin.gateway.socket import Socket

_STATES = ("seen", "read", "unread", "archive", "unarchive", "acknowledge", "received")
_FAR_MS = 10**15


class SimSocket:
    """What `tocsin.gateway.sessions.Sessions` needs of a socket; may lose its connection."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inbound: deque[dict[str, Any]] = deque()
        self.closed = False

    def send(self, frame: bytes) -> None:
        """Take whole frames, each with a head of two bytes, four or ten."""
        while frame:
            head = {126: 4, 127: 10}.get(frame[1], 2)
            size = int.from_bytes(frame[2:head], "big") if head > 2 else frame[1]
            self.send_text(frame[head : head + size])
            frame = frame[head + size :]

    def send_text(self, payload: bytes) -> None:
        if not self.closed:
            self.inbound.append(msgspec.json.decode(payload))

    def is_closed(self) -> bool:
        return self.closed

    def close(self, _code: int, _reason: str = "") -> None:
        self.closed = True


@dataclass(slots=True)
class Device:
    """One client of one person."""

    name: str
    person: str
    dice: Random
    history: History
    left: int
    cursor: str = ""
    counts: dict[str, Any] | None = None
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    quiet: bool = False
    """Whether it only follows: the run is over."""
    _socket: SimSocket | None = None
    _reader: Reader | None = None

    def finished(self) -> bool:
        """Return whether it wants to change nothing any more."""
        return self.left <= 0

    def in_step(self) -> bool:
        """Return whether everything that came was taken."""
        socket = self._socket
        return (
            socket is not None
            and not socket.inbound
            and not socket.closed
            and socket.session.stage is Stage.LIVE
        )

    async def run(self, life: Life) -> None:
        """Follow and change until the process dies."""
        self._socket = None
        while True:
            await _pause(life, self.dice.choice((0.0, 0.01, 0.1, 0.5)))
            if self._reader is None:
                found = await life.services.stores.recipients.by_id([self.person])
                if self.person not in found:
                    continue
                self._reader = Reader(found[self.person].number, self.person)
            await self._turn(life, self._reader)

    async def _turn(self, life: Life, reader: Reader) -> None:
        socket = self._socket
        if socket is None or socket.is_closed():
            await self._connect(life, reader)
            return
        await self._take(life, reader, socket)
        if not self.finished():
            await self._act(life, reader, socket)

    async def _connect(self, life: Life, reader: Reader) -> None:
        socket = SimSocket(Session(reader, batch=False, expires_ms=_FAR_MS))
        self._socket = socket
        life.driving.sessions.opened(cast("Socket[Session]", socket))
        while not socket.inbound and not socket.closed:
            await _pause(life, 0.01)
        if socket.closed:
            return
        socket.inbound.popleft()
        if not self.cursor:
            await self._read_anew(life, reader)
        self._resume(life, socket)

    def _resume(self, life: Life, socket: SimSocket) -> None:
        said = msgspec.json.encode({"type": "resume", "cursor": self.cursor})
        life.driving.sessions.message(cast("Socket[Session]", socket), said)

    async def _read_anew(self, life: Life, reader: Reader) -> None:
        found: dict[str, dict[str, Any]] = {}
        cursor = ""
        for status in (None, "archived"):
            following: str | None = None
            while True:
                page = await life.services.inbox.page(
                    reader, Filter(status=status), after=following, limit=3
                )
                # Of the first page: what happens while the others are read is resumed.
                cursor = cursor or page.cursor
                for text in page.items:
                    item = msgspec.json.decode(text)
                    found[item["id"]] = item
                following = page.next
                if following is None:
                    break
        # At once: a device that dies in between must not have the one without the other.
        self.items, self.cursor = found, cursor

    async def _take(self, life: Life, reader: Reader, socket: SimSocket) -> None:
        while socket.inbound:
            message = socket.inbound.popleft()
            match message["type"]:
                case "resync":
                    await self._read_anew(life, reader)
                    socket.inbound.clear()
                    self._resume(life, socket)
                    return
                case "counts":
                    self.counts = message["counts"]
                case _:
                    if message["prev"] != self.cursor:
                        socket.inbound.clear()
                        self._resume(life, socket)
                        return
                    if not self._apply(message):
                        await self._read_anew(life, reader)
                        socket.inbound.clear()
                        self._resume(life, socket)
                        return

    def _apply(self, message: dict[str, Any]) -> bool:
        """Apply one message; False when this device cannot know what it is about."""
        if message["type"] == "item":
            self.items[message["item"]["id"]] = message["item"]
        else:
            concerned = list(self.items) if message.get("all") else message["ids"]
            # Cursors are opaque: which items lie below another's only the server knows.
            if message.get("all") and message["until"] != message["prev"]:
                return False
            if not all(id in self.items for id in concerned):
                return False
            for id in concerned:
                _change(self.items[id], message["state"])
        self.cursor, self.counts = message["cursor"], message["counts"]
        return True

    async def _act(self, life: Life, reader: Reader, socket: SimSocket) -> None:
        dice = self.dice
        chance = dice.random()
        if chance < 0.1:
            socket.closed = True
            life.driving.sessions.closed(cast("Socket[Session]", socket), 1006)
        elif chance < 0.35 and self.items:
            self.left -= 1
            ids = dice.sample(sorted(self.items), min(len(self.items), dice.randint(1, 3)))
            await self._set(life, reader, dice.choice(_STATES), ids)
        elif chance < 0.4:
            self.left -= 1
            await self._set(life, reader, dice.choice(("seen", "read", "archive")), None)

    async def _set(self, life: Life, reader: Reader, state: str, ids: list[str] | None) -> None:
        now_ms = life.clock.now_ms()
        operation = self.history.begin("state", now_ms, by=self.name, state=state, ids=ids)
        inbox = life.services.inbox
        try:
            if ids is None:
                await inbox.change_all(reader, state)
            else:
                await inbox.change(reader, state, [bytes.fromhex(id[4:]) for id in ids])
        except TocsinError as error:
            self.history.end(operation, "fail" if error.status == 507 else "info", error.code)
        else:
            self.history.end(operation, "ok")


def _change(item: dict[str, Any], state: str) -> None:
    """Apply a change as a client does: it knows flags, not times."""
    if state in ("seen", "read", "acknowledge"):
        item["seen_at"] = True
    if state in ("read", "acknowledge"):
        item["read_at"] = True
    match state:
        case "unread":
            item.pop("read_at", None)
        case "archive":
            item["archived_at"] = True
        case "unarchive":
            item.pop("archived_at", None)
        case "acknowledge":
            item["acknowledged_at"] = True
        case "received":
            item["received_at"] = True
        case _:
            return


async def _pause(life: Life, seconds: float) -> None:
    await life.loop.pause(seconds)
