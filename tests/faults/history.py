"""What clients did and were told, as they go on to remember it: appended and synced."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Sent:
    """One event, and what its sender knows about it."""

    id: str
    type: str
    people: tuple[str, ...]
    key: str | None = None
    """Its cancellation key."""
    known: str = "info"
    """``ok`` | ``fail`` | ``info``: accepted, refused, nobody knows."""
    everyone: bool = False
    """Whether it was sent to everyone, who are ``people``."""


@dataclass
class History:
    """Everything that clients know."""

    path: Path
    events: dict[str, Sent] = field(default_factory=dict)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    """(person, item id) -> the state that was acknowledged."""
    cancelled: set[str] = field(default_factory=set)
    """Keys whose cancel was acknowledged and came in time."""
    cancels: set[str] = field(default_factory=set)
    """Keys of which a cancel was asked for, in time or not."""
    preference: int = 0
    """The last preference that was acknowledged."""
    preferences_tried: int = 0
    accepted: int = 0
    """How many events were accepted, as their senders were told."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, what: str, **facts: Any) -> None:
        """Append one line, which is on the disk when this returns."""
        line = json.dumps({"what": what, **facts}).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)
            os.fdatasync(self._file)

    def sending(self, events: list[Sent]) -> None:
        """Note that *events* are about to be sent."""
        self.note("invoke", events=[each.id for each in events])
        for each in events:
            self.events[each.id] = each

    def told(self, event: Sent, known: str) -> None:
        """Note what the answer said."""
        event.known = known
        self.note(known, event=event.id)
        with self._lock:
            self.accepted += known == "ok"

    def unknown(self) -> list[Sent]:
        """Return the events of which nobody knows whether they were accepted."""
        return [each for each in self.events.values() if each.known == "info"]

    def close(self) -> None:
        os.close(self._file)
