"""What is said of an event that is not there, from its id alone."""

from __future__ import annotations

from tocsin.app.keeping.keeper import HISTORY
from tocsin.domain.durations import format_duration
from tocsin.domain.ids import accepted_ms, show_event
from tocsin.domain.instants import show_instant
from tocsin.ports.keeping import Kept


class Retention:
    """Tells what was removed in its time from what never was."""

    def __init__(self, kept: Kept, history_ms: int) -> None:
        """*history_ms* is how long history is kept."""
        self._kept = kept
        self._history_ms = history_ms

    async def gone(self, key: bytes) -> str:
        """Return the sentence about an event that the log does not hold."""
        at_ms = accepted_ms(key)
        if at_ms >= await self._kept.since_ms(HISTORY):
            return f"No event {show_event(key)} is held here: it was never accepted."
        return (
            f"No event {show_event(key)} is held here any more: by its id it was accepted at"
            f" {show_instant(at_ms)}, so it was removed on {show_instant(at_ms + self._history_ms)}"
            f" or later (history is kept for {format_duration(self._history_ms)})."
        )
