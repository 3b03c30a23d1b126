"""The proof of an erasure: what was removed from which store, what is left until when, signed."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.instants import show_instant
from tocsin.ports.cache import Prover
from tocsin.ports.state import Erasure

_PREFIX: Final = "era_"


class Remainder(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left, and until when; without a date: for good."""

    what: str
    until: str | None = None


class Proof(msgspec.Struct, frozen=True):
    """What is signed."""

    erasure: str
    recipient_hash: str
    requested_at: str
    done_at: str
    removed: dict[str, int]
    remains: list[Remainder]


def show_erasure(id: bytes) -> str:
    """Return the printed form, ``era_…``."""
    return _PREFIX + id.hex()


def read_erasure(text: str) -> bytes | None:
    """Read ``era_…``; None for what is no such id."""
    try:
        return bytes.fromhex(text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else None
    except ValueError:
        return None


def signed(done: Erasure, prover: Prover, history_ms: int) -> Erasure:
    """Return *done* with its proof."""
    text = proof_text(done, history_ms)
    return msgspec.structs.replace(done, proof=text, signature=prover.sign(text))


def proof_text(erasure: Erasure, history_ms: int) -> bytes:
    """Return the text to be signed."""
    assert erasure.done_ms is not None
    until = show_instant(erasure.done_ms + history_ms)
    remains = [
        Remainder("ledger rows under a number, and keyed hashes of id and addresses"),
        Remainder("events that came to nothing (repeats, without a workflow)", until),
        Remainder("backups, until their own retention"),
    ]
    if erasure.shared_until_ms is not None:
        what = "content of events that others were told of, too"
        remains.append(Remainder(what, show_instant(erasure.shared_until_ms)))
    proof = Proof(
        show_erasure(erasure.id),
        erasure.digest.hex(),
        show_instant(erasure.begun_ms),
        show_instant(erasure.done_ms),
        dict(sorted(erasure.counts.items())),
        remains,
    )
    return msgspec.json.encode(proof)
