"""Answers to requests that carried a key."""

from __future__ import annotations

from typing import Protocol

import msgspec


class StoredAnswer(msgspec.Struct, frozen=True):
    """What was answered to a request with an ``Idempotency-Key``."""

    status: int
    body: bytes
    content_type: str


class Idempotency(Protocol):
    """``Idempotency-Key`` for whole requests, 24 h (draft-ietf-httpapi-idempotency-key-header)."""

    async def begin(
        self, scope: str, key: str, fingerprint: bytes, now_ms: int
    ) -> StoredAnswer | None:
        """
        Take the key, or return the stored answer to the same request.

        Raises `tocsin.errors.Conflict` while another request runs under it (for 60 s, then it is
        taken over) and `tocsin.errors.RequestRefused` (``idempotency_key_reused``) for another
        body.
        """

    async def finish(self, scope: str, key: str, answer: StoredAnswer, now_ms: int) -> None:
        """Store the answer."""

    async def forget(self, scope: str, key: str) -> None:
        """Give the key back: a refusal is not stored."""
