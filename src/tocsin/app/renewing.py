"""A sealed value under the newest key."""

from __future__ import annotations

from tocsin.errors import TocsinError
from tocsin.ports.cache import Sealer


def renewed(sealer: Sealer, sealed: bytes, place: str) -> bytes:
    """
    Return *sealed* itself when the newest key has sealed it, else its value sealed anew.

    One that cannot be opened stays: no key would make it readable, and others go on.
    """
    if sealer.newest(sealed):
        return sealed
    try:
        return sealer.seal(sealer.open(sealed, place=place), place=place)
    except TocsinError:
        return sealed
