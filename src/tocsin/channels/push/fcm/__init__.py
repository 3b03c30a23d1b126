"""Android devices, and others by Firebase: Firebase Cloud Messaging, HTTP v1."""

from __future__ import annotations

from typing import Final

from tocsin.channels.push.fcm.options import FcmOptions
from tocsin.channels.push.fcm.settings import FcmSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="fcm",
    channel="push",
    settings=FcmSettings,
    options=FcmOptions,
    build="tocsin.channels.push.fcm.provider:build",
    simulator="tocsin.channels.push.fcm.simulator:FcmSimulator",
    preference=10,
    multiplexed=True,
)
