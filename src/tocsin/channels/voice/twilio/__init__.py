"""Calls by Twilio's Programmable Voice."""

from __future__ import annotations

from typing import Final

from tocsin.channels.voice.twilio.settings import TwilioVoiceSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="twilio_voice",
    channel="voice",
    settings=TwilioVoiceSettings,
    build="tocsin.channels.voice.twilio.provider:build",
    simulator="tocsin.channels.voice.twilio.simulator:TwilioVoiceSimulator",
    preference=10,
)
