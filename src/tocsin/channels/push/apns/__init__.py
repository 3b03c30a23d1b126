"""Apple's devices, by the Apple Push Notification service over HTTP/2."""

from __future__ import annotations

from typing import Final

from tocsin.channels.push.apns.payload import ApnsOptions
from tocsin.channels.push.apns.settings import ApnsSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="apns",
    channel="push",
    settings=ApnsSettings,
    options=ApnsOptions,
    build="tocsin.channels.push.apns.provider:build",
    simulator="tocsin.channels.push.apns.simulator:ApnsSimulator",
    multiplexed=True,
)
