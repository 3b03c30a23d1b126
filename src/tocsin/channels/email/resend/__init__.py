"""Email over Resend's API."""

from __future__ import annotations

from typing import Final

from tocsin.channels.email.resend.options import ResendOptions
from tocsin.channels.email.resend.settings import ResendSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="resend",
    channel="email",
    settings=ResendSettings,
    options=ResendOptions,
    build="tocsin.channels.email.resend.provider:build",
    simulator="tocsin.channels.email.resend.simulator:ResendSimulator",
)
