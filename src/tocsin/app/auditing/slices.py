"""The log in slices: a window's records in batches small enough to keep the loop turning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from tocsin.ports.log import Batch, Log

SLICE_RECORDS: Final = 1_000
"""Decoded and counted in a few milliseconds, after which whoever is live has a turn."""


async def read_window(
    log: Log, topic: str, partition: int, since_ms: int, until_ms: int
) -> AsyncIterator[Batch]:
    """Yield what may lie in [since, until), in the order of the log."""
    spans = await log.spans(topic, partition, since_ms, until_ms)
    for first, end in portions(spans):
        position = first
        while position < end:
            batch = await log.read(topic, partition, position, records_max=end - position)
            if not batch.records or batch.position >= end:
                break
            yield batch
            position = batch.end


def portions(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join neighbouring spans up to a slice, and never cut one: a chunk is unpacked once."""
    begin = last = -1
    for first, end in spans:
        if last == first and end - begin <= SLICE_RECORDS:
            last = end
            continue
        if begin >= 0:
            yield begin, last
        begin, last = first, end
    if begin >= 0:
        yield begin, last
