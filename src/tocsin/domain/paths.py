"""Dotted paths into JSON values: ``data.customer_id``, ``data.items.0.price``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

PATH: Final = re.compile(r"[A-Za-z_][\w-]{0,99}(?:\.[\w-]{1,100}){0,15}\Z", re.ASCII)
PATH_RULE: Final = "a path is names joined by dots, like data.customer_id (at most 16)"


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()
"""What `lookup` finds where nothing is, as against null."""


def lookup(value: object, parts: tuple[str, ...]) -> object:
    """Follow *parts* through objects, and lists by number; never raises."""
    for part in parts:
        if type(value) is dict:
            value = value.get(part, MISSING)
        elif type(value) is list and part.isdecimal():
            index = int(part)
            value = value[index] if index < len(value) else MISSING
        else:
            return MISSING
    return value


def path_reader(parts: tuple[str, ...]) -> Callable[[bytes], object]:
    """
    Return a function that finds in a JSON text what `lookup` finds in the value of it.

    Where all on the way are objects nothing else is decoded, which costs a fraction.
    """
    kind: Any = Any
    for name in reversed(parts):
        kind = msgspec.defstruct("At", [("value", kind, MISSING)], rename={"value": name})
    decode = msgspec.json.Decoder(kind).decode

    def read(text: bytes) -> object:
        try:
            found = decode(text)
        except msgspec.ValidationError:
            return lookup(msgspec.json.decode(text), parts)
        for _ in parts:
            if found is MISSING:
                break
            found = found.value
        return found

    return read
