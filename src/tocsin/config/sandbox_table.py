"""The table of settings that only a sandbox has; `tocsin.config.tables` says how a table is read."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Sandbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only a sandbox has: a clock that can be moved, and vendors that are played."""

    clock: Annotated[
        str | None,
        Meta(
            description="Where the clock of a new folder begins: a date like `2016-09-01` or an"
            " instant; now when absent. It stays with the folder."
        ),
    ] = None
    folder: Annotated[
        str | None,
        Meta(
            description="Folder of a running `tocsin sandbox` whose vendors are used; without it,"
            " they are played in this process."
        ),
    ] = None
    messages_max: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="Most messages that each played vendor keeps."),
    ] = 100_000
