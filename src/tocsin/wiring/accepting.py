"""What keeps accepting within what the rest can do: room on the disk, and time to decide."""

from __future__ import annotations

from tocsin.app.accepting.backpressure import Backpressure, Pressure
from tocsin.app.accepting.room import DiskRoom, Watermarks
from tocsin.config import Config
from tocsin.domain.lanes import Lane
from tocsin.ports.system import Clock
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


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
