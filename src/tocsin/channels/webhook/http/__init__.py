"""Webhooks by HTTP, signed as Standard Webhooks says."""

from __future__ import annotations

from typing import Final

from tocsin.channels.webhook.http.settings import WebhookSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="webhook",
    channel="webhook",
    settings=WebhookSettings,
    build="tocsin.channels.webhook.http.provider:build",
    simulator="tocsin.channels.webhook.http.simulator:WebhookSimulator",
)
