"""What opens the ports of `tocsin.ports.state` on an engine, for the suites."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tocsin.adapters.sqlite import migrations
from tocsin.adapters.sqlite.addresses import AddressIndex
from tocsin.adapters.sqlite.audiences import SqliteAudiences
from tocsin.adapters.sqlite.claims import SqliteClaims
from tocsin.adapters.sqlite.connection import Readers, open_writer
from tocsin.adapters.sqlite.dead_letters import SqliteDeadLetters
from tocsin.adapters.sqlite.dedup import SqliteDeduplication
from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.erasures import SqliteErasures
from tocsin.adapters.sqlite.fanouts import SqliteFanouts
from tocsin.adapters.sqlite.idempotency import SqliteIdempotency
from tocsin.adapters.sqlite.keys import SqliteKeys
from tocsin.adapters.sqlite.orphans import SqliteOrphans
from tocsin.adapters.sqlite.pauses import SqlitePauses
from tocsin.adapters.sqlite.recipients import SqliteRecipients
from tocsin.adapters.sqlite.standings import SqliteStandings
from tocsin.adapters.sqlite.status_webhooks import SqliteStatusWebhooks
from tocsin.adapters.sqlite.suppressions import SqliteSuppressions
from tocsin.adapters.sqlite.timers import SqliteTimers
from tocsin.adapters.sqlite.trail import SqliteTrail
from tocsin.adapters.sqlite.waits import SqliteWaits
from tocsin.adapters.sqlite.workflows import SqliteWorkflows
from tocsin.adapters.sqlite.writer import Writer
from tocsin.ports import state as ports

WINDOW_MS = 24 * 3_600_000
KEEP_RETIRED_MS = 3_600_000
ORPHANS_MAX = 8


class StateStores(Protocol):
    """Opens ports; each call opens the port anew on what is stored."""

    async def reopen(self) -> None:
        """Close and open again: only what is durable is left."""

    async def settled(self) -> None:
        """Return when everything that was written before is durable."""

    async def recipients(self, cache_size: int = 1_000) -> ports.Recipients: ...
    async def audiences(self) -> ports.Audiences: ...
    async def suppressions(self) -> ports.Suppressions: ...
    async def workflows(self) -> ports.Workflows: ...
    async def deduplication(self) -> ports.Deduplication: ...
    async def idempotency(self) -> ports.Idempotency: ...
    async def claims(self) -> ports.Claims: ...
    async def timers(self) -> ports.Timers: ...
    async def waits(self) -> ports.Waits: ...
    async def fanouts(self) -> ports.Fanouts: ...
    async def keys(self) -> ports.Keys: ...
    async def trail(self) -> ports.Trail: ...
    async def orphans(self) -> ports.Orphans: ...
    async def erasures(self) -> ports.Erasures: ...
    async def pauses(self) -> ports.PauseRows: ...
    async def status_webhooks(self) -> ports.StatusWebhooks: ...
    async def dead_letters(self) -> ports.DeadLetters: ...
    async def standings(self) -> ports.Standings: ...


class SqliteStores:
    """A file of SQLite, as the log's own (*joint*) or apart from it."""

    def __init__(self, path: Path, *, joint: bool) -> None:
        self.path = path
        self._joint = joint
        self._engine: StateEngine | None = None
        self._addresses: AddressIndex | None = None

    @property
    def engine(self) -> StateEngine:
        assert self._engine is not None
        return self._engine

    @property
    def addresses(self) -> AddressIndex:
        assert self._addresses is not None
        return self._addresses

    async def open(self) -> None:
        connection = open_writer(self.path)
        migrations.apply(connection, "state", 0)
        connection.close()
        self._engine = StateEngine(
            Writer(self.path, on_fatal=_fatal), Readers(self.path), ordered_with_log=self._joint
        )
        self._addresses = await AddressIndex.open(self._engine)

    def close(self) -> None:
        self.engine.readers.close()
        self.engine.writer.close()

    async def reopen(self) -> None:
        self.close()
        await self.open()

    async def settled(self) -> None:
        await self.engine.writer.flush()

    async def recipients(self, cache_size: int = 1_000) -> ports.Recipients:
        return await SqliteRecipients.open(self.engine, self.addresses, cache_size=cache_size)

    async def audiences(self) -> ports.Audiences:
        return SqliteAudiences(self.engine)

    async def suppressions(self) -> ports.Suppressions:
        return await SqliteSuppressions.open(self.engine, self.addresses)

    async def workflows(self) -> ports.Workflows:
        return SqliteWorkflows(self.engine)

    async def deduplication(self) -> ports.Deduplication:
        return await SqliteDeduplication.open(self.engine, name="dedup", window_ms=WINDOW_MS)

    async def idempotency(self) -> ports.Idempotency:
        return SqliteIdempotency(self.engine)

    async def claims(self) -> ports.Claims:
        return SqliteClaims(self.engine)

    async def waits(self) -> ports.Waits:
        return await SqliteWaits.open(self.engine)

    async def erasures(self) -> ports.Erasures:
        return SqliteErasures(self.engine)

    async def timers(self) -> ports.Timers:
        return SqliteTimers(self.engine, keep_retired_ms=KEEP_RETIRED_MS)

    async def fanouts(self) -> ports.Fanouts:
        return SqliteFanouts(self.engine)

    async def keys(self) -> ports.Keys:
        return SqliteKeys(self.engine)

    async def trail(self) -> ports.Trail:
        return SqliteTrail(self.engine)

    async def orphans(self) -> ports.Orphans:
        return await SqliteOrphans.open(self.engine, rows_max=ORPHANS_MAX)

    async def pauses(self) -> ports.PauseRows:
        return SqlitePauses(self.engine)

    async def status_webhooks(self) -> ports.StatusWebhooks:
        return SqliteStatusWebhooks(self.engine)

    async def dead_letters(self) -> ports.DeadLetters:
        return SqliteDeadLetters(self.engine)

    async def standings(self) -> ports.Standings:
        return SqliteStandings(self.engine)


def _fatal(error: BaseException) -> None:
    raise AssertionError("the writer failed") from error
