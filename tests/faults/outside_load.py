"""Clients whose messages leave the house: by email and webhook, at once and later, some cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.clients import Clients, Work
from tests.faults.history import Sent
from tests.faults.load import token_of
from tests.faults.outside import Outside
from tests.faults.server import Caller, Server

PEOPLE: Final = tuple(f"p{number}" for number in range(8))
READER: Final = PEOPLE[1]
"""Reads in the product, so that what waits for that may find it done."""
SILENT: Final = PEOPLE[2]
"""Switched email off for orders before anything was sent."""
DOOMED: Final = PEOPLE[3]
"""Has an address whose server refuses every letter."""

ORDERS: Final = "orders"
STEPS: Final = {
    "shop.paid": ("inbox", "email", "webhook"),
    "shop.alarm": ("email", "webhook"),
    "shop.later": ("inbox", "delay", "email"),
    "shop.unread": ("inbox", "wait", "email", "webhook"),
    "shop.parcel": ("delay", "email"),
    "shop.call": ("email", "webhook"),
    "shop.news": ("inbox", "email"),
}
"""What each workflow does, in its order."""
CANCELLABLE: Final = ("shop.parcel", "shop.call")
_LANES: Final = {"shop.alarm": "critical", "shop.later": "bulk", "shop.news": "bulk"}
_STEP: Final[dict[str, dict[str, object]]] = {
    "inbox": {"channel": "inbox", "title": "{{ data.n }}", "body": "For you"},
    "email": {"channel": "email", "subject": "{{ data.n }}", "text": "For you"},
    "webhook": {"channel": "webhook", "title": "{{ data.n }}", "body": "For you"},
    "delay": {"delay": "300ms"},
    "wait": {"wait": {"for": "300ms", "unless": "read"}},
}
FAULTS: Final = {
    "smtp": {"latency_ms": 5, "lose_replies": 0.03},
    "webhook": {"latency_ms": 5, "lose_replies": 0.03, "errors": {"502": 0.03}},
}
"""Both take a message now and then without saying so: an answer is lost, or says nothing."""
STATUS_PATH: Final = "/status"


def email_of(person: str) -> str:
    return "r554-5.6.0@example.com" if person == DOOMED else f"{person}@example.com"


def webhook_of(person: str) -> str:
    return f"https://{person}.example/hooks"


def prepare(server: Server, outside: Outside) -> None:
    """Make people, their choices, the workflows, and what goes wrong outside."""
    with server.caller() as call:
        for person in PEOPLE:
            _made(call, "PUT", f"/v1/recipients/{person}", {"email": email_of(person)})
            address = {"channel": "webhook", "address": webhook_of(person)}
            _made(call, "POST", f"/v1/recipients/{person}/addresses", address)
        off = {"categories": {ORDERS: {"channels": {"email": False}}}}
        _made(call, "PUT", f"/v1/recipients/{SILENT}/preferences", off)
        for key, steps in STEPS.items():
            document = {"key": key, "category": ORDERS, "lane": _LANES.get(key, "transactional")}
            path = f"/v1/workflows/{key}"
            _made(call, "PUT", path, {**document, "steps": [_STEP[each] for each in steps]})
            _made(call, "POST", f"{path}/publish")
        for provider, faults in FAULTS.items():
            _made(call, "PUT", f"/v1/sandbox/faults/{provider}", faults)
        url = f"http://127.0.0.1:{outside.places().providers['webhook'].port}{STATUS_PATH}"
        _made(call, "PUT", "/v1/status-webhooks/shop", {"url": url})


def _made(call: Caller, method: str, path: str, body: object = None) -> None:
    reply = call(method, path, body)
    assert reply.status < 300, (path, reply)


class OutsideLoad(Clients):
    """All clients over all lives of one folder."""

    def work(self) -> Sequence[Work]:
        """Return what each client does, over and over."""
        return [self._orders, self._alarms, self._waits, self._news, self._cancels, self._reads]

    def _some(self, type: str, count: int = 1) -> Sent:
        return Sent(f"e{next(self._numbers)}", type, tuple(self._dice.sample(PEOPLE, count)))

    def _orders(self, call: Caller) -> None:
        self._send(call, [self._some("shop.paid", self._dice.randint(1, 2)) for _ in range(3)])
        self._stop.wait(0.1)

    def _alarms(self, call: Caller) -> None:
        self._send(call, [self._some("shop.alarm")])
        self._stop.wait(0.1)

    def _waits(self, call: Caller) -> None:
        unread = Sent(f"e{next(self._numbers)}", "shop.unread", (READER,))
        self._send(call, [self._some("shop.later"), self._some("shop.unread"), unread])
        self._stop.wait(0.15)

    def _news(self, call: Caller) -> None:
        self._send(call, [Sent(f"e{next(self._numbers)}", "shop.news", PEOPLE, everyone=True)])
        self._stop.wait(0.4)

    def _cancels(self, call: Caller) -> None:
        dice = self._dice
        event = self._some(dice.choice(CANCELLABLE))
        event.key = f"key-{event.id}"
        if dice.random() < 0.2:
            self._cancel(call, event)
            self._send(call, [event])
        else:
            self._send(call, [event])
            self._stop.wait(dice.uniform(0, 0.35))
            self._cancel(call, event)
        self._stop.wait(0.02)

    def _cancel(self, call: Caller, event: Sent) -> None:
        history, key = self._history, str(event.key)
        history.cancels.add(key)
        wanted = {"cancellation_key": key, "recipients": event.people}
        answer = call("POST", "/v1/cancel", wanted)
        if answer.status != 200:
            assert answer.status in (500, 503), answer
            return
        (told,) = answer.body["recipients"]
        if told["verdict"] in ("cancelled", "held"):
            history.note("cancelled", key=key)
            history.cancelled.add(key)

    def _reads(self, call: Caller) -> None:
        token = token_of(call, READER)
        with self._server.caller(token) as reader:
            page = reader("GET", "/v1/inbox?status=unread&limit=2")
            for item in page.body["items"] if page.status == 200 else ():
                reader("POST", f"/v1/inbox/{item['id']}/read")
        self._stop.wait(0.1)
