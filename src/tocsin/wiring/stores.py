"""The ports of state, cache and system, filled for one machine."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tocsin.adapters.files.blobs import FolderBlobs
from tocsin.adapters.files.disk import FolderDisk
from tocsin.adapters.files.journal import FileOptOutJournal
from tocsin.adapters.memory.feed import MemoryFeed
from tocsin.adapters.memory.limiter import MemoryLimiter
from tocsin.adapters.memory.presence import MemoryPresence
from tocsin.adapters.proofs import Ed25519Prover
from tocsin.adapters.sealing import AesSealer
from tocsin.adapters.sqlite.addresses import AddressIndex
from tocsin.adapters.sqlite.audiences import SqliteAudiences
from tocsin.adapters.sqlite.claims import SqliteClaims
from tocsin.adapters.sqlite.dead_letters import SqliteDeadLetters
from tocsin.adapters.sqlite.dedup import SqliteDeduplication
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
from tocsin.app.addresses import AddressBook
from tocsin.app.erasing.gone import Gone
from tocsin.config import Config
from tocsin.domain.erasure import ERASED, alias
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.encryption_keys import admitted_keys, derived, key_file
from tocsin.wiring.key_watch import KeyWatch
from tocsin.wiring.storage import Storage

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Every port but log and views."""

    addresses: AddressIndex
    recipients: SqliteRecipients
    erasures: SqliteErasures
    audiences: SqliteAudiences
    suppressions: SqliteSuppressions
    workflows: SqliteWorkflows
    deduplication: SqliteDeduplication
    idempotency: SqliteIdempotency
    claims: SqliteClaims
    timers: SqliteTimers
    waits: SqliteWaits
    fanouts: SqliteFanouts
    keys: SqliteKeys
    trail: SqliteTrail
    orphans: SqliteOrphans
    standings: SqliteStandings
    status_webhooks: SqliteStatusWebhooks
    pauses: SqlitePauses
    dead_letters: SqliteDeadLetters
    blobs: FolderBlobs
    journal: FileOptOutJournal
    sealer: AesSealer
    key_watch: KeyWatch
    feed: MemoryFeed
    presence: MemoryPresence
    limiter: MemoryLimiter
    gone: Gone
    prover: Ed25519Prover
    token_key: bytes
    link_key: bytes
    hash_seed: int
    disk: FolderDisk


async def open_stores(
    config: Config,
    folder: Path,
    storage: Storage,
    stack: AsyncExitStack,
    clock: Clock,
    chance: Chance,
) -> Stores:
    """Fill the ports; what they hold in memory is loaded when this returns."""
    state = storage.state
    keys, place = admitted_keys(config, folder, chance)
    secret = keys[-1]  # digests, links and tokens that are out hang on the folder's first key
    blobs = FolderBlobs(folder / "blobs")
    stack.callback(blobs.close)
    journal = FileOptOutJournal(folder / "optouts.journal")
    stack.callback(journal.close)
    addresses = await AddressIndex.open(state)
    sealer = AesSealer(keys, chance)
    return Stores(
        addresses=addresses,
        recipients=await SqliteRecipients.open(
            state,
            addresses,
            cache_size=config.store.recipients_held_max,
            alias=lambda id: alias(sealer.digest(id, place=ERASED)),
            renew=AddressBook(sealer).renewed,
        ),
        audiences=SqliteAudiences(state),
        erasures=SqliteErasures(state),
        suppressions=await SqliteSuppressions.open(state, addresses),
        workflows=SqliteWorkflows(state),
        deduplication=await SqliteDeduplication.open(
            state, name="dedup", window_ms=config.accept.dedup_window_ms
        ),
        idempotency=SqliteIdempotency(state),
        claims=SqliteClaims(state),
        timers=SqliteTimers(state, keep_retired_ms=_DAY_MS),
        waits=await SqliteWaits.open(state),
        fanouts=SqliteFanouts(state),
        keys=SqliteKeys(state),
        trail=SqliteTrail(state),
        pauses=SqlitePauses(state),
        status_webhooks=SqliteStatusWebhooks(state),
        dead_letters=SqliteDeadLetters(state),
        standings=SqliteStandings(state),
        orphans=await SqliteOrphans.open(state, rows_max=config.deliver.orphans_max),
        blobs=blobs,
        journal=journal,
        sealer=sealer,
        key_watch=KeyWatch(sealer, folder, key_file(config, folder), place, keys),
        feed=MemoryFeed(),
        presence=MemoryPresence(),
        limiter=MemoryLimiter(clock, buckets_max=config.http.callers_max),
        token_key=derived(secret, b"tocsin recipients' tokens", 32),
        link_key=derived(secret, b"tocsin links to unsubscribe", 32),
        disk=FolderDisk(folder, ballast_bytes=config.store.ballast_bytes),
        gone=Gone(),
        prover=Ed25519Prover(derived(secret, b"tocsin erasure proofs", 32)),
        hash_seed=int.from_bytes(derived(secret, b"tocsin event hash", 8), "big"),
    )
