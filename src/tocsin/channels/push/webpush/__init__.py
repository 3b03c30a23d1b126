"""Browsers, by Web Push: RFC 8030, encrypted as RFC 8291 and identified as RFC 8292 say."""

from __future__ import annotations

from typing import Final

from tocsin.channels.push.webpush.payload import WebPushOptions
from tocsin.channels.push.webpush.settings import WebPushSettings
from tocsin.ports.provider import ProviderSpec

SPEC: Final = ProviderSpec(
    name="webpush",
    channel="push",
    settings=WebPushSettings,
    options=WebPushOptions,
    build="tocsin.channels.push.webpush.provider:build",
    simulator="tocsin.channels.push.webpush.simulator:WebPushSimulator",
    multiplexed=True,
)
