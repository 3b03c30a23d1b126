"""Phone numbers as they are stored and called (ITU-T E.164)."""

from __future__ import annotations

import re
from typing import Final

from tocsin.errors import RequestRefused

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)


def is_e164(text: str) -> bool:
    """Return whether *text* is a number in international form: a plus and 7 to 15 digits."""
    return _E164.match(text) is not None


def checked_number(text: str) -> str:
    """Return *text*, or raise `RequestRefused` where it is no number in international form."""
    if not is_e164(text):
        raise RequestRefused("is not a phone number", code="invalid_phone")
    return text
