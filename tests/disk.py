"""A server of the tests does not depend on how full the disk of the machine is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ANY_DISK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TOCSIN_STORE__FREE_LOW_PERCENT": "0",
        "TOCSIN_STORE__FREE_BULK_PERCENT": "0",
        "TOCSIN_STORE__FREE_STOP_PERCENT": "0",
        # Hundreds of servers, each with its 64 MiB, would themselves fill it.
        "TOCSIN_STORE__BALLAST_BYTES": "0",
    }
)
"""Settings, as environment variables: no watermark and no ballast; a test of these sets its own."""
