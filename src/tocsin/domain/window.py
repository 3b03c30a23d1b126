"""How far a reader may say it has come, when it finishes out of order."""

from __future__ import annotations

from collections import OrderedDict


class Window:
    """
    Positions in hand of one partition. ``base`` is below every one that is not finished.

    Committing anything above ``base`` would lose work: what is unfinished below would never be
    read again.
    """

    __slots__ = ("_done", "_open", "base")

    def __init__(self, base: int) -> None:
        self.base = base
        # Its first entry is found in constant time however many were taken out before it.
        self._open: OrderedDict[int, int] = OrderedDict()
        self._done = base

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, position: int, mark: int) -> None:
        """
        Take *position* in hand, above all before. *mark* is kept with it (`lowest_mark`).

        Positions between it and the one before hold nothing and count as finished.
        """
        self._open[position] = mark
        self._done = position + 1

    def finish(self, position: int) -> None:
        """Let *position* go; again is nothing."""
        self._open.pop(position, None)
        # Insertion order is the order of positions, so the first is the lowest.
        self.base = next(iter(self._open), self._done)

    def lowest_mark(self, otherwise: int) -> int:
        """Return the mark of the lowest position in hand, or *otherwise* when there is none."""
        return next(iter(self._open.values()), otherwise)
