"""The table of settings about what the program says; `tocsin.config.tables` says how it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Logging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the program says about itself, line by line on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least that is said.")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(
            description="`json` for machines, `text` for people; `auto`: text on a terminal only."
        ),
    ] = "auto"
