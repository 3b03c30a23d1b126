"""SMS by Vonage's SMS API, once Nexmo."""

from __future__ import annotations

from typing import Final

from tocsin.channels.sms.vonage.settings import VonageSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="vonage",
    channel="sms",
    settings=VonageSettings,
    build="tocsin.channels.sms.vonage.provider:build",
    simulator="tocsin.channels.sms.vonage.simulator:VonageSimulator",
)
