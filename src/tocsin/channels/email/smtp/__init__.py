"""Email over SMTP, to a server that relays it (RFC 5321, 6409)."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="smtp",
    channel="email",
    settings=SmtpSettings,
    build="tocsin.channels.email.smtp.provider:build",
    simulator="tocsin.channels.email.smtp.simulator:SmtpSimulator",
    preference=10,
)
