"""How a JSON value reads as text in a template."""

from __future__ import annotations

from typing import Final

import msgspec

OUTPUT_CHARACTERS_MAX: Final = 262_144
"""What one template may render to."""


class RenderFailed(Exception):
    """A template cannot be rendered with this data."""


def show(value: object) -> str:
    """
    Return *value* as text: nothing for null and for what is not there, JSON for lists and objects.

    Whole numbers beyond 64 bits read like floating-point ones.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value) if -(2**63) <= value < 2**64 else _show_large(value)
    if type(value) is float:
        return repr(value)
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return ""


def _show_large(value: int) -> str:
    try:
        return repr(float(value))
    except OverflowError:
        return ""
