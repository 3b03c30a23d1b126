"""The format that this version writes."""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1
