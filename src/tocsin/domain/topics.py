"""
The topics of the log whose names hold no lane.

The others are ``events.<lane>``, ``plans.<lane>``, ``inbox.<lane>`` and
``deliver.<channel>.<lane>``.
"""

from __future__ import annotations

from typing import Final

from tocsin.domain.lanes import LANES

STATES: Final = "inbox.states"
"""What people changed in their inboxes, keyed by recipient."""

BROADCASTS: Final = "inbox.broadcasts"
"""The chunks of fan-outs. One partition: a chunk concerns people of all of them."""

OUTCOMES: Final = "outcomes"
"""Attempts, and what deliveries came to; keyed by recipient."""

RECEIPTS: Final = "receipts"
"""What providers and clients reported, as it came; keyed by recipient."""

STREAMS: Final = (*(f"inbox.{lane}" for lane in LANES), STATES, BROADCASTS)
"""What an inbox is made of, in the order of a cursor's positions."""

STATES_STREAM: Final = STREAMS.index(STATES)

_NUMBERS: Final = {topic: number for number, topic in enumerate(STREAMS)}


def stream_of(topic: str) -> int:
    """Return the place of a topic of the inbox in a cursor."""
    return _NUMBERS[topic]
