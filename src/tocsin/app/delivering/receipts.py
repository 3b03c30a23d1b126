"""Receipts as records of the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tocsin.domain.records import Settled
from tocsin.ports.receipts import Receipt

_decoder: Final = msgspec.msgpack.Decoder(Receipt)
_encoder: Final = msgspec.msgpack.Encoder()


def packed(receipt: Receipt) -> bytes:
    """Return *receipt* as an orphan is kept."""
    return _encoder.encode(receipt)


def receipt_record(
    delivery: bytes, lane: str, channel: str, provider: str, receipt: Receipt
) -> Settled:
    """Return what *receipt* says about *delivery*."""
    return Settled(
        delivery,
        lane,
        channel,
        receipt.state,
        receipt.reason,
        receipt.at_ms,
        provider=provider,
        detail=receipt.detail,
        receipt=True,
    )


def receipts_of(
    delivery: bytes, lane: str, channel: str, provider: str, kept: Sequence[bytes]
) -> Iterator[Settled]:
    """Yield the records of what was kept for one delivery, each of its states once."""
    seen = set()
    for body in kept:
        receipt = _decoder.decode(body)
        if (receipt.state, receipt.reason) not in seen:
            seen.add((receipt.state, receipt.reason))
            yield receipt_record(delivery, lane, channel, provider, receipt)
