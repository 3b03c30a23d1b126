"""What takes in callbacks, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.app.addresses import AddressBook
from tocsin.app.callbacks import Callbacks
from tocsin.app.delivering.address_health import AddressHealth
from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.proofs import Proofs
from tocsin.app.delivering.providers import Fleet
from tocsin.app.optouts import OptOuts
from tocsin.app.people import People
from tocsin.app.receipts.blocks import AddressBlocks
from tocsin.app.receipts.complaints import Complaints
from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.receipts.step import ReceiptStep
from tocsin.app.receipts.unsubscribing import Unsubscribing
from tocsin.app.receipts.wishes import Wishes
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.trail import Notes
from tocsin.ports.log import Log
from tocsin.ports.system import Clock
from tocsin.wiring.stores import Stores


@dataclass(frozen=True, slots=True)
class Receipts:
    """The pipeline of receipts."""

    early: EarlyReceipts
    step: ReceiptStep
    callbacks: Callbacks
    wishes: Wishes
    proofs: Proofs


def build_receipts(
    log: Log,
    stores: Stores,
    workflows: RunWorkflows,
    book: AddressBook,
    fleet: Fleet,
    histories: Histories,
    health: AddressHealth,
    clock: Clock,
    wall_ms: Callable[[], int],
) -> Receipts:
    """Put it together."""
    notes, optouts = Notes(stores.trail, clock), OptOuts(stores.journal, stores.sealer)
    people = People(stores.recipients, stores.erasures, optouts, notes, book, clock)
    blocks = AddressBlocks(stores.suppressions, optouts, notes, clock)
    objections = (
        Complaints(stores.recipients, book, blocks),
        Unsubscribing(log, workflows, people, fleet),
    )
    early = EarlyReceipts(log, stores.orphans)
    step = ReceiptStep(log, histories, early, health, objections, clock)
    wishes = Wishes(book, blocks)
    callbacks = Callbacks(fleet, log, wishes, step.caught_up, clock, wall_ms)
    return Receipts(early, step, callbacks, wishes, Proofs(early, step.caught_up))
