"""SMS by Twilio's Programmable Messaging."""

from __future__ import annotations

from typing import Final

from tocsin.channels.sms.twilio.settings import TwilioSmsSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="twilio",
    channel="sms",
    settings=TwilioSmsSettings,
    build="tocsin.channels.sms.twilio.provider:build",
    simulator="tocsin.channels.sms.twilio.simulator:TwilioSimulator",
    preference=10,
)
