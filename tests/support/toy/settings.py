"""What ``[providers.pager]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.config import Secret
from tocsin.ports.provider import ProviderSettings


class PagerSettings(ProviderSettings, frozen=True, kw_only=True):
    """The pager service."""

    url: Annotated[str, Meta(min_length=1, description="Where it listens.")]
    key: Annotated[Secret, Meta(description="What we show it.")]
    callback_secret: Annotated[Secret, Meta(description="What it signs its callbacks with.")]
