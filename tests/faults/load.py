"""Clients: they send, send again what they do not know, change states, and follow live."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.faults.clients import Clients, Work
from tests.faults.history import History, Sent
from tests.faults.server import HANG_S, Caller, NoAnswer, Server
from tocsin.adapters.system import SystemClock
from tocsin.domain.instants import show_instant

LANES = ("critical", "transactional", "bulk")
PEOPLE = tuple(f"p{number}" for number in range(20))
FOLLOWED = PEOPLE[0]
READER = PEOPLE[1]
HELD = PEOPLE[17]
"""Is never to be disturbed for the next moment, so that mail for her waits for a timer."""
CHOOSER = PEOPLE[18]
SILENT = PEOPLE[19]
"""Switched the category off before anything was sent."""


def prepare(server: Server) -> None:
    """Make people, their choices and the workflows."""
    with server.caller() as call:
        _prepare(call)


def _prepare(call: Caller) -> None:
    for person in PEOPLE:
        assert call("PUT", f"/v1/recipients/{person}", {"name": f"Name of {person}"}).status < 300
    assert call("PATCH", f"/v1/recipients/{HELD}", {"email": "held@example.com"}).status == 200
    alerts = {"name": "Alerts", "hold_email_in_quiet_hours": True}
    assert call("PUT", "/v1/categories/alerts", alerts).status < 300
    off = {"categories": {"orders": {"channels": {"inbox": False}}}}
    assert call("PUT", f"/v1/recipients/{SILENT}/preferences", off).status == 200
    shown: dict[str, str] = {"channel": "inbox", "title": "{{ data.n }}", "body": "For you"}
    mailed = {"channel": "email", "subject": "{{ data.n }}", "text": "For you"}
    for lane in LANES:
        category = "orders" if lane != "bulk" else "news"
        _publish(call, {"key": f"order.{lane}", "category": category, "lane": lane}, shown)
    _publish(call, {"key": "order.held", "category": "alerts"}, shown, mailed)


def _publish(call: Caller, document: dict[str, object], *steps: dict[str, str]) -> None:
    path = f"/v1/workflows/{document['key']}"
    assert call("PUT", path, {**document, "steps": steps}).status < 300
    assert call("POST", f"{path}/publish").status < 300


class Load(Clients):
    """Clients of inboxes, and one device that follows."""

    def __init__(self, server: Server, history: History, seed: int) -> None:
        super().__init__(server, history, seed)
        self.follower = Follower(server)

    def work(self) -> Sequence[Work]:
        """Return what each client does, over and over."""
        return [
            self._batches,
            self._singles,
            self._everyone,
            self._reads,
            self._chooses,
            self._cancels,
            self._holds,
            self._follows,
        ]

    def _new(self, lane: str, people: tuple[str, ...], key: str | None = None) -> Sent:
        return Sent(f"e{next(self._numbers)}", f"order.{lane}", people, key)

    def _follows(self, _: Caller) -> None:
        self.follower.follow(self._stop)
        self._stop.wait()

    def _batches(self, call: Caller) -> None:
        dice = self._dice
        batch = [
            self._new(dice.choice(LANES), tuple(dice.sample(PEOPLE, dice.randint(1, 3))))
            for _ in range(8)
        ]
        self._send(call, batch)

    def _singles(self, call: Caller) -> None:
        event = self._new("critical", (self._dice.choice(PEOPLE), FOLLOWED))
        self._send(call, [event], Idempotency_Key=f"key-{event.id}")
        # The same again has the same answer and no second effect.
        self._send(call, [event], Idempotency_Key=f"key-{event.id}")

    def _everyone(self, call: Caller) -> None:
        event = Sent(f"all{next(self._numbers)}", "order.bulk", PEOPLE, everyone=True)
        self._send(call, [event])
        self._stop.wait(0.05)

    def _cancels(self, call: Caller) -> None:
        event = self._new("transactional", (FOLLOWED,), f"c{next(self._numbers)}")
        answer = call("POST", "/v1/cancel", {"cancellation_key": event.key})
        if answer.status == 200:
            self._history.note("cancelled", key=event.key)
            self._history.cancelled.add(str(event.key))
        self._send(call, [event])
        self._stop.wait(0.02)

    def _reads(self, call: Caller) -> None:
        token = token_of(call, READER)
        with self._server.caller(token) as reader:
            page = reader("GET", "/v1/inbox?status=unread&limit=5")
            for item in page.body["items"] if page.status == 200 else ():
                if reader("POST", f"/v1/inbox/{item['id']}/read").status == 200:
                    self._history.note("read", item=item["id"])
                    self._history.states[READER, item["id"]] = "read"
        self._stop.wait(0.02)

    def _holds(self, call: Caller) -> None:
        until_ms = SystemClock().now_ms() + self._dice.randrange(200, 1_500)
        quiet = {"do_not_disturb_until": show_instant(until_ms)}
        if call("PUT", f"/v1/recipients/{HELD}/preferences", quiet).status == 200:
            self._send(call, [Sent(f"h{next(self._numbers)}", "order.held", (HELD,))])
        self._stop.wait(0.05)

    def _chooses(self, call: Caller) -> None:
        history = self._history
        history.preferences_tried += 1
        number = history.preferences_tried
        if call("PUT", f"/v1/recipients/{CHOOSER}/preferences", choice(number)).status == 200:
            history.note("preference", number=number)
            history.preference = number
        self._stop.wait(0.02)


class Follower:
    """A person's device: connects, says where it was, and keeps what it is shown."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.cursor = ""
        self.shown: list[str] = []
        self.resyncs = 0
        self._resuming = False

    def follow(self, stop: threading.Event) -> None:
        """Follow until told to stop, or until the server is gone."""
        with suppress(NoAnswer, OSError, WebSocketException, TimeoutError), self._connected() as s:
            while not stop.is_set():
                with suppress(TimeoutError):
                    self._take(s, s.recv(timeout=0.1))

    def catch_up(self, count: int) -> None:
        """Connect and stay until *count* items have been shown, or nothing more comes."""
        with self._connected() as socket, suppress(TimeoutError):
            while len(self.shown) < count:
                self._take(socket, socket.recv(timeout=HANG_S))

    @contextmanager
    def _connected(self) -> Iterator[ClientConnection]:
        with self._server.caller() as call:
            token = token_of(call, FOLLOWED)
        address = f"ws://127.0.0.1:{self._server.port}/v1/inbox/socket"
        offered = [Subprotocol("tocsin.v1"), Subprotocol(f"bearer.{token}")]
        with connect(address, subprotocols=offered, open_timeout=HANG_S) as socket:
            hello = msgspec.json.decode(socket.recv(timeout=HANG_S))
            assert hello["type"] == "hello", hello
            self._resuming = False
            self.cursor = self.cursor or hello["cursor"]
            if hello["cursor"] != self.cursor:
                self._resume(socket)
            yield socket

    def _resume(self, socket: ClientConnection) -> None:
        self._resuming = True
        socket.send(msgspec.json.encode({"type": "resume", "cursor": self.cursor}).decode())

    def _take(self, socket: ClientConnection, text: str | bytes) -> None:
        message = msgspec.json.decode(text)
        if message["type"] == "resync":
            self.resyncs += 1
        elif message["prev"] != self.cursor:
            # Something lies between: what is dropped here is among what follows.
            if not self._resuming:
                self._resume(socket)
        else:
            self._resuming = False
            self.cursor = message["cursor"]
            if message["type"] == "item":
                self.shown.append(message["item"]["title"])


def token_of(call: Caller, person: str) -> str:
    """Mint a token for *person*."""
    answer = call("POST", "/v1/tokens", {"recipient": person})
    if answer.status >= 500:
        raise NoAnswer
    return str(answer.body["token"])


def choice(number: int) -> dict[str, object]:
    """Return preferences that say which they are."""
    until = f"{number // 60 % 24:02}:{number % 60:02}"
    return {"quiet_hours": [{"days": ["mon"], "from": "22:00", "until": until}]}
