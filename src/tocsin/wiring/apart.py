"""What brings views up to the log where they share no transaction with it."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.app.project import Expander, InboxProjection, LedgerProjection, Projector
from tocsin.wiring.storage import Storage


@dataclass(frozen=True, slots=True)
class Apart:
    """Readers of a layout whose log and views are in different files."""

    expander: Expander
    inbox: Projector
    ledger: Projector


def build_apart(
    storage: Storage, projections: tuple[InboxProjection, LedgerProjection]
) -> Apart | None:
    """Return the readers; None where each step writes the views itself."""
    if storage.log.atomic_with_views:
        return None
    return Apart(
        Expander(storage.log),
        Projector(storage.log, storage.inbox, projections[0]),
        Projector(storage.log, storage.ledger, projections[1]),
    )
