"""What brings views up to the log where they share no transaction with it."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.app.dead_letters.projecting import DeadLetterProjection
from tocsin.app.project import Expander, InboxProjection, LedgerProjection, Projector
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

Projections = tuple[InboxProjection, LedgerProjection, DeadLetterProjection]


@dataclass(frozen=True, slots=True)
class Apart:
    """Readers of a layout whose log and views are in different files."""

    expander: Expander
    inbox: Projector
    ledger: Projector
    letters: Projector


def build_apart(storage: Storage, stores: Stores, projections: Projections) -> Apart | None:
    """Return the readers; None where each step writes the views itself."""
    log, (inbox, ledger, letters) = storage.log, projections
    if log.atomic_with_views:
        return None
    return Apart(
        Expander(log),
        Projector(log, storage.inbox, inbox),
        Projector(log, storage.ledger, ledger),
        Projector(log, stores.dead_letters, letters),
    )
