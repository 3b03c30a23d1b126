"""Telegram: a bot that writes to people, groups and channels."""

from __future__ import annotations

from typing import Final

from tocsin.channels.chat.telegram.settings import TelegramSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="telegram",
    channel="chat",
    settings=TelegramSettings,
    build="tocsin.channels.chat.telegram.provider:build",
    simulator="tocsin.channels.chat.telegram.simulator:TelegramSimulator",
)
