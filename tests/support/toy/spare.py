"""A second provider of the toy's channel, ``beeper``: what the first one's messages fail over to."""

from __future__ import annotations

from tests.support.toy.settings import PagerSettings
from tests.support.toy.simulator import PagerSimulator
from tocsin.ports.provider import ProviderSpec

SPEC = ProviderSpec(
    name="beeper",
    channel="chat",
    settings=PagerSettings,
    build="tests.support.toy.provider:build",
    simulator="tests.support.toy.spare:BeeperSimulator",
)


class BeeperSimulator(PagerSimulator):
    """The same service under another name."""

    provider = "beeper"
