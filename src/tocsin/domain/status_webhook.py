"""Who is told what became of deliveries, and how far they have been told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.errors import FieldProblem, RequestRefused

STATES: Final = (
    "sent",
    "delivered",
    "suppressed",
    "failed",
    "expired",
    "cancelled",
    "opened",
    "clicked",
    "complained",
    "unsubscribed",
    "acknowledged",
)
"""What can be told: how a delivery settled, and what a receipt said later."""

Spot = tuple[str, int, int, int]
"""
(topic, partition, position, part): everything below *position* has been told, and of the record
there its first *part* statuses.
"""


class StatusWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of a customer. An empty tuple leaves out nothing."""

    key: str
    url: str
    sealed_secret: bytes
    states: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    paused: bool = False
    version: int = 1
    created_ms: int = 0
    changed_ms: int = 0
    disabled_ms: int | None = None
    """When it was given up, since nobody took what it was told."""

    @property
    def active(self) -> bool:
        """Whether it is told anything at present."""
        return not self.paused and self.disabled_ms is None

    def __repr__(self) -> str:
        return f"StatusWebhook({self.key}, {self.version})"


class Told(msgspec.Struct, frozen=True, array_like=True):
    """
    How far an endpoint has been told.

    ``until`` is set before a call and says what it tells of, so that after a crash the same is told
    under the same id. ``failing_ms`` is since when no call was answered well, in ``version``.
    """

    spots: tuple[Spot, ...]
    until: tuple[Spot, ...] | None = None
    failing_ms: int | None = None
    version: int = 0
    at_ms: int = 0


def check_selection(states: Collection[str], channels: Collection[str]) -> None:
    """Raise `RequestRefused` for what no status could ever be."""
    problems = [
        FieldProblem(f"/{field}", "unknown_value", f"must be among {', '.join(known)}")
        for field, given, known in (
            ("states", states, STATES),
            ("channels", channels, tuple(CHANNEL_FIELDS)),
        )
        if not set(given) <= set(known)
    ]
    if problems:
        raise RequestRefused("a field is wrong, see errors", errors=tuple(problems))
