"""Email over SendGrid's API, version 3."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.sendgrid.settings import SendGridSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="sendgrid",
    channel="email",
    settings=SendGridSettings,
    build="tocsin.channels.email.sendgrid.provider:build",
    simulator="tocsin.channels.email.sendgrid.simulator:SendGridSimulator",
)
