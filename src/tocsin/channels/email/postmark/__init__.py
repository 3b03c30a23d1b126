"""Email over Postmark's API."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.postmark.settings import PostmarkSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="postmark",
    channel="email",
    settings=PostmarkSettings,
    build="tocsin.channels.email.postmark.provider:build",
    simulator="tocsin.channels.email.postmark.simulator:PostmarkSimulator",
)
