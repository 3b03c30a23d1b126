"""Discord: webhooks of channels, with buttons where an app owns them."""

from __future__ import annotations

from typing import Final

from tocsin.channels.chat.discord.settings import DiscordSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="discord",
    channel="chat",
    settings=DiscordSettings,
    build="tocsin.channels.chat.discord.provider:build",
    simulator="tocsin.channels.chat.discord.simulator:DiscordSimulator",
)
