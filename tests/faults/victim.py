"""
``python -m tests.faults.victim …``: the program as it is, with points at which it kills itself.

``VICTIM_CRASH_AT=name:n`` ends the process with SIGKILL when the point *name* is passed for the
n-th time. The points lie between the roles and their stores; the program knows nothing of them.
With ``VICTIM_BREAKS_ON=person`` the code breaks whenever that person is looked for.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import uvloop

from tocsin.adapters.sqlite.runs import RunPolicy
from tocsin.config import load
from tocsin.domain.records import Attempt, Reported, Settled
from tocsin.ports.log import Output, Step
from tocsin.roles.everything import serve
from tocsin.roles.logs import set_up
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

WATCHED = {
    "log": ("append", "commit"),
    "inbox": ("write",),
    "ledger": ("write",),
    "dedup": ("claim", "maintain"),
    "idempotency": ("begin", "finish"),
    "claims": ("claim", "swap", "swap_many", "put_tombstone"),
    "timers": ("claim_arm", "fired"),
    "waits": ("claim_put", "claim_drop", "note", "mark_armed"),
    "orphans": ("keep", "kept", "drop"),
    "dead_letters": ("write",),
    "status_webhooks": ("tell",),
    "fanouts": ("claim_create", "claim_advance"),
    "recipients": ("put", "durable"),
    "blobs": ("put",),
    "journal": ("append",),
    "feed": ("publish",),
    "index": ("merge_if_needed",),
}


SMALL_RUNS = RunPolicy(tail_entries=24, tail_rows=6, fan_in=2, slice_entries=8)


class Points:
    """Counts passages, and kills at the one that was asked for."""

    def __init__(self, wanted: str) -> None:
        name, _, number = wanted.rpartition(":")
        self._name, self._number = (name, int(number)) if name else (number, 0)
        self._passed: Counter[str] = Counter()
        self._merging = 0
        # Points are passed on the loop and on the writers' threads.
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        if name.startswith("index."):
            self._merging += 1 if name.endswith(":before") else -1
        elif self._merging and name.endswith("-commit"):
            self._pass(f"merging:{name}")
        self._pass(name)

    def _pass(self, name: str) -> None:
        if name != self._name:
            return
        with self._lock:
            self._passed[name] += 1
            if self._passed[name] == self._number:
                os.kill(os.getpid(), signal.SIGKILL)


class Between:
    """Stands before a port, and passes a point before and after each watched call."""

    def __init__(self, port: object, name: str, pass_point: Callable[[str], None]) -> None:
        self._port = port
        self._name = name
        self._pass_point = pass_point

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        if attribute == "by_id" and self._name == "recipients":
            return partial(_by_id, found)
        if attribute not in WATCHED[self._name]:
            return found
        point = f"{self._name}.{attribute}"
        if inspect.iscoroutinefunction(found):

            async def call(*arguments: Any, **more: Any) -> Any:
                names = [point, *(f"{point}({what})" for what in _holds(*arguments))]
                for name in names:
                    self._pass_point(f"{name}:before")
                answer = await found(*arguments, **more)
                for name in names:
                    self._pass_point(f"{name}:after")
                return answer

            return call

        def call_now(*arguments: Any, **more: Any) -> Any:
            self._pass_point(f"{point}:before")
            answer = found(*arguments, **more)
            self._pass_point(f"{point}:after")
            return answer

        return call_now


def _holds(first: object = None, *_: object) -> Sequence[str]:
    """
    Return what is written about calls: that they are about to be made, how they ended, what was
    reported later, and what that came to.
    """
    outputs = first.outputs if isinstance(first, Step) else first
    given = outputs if isinstance(outputs, list | tuple) else ()
    records = [r for o in given if isinstance(o, Output) for r in o.records]
    there = {
        "attempts": any(isinstance(each, Attempt) for each in records),
        "outcomes": any(isinstance(each, Settled) and each.attempt for each in records),
        "reports": any(isinstance(each, Reported) for each in records),
        "receipts": any(isinstance(each, Settled) and each.receipt for each in records),
    }
    return [name for name, held in there.items() if held]


async def _by_id(found: Callable[[Sequence[str]], Awaitable[Any]], ids: Sequence[str]) -> Any:
    """Break whoever asks for the person that this victim breaks on."""
    if os.environ.get("VICTIM_BREAKS_ON") in ids:
        raise ZeroDivisionError
    return await found(ids)


def around(
    pass_point: Callable[[str], None],
) -> Callable[[Storage, Stores], tuple[Storage, Stores]]:
    """Return what `serve` puts between its roles and their stores."""

    def put(storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        def between(port: object, name: str) -> Any:
            return Between(port, name, pass_point)

        for index in storage.indexes:
            # So that runs are written and merged, again and again, within a short life.
            index._policy = SMALL_RUNS
        storage = replace(
            storage,
            log=between(storage.log, "log"),
            inbox=between(storage.inbox, "inbox"),
            ledger=between(storage.ledger, "ledger"),
            indexes=tuple(between(index, "index") for index in storage.indexes),
        )
        stores = replace(
            stores,
            deduplication=between(stores.deduplication, "dedup"),
            idempotency=between(stores.idempotency, "idempotency"),
            claims=between(stores.claims, "claims"),
            timers=between(stores.timers, "timers"),
            waits=between(stores.waits, "waits"),
            orphans=between(stores.orphans, "orphans"),
            dead_letters=between(stores.dead_letters, "dead_letters"),
            status_webhooks=between(stores.status_webhooks, "status_webhooks"),
            fanouts=between(stores.fanouts, "fanouts"),
            recipients=between(stores.recipients, "recipients"),
            blobs=between(stores.blobs, "blobs"),
            journal=between(stores.journal, "journal"),
            feed=between(stores.feed, "feed"),
        )
        return storage, stores

    return put


def main(data: str) -> int:
    """Serve *data* on any free port."""
    config = load(None, os.environ, {"data": data, "http.port": 0}).config
    set_up(config.logging)
    points = Points(os.environ["VICTIM_CRASH_AT"])
    return uvloop.run(serve(config, crash=points, around=around(points)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
