"""The call itself: what a provider says, or what not hearing from it means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby

import structlog

from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.work import Work
from tocsin.ports.provider import ProviderOutcome, ProviderReason, TryLater

logger = structlog.get_logger(__name__)


def calls_of(works: Sequence[Work]) -> Iterator[tuple[Wired, list[Work]]]:
    """Yield (provider, works of one call), as many in each as the provider takes."""
    ready = [(work.wired, work) for work in works if work.wired is not None]
    ready.sort(key=lambda pair: pair[0].name)
    for _, group in groupby(ready, key=lambda pair: pair[0].name):
        pairs = list(group)
        wired = pairs[0][0]
        size = wired.provider.flags.batch_max
        for first in range(0, len(pairs), size):
            yield wired, [work for _, work in pairs[first : first + size]]


async def call(wired: Wired, works: Sequence[Work]) -> Sequence[ProviderOutcome]:
    """
    Make one call and return an outcome for each of *works*.

    Whatever goes wrong without an answer leaves it unknown whether the messages were taken: no
    answer in time, and also a provider that breaks its contract.
    """
    messages = [work.message for work in works if work.message is not None]
    try:
        async with asyncio.timeout(wired.settings.call_timeout_ms / 1000):
            outcomes = await wired.provider.send(messages)
    except TimeoutError:
        return _unknown(works, ProviderReason.TIMED_OUT, "no answer in time")
    except Exception as error:  # noqa: BLE001  # a folder's mistake must not stop the lane
        # Not the error's own words, which might hold an address or a credential.
        logger.error("provider_raised", provider=wired.name, error=type(error).__name__)  # as above
        return _unknown(works, ProviderReason.OUR_FAULT, f"raised {type(error).__name__}")
    if len(outcomes) != len(works):
        logger.error("provider_miscounted", provider=wired.name, calls=len(works))
        return _unknown(works, ProviderReason.OUR_FAULT, "its outcomes did not match the messages")
    return outcomes


def _unknown(works: Sequence[Work], reason: ProviderReason, detail: str) -> list[ProviderOutcome]:
    return [TryLater(reason, known=False, detail=detail) for _ in works]
