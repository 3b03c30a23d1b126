"""What a played push service shows one of, however many came: messages to a device by their key."""

from __future__ import annotations


class Collapsing:
    """By device and key, the number of the newest message."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], str] = {}

    def replaced_by(self, number: int, to: str, key: str | None) -> str | None:
        """Return the message whose place this one takes, which has this number; None without."""
        if key is None:
            return None
        before = self._newest.get((to, key))
        self._newest[to, key] = str(number)
        return before
