"""The three lanes, isolated from the front door to the provider's quota."""

from __future__ import annotations

from typing import Final, Literal

Lane = Literal["critical", "transactional", "bulk"]

LANES: Final[tuple[Lane, ...]] = ("critical", "transactional", "bulk")
"""In the order in which they are served."""

LANE_NUMBER: Final[dict[str, int]] = {lane: number for number, lane in enumerate(LANES)}
