"""What is kept for how long: the keeper and everything that forgets, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tocsin.adapters.sqlite.forgetting_state import forgets_state
from tocsin.adapters.sqlite.forgetting_views import forgets_views
from tocsin.adapters.sqlite.kept import SqliteKept
from tocsin.app.cancels import KeptCancels
from tocsin.app.keeping.keeper import Crash, Keeper
from tocsin.app.keeping.open_runs import OpenRuns
from tocsin.app.keeping.trimming import Trimming
from tocsin.app.metrics.backlog import Backlog
from tocsin.app.metrics.collector import Numbers
from tocsin.config import Config
from tocsin.domain.keeping import Cut, Keep
from tocsin.ports.system import Clock
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


def build_keeper(
    config: Config,
    storage: Storage,
    stores: Stores,
    clock: Clock,
    rest: Callable[[float], Awaitable[None]],
    crash: Crash = lambda _: None,
) -> Keeper:
    """Return what removes; *rest* waits between slices, for seconds."""
    log, kept = storage.log, SqliteKept(storage.state)
    joint = log.atomic_with_views
    views = (storage.inbox.marks, storage.ledger.marks, stores.dead_letters.marks)
    marks = () if joint else views
    inbox_index, ledger_index = storage.indexes
    times = config.keep

    def inbox_cut(cut: Cut) -> int:
        return cut.inbox_ms

    def history_cut(cut: Cut) -> int:
        return cut.history_ms

    forgets = (
        KeptCancels(stores.blobs),
        *forgets_state(storage.state, stores.blobs.delete),
        *forgets_views(
            storage.views,
            storage.inbox,
            ((inbox_index, inbox_cut), (ledger_index, history_cut)),
            log.partitions,
            holds_bodies=not joint,
        ),
    )
    return Keeper(
        Keep(times.inbox_ms, times.ledger_ms, times.log_ms),
        clock,
        OpenRuns(log, log.keeping, kept),
        storage.views.settled_late_ms,
        kept,
        Trimming(log, log.keeping, stores.blobs, marks),
        forgets,
        rest=rest,
        crash=crash,
    )


def kept_numbers(keeper: Keeper, backlog: Backlog) -> dict[str, Numbers]:
    """Return the numbers of retention, and how far the slowest reader is behind."""

    def lag() -> float:
        ages_ms = [waiting.oldest_ms for waiting in backlog.waiting.values()]
        return max(ages_ms, default=0) / keeper.keep.log_ms

    return {
        "tocsin_kept_removed": lambda: [((k,), n) for k, n in keeper.removed.items()],
        "tocsin_kept_removed_bytes": lambda: [((), keeper.removed_bytes)],
        "tocsin_kept_oldest_seconds": lambda: [((k,), s) for k, s in keeper.ages_s().items()],
        "tocsin_reader_lag_share": lambda: [((), lag())],
    }
