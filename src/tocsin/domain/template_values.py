"""How a JSON value reads as text in a template."""

from __future__ import annotations

from typing import Final

import msgspec

OUTPUT_CHARACTERS_MAX: Final = 262_144
"""What one template may render to."""


_LEAST: Final = -(2**63)
_ABOVE: Final = 2**64


class RenderFailed(Exception):
    """A template cannot be rendered with this data."""


def show(value: object) -> str:
    """
    Return *value* as text: nothing for null and for what is not there, JSON for lists and objects.

    A number without a fraction reads as a whole one, up to 64 bits; the engine does not keep them
    apart either.
    """
    if type(value) is str:
        return value
    if type(value) is int and _LEAST <= value < _ABOVE:
        return str(value)
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int | float):
        return _show_number(value)
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return ""


def _show_number(value: float) -> str:
    if _LEAST <= value < _ABOVE and value == int(value):
        return str(int(value))
    try:
        return repr(float(value))
    except OverflowError:
        return ""
