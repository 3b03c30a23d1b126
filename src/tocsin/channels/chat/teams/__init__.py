"""Microsoft Teams: workflows of Power Automate that post an Adaptive Card."""

from __future__ import annotations

from typing import Final

from tocsin.channels.chat.teams.settings import TeamsSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="teams",
    channel="chat",
    settings=TeamsSettings,
    build="tocsin.channels.chat.teams.provider:build",
    simulator="tocsin.channels.chat.teams.simulator:TeamsSimulator",
)
