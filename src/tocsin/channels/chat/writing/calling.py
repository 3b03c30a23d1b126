"""What calls to chat platforms share: JSON, and who they are for."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from tocsin.ports.message import Message

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{1,64}){3}\Z", re.ASCII)
_encoder: Final = msgspec.json.Encoder()


def json_body(value: Any) -> bytes:
    """Return *value* as JSON."""
    return _encoder.encode(value)


def headers_of(message: Message, *more: str) -> list[str]:
    """
    Return the lines of a call about *message*.

    ``idempotency-key`` is our reference: no platform here knows it, but a proxy on the way does.
    """
    lines = [
        "content-type: application/json; charset=utf-8",
        f"idempotency-key: {message.reference}",
        *more,
    ]
    if message.trace is not None and _TRACEPARENT.match(message.trace) is not None:
        lines.append(f"traceparent: {message.trace}")
    return lines
