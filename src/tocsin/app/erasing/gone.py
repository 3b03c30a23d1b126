"""Whom nothing may be sent to any more, known at once and without a look at a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Tell = Callable[[Iterable[int]], None]


class Gone:
    """
    The numbers of everybody who was erased.

    What was decided a moment before cannot know of it; this is asked right before a call is made.
    """

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._tells: list[Tell] = []

    def on_gone(self, tell: Tell) -> None:
        """Call *tell* with the numbers of those who go: to end tokens and sockets."""
        self._tells.append(tell)

    def add(self, numbers: Iterable[int]) -> None:
        """Let them go, from now on."""
        new = [number for number in numbers if number not in self._numbers]
        self._numbers.update(new)
        for tell in self._tells:
            tell(new)

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def all(self) -> Iterable[int]:
        """Return everybody."""
        return tuple(self._numbers)
