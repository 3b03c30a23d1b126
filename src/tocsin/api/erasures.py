"""Erasing a recipient, and the proof of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time
from tocsin.app.erasing.desk import ErasureDesk
from tocsin.app.erasing.proof import show_erasure
from tocsin.ports.cache import Prover


class ErasureAccepted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Nothing is sent any more; the rest follows within a day."""

    erasure: str


class ErasureAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    How far an erasure is.

    ``signature`` is over the bytes of ``proof`` as they stand, by Ed25519 (RFC 8032) with the
    installation's key; both keys are base64. Null while it is running.
    """

    id: str
    state: Literal["running", "done"]
    requested_at: str | None
    done_at: str | None
    removed: dict[str, int]
    proof: str | None
    signature: str | None
    public_key: str
    algorithm: Literal["Ed25519"] = "Ed25519"


class ErasureRoutes:
    """Handlers of ``DELETE /v1/recipients/{id}`` and ``/v1/erasures``."""

    def __init__(self, desk: ErasureDesk, prover: Prover) -> None:
        self._desk = desk
        self._prover = prover

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint(
                "DELETE",
                "/v1/recipients/{id}",
                "Erase a recipient",
                self.erase,
                {202: ErasureAccepted},
            ),
            Endpoint(
                "GET",
                "/v1/erasures/{id}",
                "Get an erasure, with its proof",
                self.get,
                {200: ErasureAnswer},
            ),
        )

    async def erase(self, call: Call) -> Answer:
        """Erase: what must be at once is done when this is answered."""
        id = await self._desk.erase(call.by, call.recipient())
        return Answer(ErasureAccepted(erasure=id), status=202)

    async def get(self, call: Call) -> Answer:
        """Answer how far it is."""
        one = await self._desk.get(call.path["id"])
        done = one.done_ms is not None
        return Answer(
            ErasureAnswer(
                id=show_erasure(one.id),
                state="done" if done else "running",
                requested_at=shown_time(one.begun_ms),
                done_at=None if one.done_ms is None else shown_time(one.done_ms),
                removed=dict(one.counts),
                proof=one.proof.decode() if done else None,
                signature=base64.b64encode(one.signature).decode() if done else None,
                public_key=base64.b64encode(self._prover.public_key).decode(),
            )
        )
