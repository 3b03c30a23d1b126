"""Accepting, and what keeps it within what the rest can do: room on the disk, time to decide."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.app.accepting.accept import Accept, ProducerRate
from tocsin.app.accepting.backpressure import Backpressure, Pressure
from tocsin.app.accepting.inline_fields import InlineFields
from tocsin.app.accepting.keying import Keying
from tocsin.app.accepting.room import DiskRoom, Watermarks
from tocsin.app.addresses import AddressBook
from tocsin.app.metrics.meters import EventMeter
from tocsin.app.workflows import WorkflowRegistry
from tocsin.config import Config
from tocsin.domain.lanes import Lane
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


@dataclass(frozen=True, slots=True)
class Producing:
    """What accepting looks at beside its stores."""

    registry: WorkflowRegistry
    book: AddressBook
    clock: Clock
    chance: Chance
    meter: EventMeter


def build_accept(
    config: Config,
    storage: Storage,
    stores: Stores,
    producing: Producing,
    room: DiskRoom,
    gate: Backpressure,
) -> Accept:
    """Return what takes events."""
    return Accept(
        storage.log,
        stores.deduplication,
        producing.registry,
        stores.blobs,
        stores.limiter,
        producing.clock,
        producing.chance,
        Keying(stores.hash_seed),
        InlineFields(stores.recipients, producing.book),
        ProducerRate(config.accept.events_per_second, config.accept.events_burst),
        room,
        gate,
        producing.meter,
    )


def disk_room(config: Config, stores: Stores, clock: Clock) -> DiskRoom:
    """Return what looks at the disk."""
    store = config.store
    marks = Watermarks(store.free_low_percent, store.free_bulk_percent, store.free_stop_percent)
    return DiskRoom(stores.disk, marks, clock)


def backpressure(config: Config, storage: Storage, clock: Clock) -> Backpressure:
    """Return what lets requests in as fast as they can be decided."""
    log, accept = storage.log, config.accept
    backlog: dict[Lane, int] = {
        "critical": accept.backlog_critical_max,
        "transactional": accept.backlog_transactional_max,
        "bulk": accept.backlog_bulk_max,
    }
    pressure = Pressure(backlog, accept.waiting_requests_max, accept.wait_max_ms)

    def end(lane: Lane) -> int:
        return sum(log.end(f"events.{lane}", partition) for partition in range(log.partitions))

    return Backpressure(end, clock.monotonic, pressure)
