"""Channels that something was handed to before and that no provider is configured for now."""

from __future__ import annotations

from tocsin.app.delivering.providers import Fleet
from tocsin.domain.lanes import LANES
from tocsin.ports.log import Log


def unserved(fleet: Fleet, log: Log) -> list[str]:
    """Return their names: nobody reads what waits there until there is a provider again."""
    return [
        name
        for name, channel in fleet.channels.items()
        if channel.needs_provider and not fleet.providers.get(name) and _was_used(name, log)
    ]


def _was_used(channel: str, log: Log) -> bool:
    topics = [f"deliver.{channel}.{lane}" for lane in LANES]
    return any(log.end(topic, each) for topic in topics for each in range(log.partitions))
