"""What a step says to one vendor alone, read by the type that the vendor's folder brings."""

from __future__ import annotations

from collections.abc import Mapping
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
        return kind()
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as wrong:
        place = str(wrong).rpartition("`")[0].rpartition("`")[2].removeprefix("$.")
        return Refused(ProviderReason.BAD_CONTENT, f"options {place}".strip())
