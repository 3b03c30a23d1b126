"""What happened and why: the ledger's readers, explain and the audit, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tocsin.adapters.sqlite.kept import SqliteKept
from tocsin.app.accepting.keying import Keying
from tocsin.app.auditing.audit import Auditor
from tocsin.app.auditing.watch import AuditWatch
from tocsin.app.dead_letters.replaying import ReplayStep
from tocsin.app.history.deliveries import DeliveriesStep
from tocsin.app.history.explain import Explainer
from tocsin.app.history.finding import Finder
from tocsin.app.history.gates import GatesAgain
from tocsin.app.history.ledger import Ledger
from tocsin.app.history.meaning import MeaningStep
from tocsin.app.history.retention import Retention
from tocsin.app.history.waiting import WaitingStep
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.case import ChannelFacts
from tocsin.domain.keeping import Keep
from tocsin.ports.system import Clock
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


@dataclass(frozen=True, slots=True)
class History:
    """What answers questions about the past."""

    ledger: Ledger
    explainer: Explainer
    auditor: Auditor
    watch: AuditWatch
    finder: Finder
    replays: ReplayStep


def build_history(
    storage: Storage,
    stores: Stores,
    registry: WorkflowRegistry,
    workflows: RunWorkflows,
    channels: Mapping[str, ChannelFacts],
    pauses: PauseGate,
    clock: Clock,
    keep: Keep,
    tell: Callable[[int], None],
) -> History:
    """Put them together; *tell* is told how many violations the audit of each minute found."""
    kept = SqliteKept(storage.state)
    keying = Keying(stores.hash_seed)
    finder = Finder(storage.log, stores.blobs, stores.deduplication, registry, stores.keys, keying)
    ledger = Ledger(
        storage.log, finder, storage.ledger, storage.inbox, stores.fanouts, stores.recipients
    )
    gates = GatesAgain(stores.suppressions, stores.claims, workflows, channels)
    reader = AudienceStep(stores.audiences)
    explainer = Explainer(
        finder,
        stores.recipients,
        workflows,
        stores.fanouts,
        stores.blobs,
        MeaningStep(stores.audiences, reader, stores.recipients),
        DeliveriesStep(
            stores.recipients, stores.timers, storage.ledger, storage.inbox, gates, pauses
        ),
        pauses,
        WaitingStep(stores.timers),
        Retention(kept, keep.history_ms),
    )
    auditor = Auditor(storage.log, storage.ledger, stores.timers, stores.waits, clock, kept)
    replays = ReplayStep(storage.log, stores.dead_letters, finder, clock)
    watch = AuditWatch(auditor, clock, tell)
    return History(ledger, explainer, auditor, watch, finder, replays)
