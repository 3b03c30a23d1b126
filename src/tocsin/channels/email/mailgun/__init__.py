"""Email over Mailgun's API."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.mailgun.settings import MailgunSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="mailgun",
    channel="email",
    settings=MailgunSettings,
    build="tocsin.channels.email.mailgun.provider:build",
    simulator="tocsin.channels.email.mailgun.simulator:MailgunSimulator",
)
