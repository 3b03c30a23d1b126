"""Slack: a bot that posts to channels and people, and incoming webhooks."""

from __future__ import annotations

from typing import Final

from tocsin.channels.chat.slack.settings import SlackSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="slack",
    channel="chat",
    settings=SlackSettings,
    build="tocsin.channels.chat.slack.provider:build",
    simulator="tocsin.channels.chat.slack.simulator:SlackSimulator",
    preference=10,
)
