"""What a step says to one vendor alone, read by the type that the vendor's folder brings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

import msgspec

from tocsin.ports.outcomes import ProviderReason, Refused

Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(given: Mapping[str, object], kind: type[Options]) -> Options | Refused:
    """
    Return the options as *kind*.

    Templates may have filled in what cannot be; the refusal names the place, never the value. No
    option of a vendor's may be one that is needed.
    """
    if not given:
        none: Options = _none_of(kind)
        return none
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as wrong:
        place = str(wrong).rpartition("`")[0].rpartition("`")[2].removeprefix("$.")
        return Refused(ProviderReason.BAD_CONTENT, f"options {place}".strip())


@cache
def _none_of(kind: type[Options]) -> Options:
    """Return the options of a step that has none: one object, since it cannot be changed."""
    return kind()
