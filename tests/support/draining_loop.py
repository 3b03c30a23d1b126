"""A loop that ends when all that was opened on it has ended."""

from __future__ import annotations

import asyncio
import selectors
import time
import warnings
from collections.abc import Mapping
from typing import Final

_PATIENCE_S: Final = 5.0
_TURN_S: Final = 0.002


class DrainingLoop(asyncio.SelectorEventLoop):
    """
    Waits, when it is closed, for what is still closing, and says what nobody has closed.

    A connection whose other side has just hung up, or that still says goodbye in TLS, needs some
    turns more. A loop that ends before leaves it to the garbage collector, which tells of it in
    whichever test runs by then.
    """

    # The base class's own: what is open on it, by number of file.
    _transports: Mapping[int, asyncio.Transport]

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        """*patience_s*: how long closing waits, in seconds of real time."""
        self._patience_s = patience_s
        self._watched = selectors.DefaultSelector()
        super().__init__(self._watched)
        self._own = set(self._watched.get_map())

    def close(self) -> None:
        """Close the loop; warns of what is open, once there was time enough to close it."""
        if self.is_closed():
            return
        until_s = time.monotonic() + self._patience_s
        self.run_until_complete(asyncio.sleep(0))
        while (left := self._left()) and time.monotonic() < until_s:
            self.run_until_complete(asyncio.sleep(_TURN_S))  # house: allow sleep, nobody tells
        super().close()
        if left:
            warnings.warn(f"still open when its loop ended: {left}", ResourceWarning, stacklevel=2)

    def _left(self) -> list[object]:
        watched = self._watched.get_map()
        # One that has ended has no protocol any more; one that reads nothing is not watched.
        open_ = [each for each in self._transports.values() if each.get_protocol() is not None]
        return [*open_, *(key for fd, key in watched.items() if fd not in self._own)]
