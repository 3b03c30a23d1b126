"""What holds sealed values, and can seal them anew under the newest key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Reseals(Protocol):
    """
    A store of sealed values.

    *Durable* when a slice is yielded. *Twice*: values under the newest key are left alone, so
    whoever was interrupted begins anew. What is written meanwhile is under the newest key, too,
    when the last slice has been yielded. A value that no key opens stays as it is.
    """

    name: str

    def reseal(self) -> AsyncIterator[int]:
        """Go through all, slice by slice; yields how many values' rows each has changed."""
