"""What a provider has answered since this process began, for whoever asks how it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, TryLater


class Problem(NamedTuple):
    """An answer that was no acceptance; ``known`` as in `TryLater`."""

    at_ms: int
    reason: ProviderReason
    known: bool
    detail: str


class Answers:
    """Counts them, and keeps the last that was no acceptance."""

    def __init__(self) -> None:
        self.accepted = 0
        self.problems: Counter[ProviderReason] = Counter()
        self.last_accepted_ms: int | None = None
        self.last_problem: Problem | None = None

    def note(self, outcomes: Sequence[ProviderOutcome], now_ms: int) -> None:
        """Take in what calls were answered, in order."""
        for outcome in outcomes:
            if isinstance(outcome, Accepted):
                self.accepted += 1
                self.last_accepted_ms = now_ms
            else:
                known = not isinstance(outcome, TryLater) or outcome.known
                self.problems[outcome.reason] += 1
                self.last_problem = Problem(now_ms, outcome.reason, known, outcome.detail)

    def fails(self) -> Problem | None:
        """Return the last problem, unless something was accepted since."""
        problem, accepted_ms = self.last_problem, self.last_accepted_ms
        if problem is None or (accepted_ms is not None and accepted_ms > problem.at_ms):
            return None
        return problem
