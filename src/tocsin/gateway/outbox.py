"""What is to be sent: one write per socket, however many messages there are for it."""

from __future__ import annotations

from tocsin.gateway.frames import text_frame
from tocsin.gateway.people import Session
from tocsin.gateway.socket import Socket


class Outbox:
    """Gathers messages until `flush`; the order per socket is that of the calls of `put`."""

    def __init__(self) -> None:
        self.sent = 0
        """Messages, for metrics."""
        self._touched: list[Socket[Session]] = []

    def put(self, socket: Socket[Session], payload: bytes) -> None:
        """Add a message for *socket*."""
        session = socket.session
        if session.outbox is None:
            session.outbox = [payload]
            self._touched.append(socket)
        else:
            session.outbox.append(payload)

    def send(self, socket: Socket[Session], payload: bytes) -> None:
        """Add a message, and send all that waits."""
        self.put(socket, payload)
        self.flush()

    def flush(self) -> None:
        """Send what waits: one frame with an array to clients that asked for it."""
        touched, self._touched = self._touched, []
        for socket in touched:
            session = socket.session
            payloads = session.outbox or ()
            session.outbox = None
            self.sent += len(payloads)
            if session.batch:
                socket.send(text_frame(b"[%b]" % b",".join(payloads)))
            elif len(payloads) == 1:
                socket.send(text_frame(payloads[0]))
            else:
                socket.send(b"".join(map(text_frame, payloads)))
