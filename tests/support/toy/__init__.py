"""
A toy provider, ``pager``, on the channel ``chat``: everything that real ones may need at once.

It speaks HTTP over a socket, takes batches, edits messages, finds dead addresses, and calls back
with a signature.
"""

from __future__ import annotations

from tests.support.toy.settings import PagerSettings
from tocsin.ports.provider import ProviderSpec

SPEC = ProviderSpec(
    name="pager",
    channel="chat",
    settings=PagerSettings,
    build="tests.support.toy.provider:build",
    simulator="tests.support.toy.simulator:PagerSimulator",
    preference=0,
)
