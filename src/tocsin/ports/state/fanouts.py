"""Rows of fan-outs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Fanout(msgspec.Struct, frozen=True, array_like=True):
    """
    One run of a workflow for many, cut into chunks (`tocsin.domain.chunks`).

    ``cursor`` is the next chunk, ``decided`` how many members those before it have; a chunk counts
    its members once for each step. ``state`` is running | paused | aborted | done.
    """

    key: bytes
    event: bytes
    event_lane: str
    event_partition: int
    event_position: int
    workflow: str
    version: int
    index: int
    lane: str
    snapshot: str
    """The blob with the audience, a serialised Roaring bitmap."""
    audience: int
    created_ms: int
    cursor: int = 0
    decided: int = 0
    state: str = "running"
    reason: str = ""
    changed_ms: int = 0
    steps: int = 1
    """How many steps the workflow has: each of them is decided for everybody."""


class Fanouts(Protocol):
    """Rows of fan-outs; pause, resume and abort are changes to a row."""

    def on_change(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* on the loop whenever rows are durable that are new or changed their state.

        At most a second later where another process wrote them.
        """

    async def claim_create(self, fanouts: Sequence[Fanout]) -> None:
        """Insert where absent."""

    async def get(self, key: bytes) -> Fanout | None:
        """Return one."""

    async def running(self, lane: str) -> Sequence[Fanout]:
        """Return rows in the state running, oldest first."""

    async def claim_advance(self, key: bytes, *, cursor: int, decided: int, done: bool) -> None:
        """Move the cursor forward; going back is ignored."""

    async def set_state(self, key: bytes, state: str, reason: str, now_ms: int) -> Fanout | None:
        """Pause, resume or abort; a finished one stays as it is."""

    async def of_event(self, event: bytes) -> Sequence[Fanout]:
        """Return the fan-outs of one event."""
