"""Settings of what letters tell, in the form of `tocsin.config.tables`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Tracking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What letters tell when somebody reads them; a workflow may say otherwise for its own.

    A person who has switched it off in her preferences is never followed.
    """

    opens: Annotated[
        bool, Meta(description="Whether a picture in a letter tells that it was opened.")
    ] = False
    clicks: Annotated[
        bool, Meta(description="Whether the links of a letter lead over this server and tell so.")
    ] = False
