"""WhatsApp, by the Cloud API of Meta's business platform."""

from __future__ import annotations

from typing import Final

from tocsin.channels.chat.whatsapp.settings import WhatsAppSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="whatsapp",
    channel="chat",
    settings=WhatsAppSettings,
    build="tocsin.channels.chat.whatsapp.provider:build",
    simulator="tocsin.channels.chat.whatsapp.simulator:WhatsAppSimulator",
)
