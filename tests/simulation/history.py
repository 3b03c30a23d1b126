"""What the clients did and were told, in the order in which it happened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Operation:
    """
    One call of a client.

    ``outcome`` is ``ok`` (acknowledged), ``fail`` (refused: nothing of it may ever be seen) or
    ``info`` (no answer: it may have happened or not). ``begun`` and ``ended`` order all calls.
    """

    kind: str
    what: dict[str, Any]
    begun: int
    begun_ms: int
    ended: int = -1
    ended_ms: int = -1
    outcome: str = "info"
    answer: Any = None

    def before(self, other: Operation) -> bool:
        """Return whether this one was acknowledged before *other* began."""
        return self.outcome == "ok" and self.ended < other.begun


@dataclass(slots=True)
class History:
    """All calls of one run, and a running hash of everything that happened."""

    operations: list[Operation] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    set_back: bool = False
    """Whether the wall clock was ever set back."""
    disturbed: bool = False
    """Whether the clock jumped, or the disk has faults."""
    deaths_ms: list[int] = field(default_factory=list)
    """When lives of the process ended."""
    logged: list[str] = field(default_factory=list)
    """Every line that was logged."""
    keep_lines: bool = False
    _ticks: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def note(self, line: str) -> None:
        """Add to the trace."""
        self._hash.update(line.encode() + b"\n")
        if self.keep_lines:
            self.lines.append(line)

    def begin(self, kind: str, now_ms: int, **what: Any) -> Operation:
        """Record that a call is about to be made."""
        self._ticks += 1
        operation = Operation(kind, what, self._ticks, now_ms)
        self.operations.append(operation)
        self.note(f"{now_ms} {kind} {what}")
        return operation

    def end(self, operation: Operation, outcome: str, answer: Any = None, now_ms: int = -1) -> None:
        """Record what the client was told."""
        operation.ended_ms = now_ms
        self._ticks += 1
        operation.ended, operation.outcome, operation.answer = self._ticks, outcome, answer
        self.note(f"  {operation.begun} {outcome} {answer}")

    def of(self, kind: str, *outcomes: str) -> list[Operation]:
        """Return the calls of one kind with one of the outcomes; all of them without."""
        return [
            each
            for each in self.operations
            if each.kind == kind and (not outcomes or each.outcome in outcomes)
        ]

    def check_answer(self, reply: Any) -> None:
        """Note an answer that no fault excuses."""
        if reply.status == 500 and reply.body.get("code") == "internal_error":
            self.errors.append(f"a request was answered with {reply.body}")

    @property
    def trace(self) -> str:
        """The hash of everything so far."""
        return str(self._hash.hexdigest())
