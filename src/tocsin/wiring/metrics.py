"""Where each metric comes from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from tocsin.adapters.sqlite.checkpoint import CheckpointStats
from tocsin.adapters.sqlite.writer import Writer
from tocsin.app.accepting.backpressure import Backpressure
from tocsin.app.metrics.backlog import Backlog, Follower
from tocsin.app.metrics.collector import EngineCollector, Labels, Numbers, Shape, Shapes
from tocsin.app.metrics.histogram import Histogram, cumulative
from tocsin.app.metrics.loop_lag import LoopLag
from tocsin.app.metrics.meters import EventMeter, MessageMeter
from tocsin.app.project import EXPANDERS, followed_topics
from tocsin.app.receipts.step import GROUP as RECEIPT_GROUP
from tocsin.app.routing.router import GROUP
from tocsin.domain.lanes import LANES
from tocsin.domain.topics import BROADCASTS, RECEIPTS, STATES
from tocsin.gateway.people import Session
from tocsin.gateway.server import SocketServer
from tocsin.gateway.sessions import Sessions
from tocsin.ports.system import Clock
from tocsin.wiring.channels import Delivery
from tocsin.wiring.storage import Storage

Writers = Mapping[str, Writer]

_US_BITS = 26
"""Transactions above a minute are in the last bucket."""


def show_metrics(
    registry: CollectorRegistry,
    storage: Storage,
    folder: Path,
    events: EventMeter,
    gate: Backpressure,
    messages: MessageMeter,
    backlog: Backlog,
    sockets: SocketServer[Session],
    sessions: Sessions,
    lag: LoopLag,
    more: Mapping[str, Numbers],
) -> None:
    """Let *registry* show all that is counted; *more* are sources from elsewhere."""
    numbers: dict[str, Numbers] = {
        "tocsin_events_accepted": lambda: [((lane,), events.accepted[lane]) for lane in LANES],
        "tocsin_events_refused": lambda: [((), events.refused)],
        "tocsin_events_duplicate": lambda: [((), events.duplicates)],
        "tocsin_plans": lambda: tuple(messages.plans.items()),
        "tocsin_deliveries_settled": lambda: tuple(messages.settled.items()),
        "tocsin_backlog_records": lambda: [(k, w.records) for k, w in backlog.waiting.items()],
        "tocsin_backlog_age_seconds": lambda: [
            (k, w.oldest_ms / 1000) for k, w in backlog.waiting.items()
        ],
        "tocsin_accept_waiting": lambda: [((), gate.waiting)],
        "tocsin_accept_overloaded": lambda: [((), gate.refused)],
        "tocsin_disk_free_bytes": lambda: [((), shutil.disk_usage(folder).free)],
        "tocsin_sockets_open": lambda: [((), len(sockets))],
        "tocsin_socket_messages": lambda: [((), sessions.sent)],
        **_store_numbers(storage.writers),
        **more,
    }
    shapes: dict[str, Shapes] = {
        "tocsin_delivery_seconds": lambda: [(k, _shape(h)) for k, h in messages.seconds.items()],
        "tocsin_loop_lag_seconds": lambda: [((), _shape(lag.seconds))],
        "tocsin_store_commit_seconds": partial(_commit_shapes, storage.writers),
    }
    registry.register(EngineCollector(numbers, shapes))
    ProcessCollector(registry=registry)


def delivering_numbers(delivery: Delivery, clock: Clock) -> dict[str, Numbers]:
    """Return what is counted of providers, by the name of the metric."""
    counts = delivery.counts

    def open_() -> Iterable[tuple[Labels, float]]:
        now_ms = clock.now_ms()
        for (_, lane), turnstiles in delivery.turnstiles.items():
            for provider, number in turnstiles.breakers(now_ms):
                yield (provider, lane), number

    return {
        "tocsin_provider_breakers_open": open_,
        "tocsin_provider_breaker_openings": lambda: tuple(counts.opened.items()),
        "tocsin_provider_waits": lambda: tuple(counts.waited.items()),
        "tocsin_deliveries_parked": lambda: tuple(counts.parked.items()),
        "tocsin_failovers": lambda: tuple(counts.failovers.items()),
        "tocsin_provider_share": lambda: [
            ((state.name,), state.share) for state in delivery.shares.states()
        ],
        "tocsin_provider_share_moves": lambda: [
            ((provider,), number) for provider, number in delivery.shares.moves.items()
        ],
        "tocsin_addresses_kept": lambda: [
            ((provider,), number) for provider, number in delivery.health.kept.items()
        ],
    }


def build_backlog(storage: Storage, clock: Clock, channels: Iterable[str]) -> Backlog:
    """Return the backlog of every reader: of the lanes, of *channels*, and of apart views."""
    log = storage.log

    def of(kind: str) -> list[str]:
        return [f"{kind}.{lane}" for lane in LANES]

    readers = [
        Follower(GROUP, of("events"), partial(log.committed, GROUP)),
        Follower(RECEIPTS, [RECEIPTS], partial(log.committed, RECEIPT_GROUP)),
    ]
    for channel in channels:
        for topic in of(f"deliver.{channel}"):
            positions = partial(log.committed, topic)
            readers.append(Follower(f"deliver.{channel}", [topic], positions))
    if not log.atomic_with_views:
        shown = [*of("inbox"), STATES, BROADCASTS]
        readers.append(Follower(EXPANDERS, of("plans"), partial(log.committed, EXPANDERS)))
        readers.append(Follower("inbox", shown, storage.inbox.marks))
        readers.append(Follower("ledger", followed_topics(), storage.ledger.marks))
    return Backlog(log, clock, readers)


def _store_numbers(writers: Writers) -> dict[str, Numbers]:
    def of(read: Callable[[Writer], float]) -> Numbers:
        return lambda: [((name,), read(writer)) for name, writer in writers.items()]

    return {
        "tocsin_store_operations": of(lambda writer: writer.stats.operations),
        "tocsin_store_operations_rejected": of(lambda writer: writer.stats.rejected),
        "tocsin_store_queue": of(lambda writer: writer.queue_length),
        "tocsin_store_full": of(lambda writer: writer.full),
        "tocsin_store_wal_frames": of(lambda writer: writer.stats.wal_frames),
        "tocsin_store_checkpoints": partial(_checkpoints, writers),
    }


def _checkpoints(writers: Writers) -> Iterable[tuple[Labels, float]]:
    for name, writer in writers.items():
        checkpointer = writer.checkpointer
        stats = checkpointer.stats if checkpointer is not None else CheckpointStats()
        yield (name, "passive"), stats.passive
        yield (name, "restart"), stats.restarts
        yield (name, "truncation"), stats.truncations
        yield (name, "refused"), stats.refused


def _commit_shapes(writers: Writers) -> Iterable[tuple[Labels, Shape]]:
    for name, writer in writers.items():
        counts = list(writer.stats.commits_by_us_bits)
        head, rest = counts[: _US_BITS + 1], sum(counts[_US_BITS + 1 :])
        bounds = [f"{2**bits / 1e6:g}" for bits in range(_US_BITS + 1)]
        yield (name,), (cumulative(bounds, [*head, rest]), writer.stats.commit_seconds)


def _shape(histogram: Histogram) -> Shape:
    return histogram.buckets(), histogram.sum
