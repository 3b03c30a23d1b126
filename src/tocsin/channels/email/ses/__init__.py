"""Email over Amazon SES, API version 2."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.ses.settings import SesSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="ses",
    channel="email",
    settings=SesSettings,
    build="tocsin.channels.email.ses.provider:build",
    simulator="tocsin.channels.email.ses.simulator:SesSimulator",
)
