"""What clients have in common: they work in threads, and send again what they do not know."""

from __future__ import annotations

import itertools
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.faults.history import History, Sent
from tests.faults.server import Caller, NoAnswer, Server

Work = Callable[[Caller], None]


class Clients(ABC):
    """All clients over all lives of one folder."""

    def __init__(self, server: Server, history: History, seed: int) -> None:
        self._server = server
        self._history = history
        self._dice = random.Random(seed)
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failed: list[BaseException] = []

    @abstractmethod
    def work(self) -> Sequence[Work]:
        """Return what each client does, over and over."""

    def begin(self) -> None:
        """Let every client work against the server that runs now."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._client, args=(each,)) for each in self.work()
        ]
        for thread in self._threads:
            thread.start()

    def go_on(self, accepted: int, seconds: float) -> None:
        """
        Return *seconds* after so many events were accepted, or when the server is gone.

        By time alone, nearly nothing would happen where the machine is busy.
        """
        wanted = self._history.accepted + accepted
        if self._server.until(lambda: self._history.accepted >= wanted):
            self._server.pause(seconds)

    def end(self) -> None:
        """Return when every client has noticed that the server is gone, or was told to stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def resend(self) -> None:
        """Send again what nobody knows about, as a client does that got no answer."""
        with self._server.caller() as call:
            for each in self._history.unknown():
                self._send(call, [each])

    def _client(self, work: Work) -> None:
        with suppress(NoAnswer), self._server.caller() as call:
            try:
                while not self._stop.is_set():
                    work(call)
            except NoAnswer:
                raise
            except BaseException as error:  # noqa: BLE001  # told to the test's own thread
                self._failed.append(error)

    def _send(self, call: Caller, events: list[Sent], **headers: str) -> None:
        self._history.sending(events)
        answer = call("POST", "/v1/events", [document_of(each) for each in events], **headers)
        if answer.status in (202, 207):
            for each, taken in zip(events, answer.body["events"], strict=True):
                self._history.told(each, "ok" if "id" in taken else "fail")
        elif answer.status not in (500, 503, 507):
            raise AssertionError(f"an event was refused: {answer}")


def document_of(event: Sent) -> dict[str, object]:
    """Return what is posted."""
    to: list[object] = [{"everyone": True}] if event.everyone else list(event.people)
    document: dict[str, object] = {
        "type": event.type,
        "id": event.id,
        "source": "shop",
        "recipients": to,
        "data": {"n": event.id},
    }
    if event.key is not None:
        document["cancellation_key"] = event.key
    return document
