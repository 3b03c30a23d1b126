"""What a step may say to Resend alone: ``options.resend``, by Resend's own names."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,256}$")]
TagName = Annotated[str, Meta(pattern=r"^(?!tocsin$)[A-Za-z0-9_-]{1,256}$")]
"""The name ``tocsin`` is where our reference stands."""


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word by which letters are counted at Resend."""

    name: TagName
    value: Word


class ResendOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that may be said."""

    tags: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    topic_id: Word | None = None
