"""SMS by Amazon: SNS, or AWS End User Messaging SMS, which also reports."""

from __future__ import annotations

from typing import Final

from tocsin.channels.sms.sns.settings import SnsSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="sns",
    channel="sms",
    settings=SnsSettings,
    build="tocsin.channels.sms.sns.provider:build",
    simulator="tocsin.channels.sms.sns.simulator:SnsSimulator",
)
