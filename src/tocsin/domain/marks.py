"""How a reader tells a plan that is new from a repeat and from one beyond a gap."""

from __future__ import annotations

from enum import Enum


class Sight(Enum):
    """What a reader does with a plan."""

    TAKE = "take"
    REPEAT = "repeat"
    GAP = "gap"


def sight(mark: int, position: int, previous: int) -> Sight:
    """
    Judge a plan by the positions of its input and of the input handled before.

    *mark* is the input position of the last plan taken, -1 before the first.
    """
    raise NotImplementedError


def is_new(mark: tuple[int, int], at: tuple[int, int]) -> bool:
    """Return whether a derived record at (plan position, index) is above the reader's mark."""
    raise NotImplementedError
