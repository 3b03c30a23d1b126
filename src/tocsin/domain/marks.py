"""How a reader tells a record that is new from a repeat and from one beyond a gap."""

from __future__ import annotations

from enum import Enum


class Sight(Enum):
    """What a reader does with a plan."""

    TAKE = "take"
    REPEAT = "repeat"
    """Its input was taken before."""
    GAP = "gap"
    """Its writer failed before it committed; the next one writes what is missing, and this."""


def sight(mark: int, position: int, previous: int) -> Sight:
    """
    Judge a plan by the position of its input and that of the input handled before it.

    *mark* is the input position of the last plan taken, -1 before the first. A plan is taken when
    its position is above the mark and its previous one is not; the mark then is its position.
    """
    if position <= mark:
        return Sight.REPEAT
    return Sight.TAKE if previous <= mark else Sight.GAP
