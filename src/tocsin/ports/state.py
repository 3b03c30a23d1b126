"""
The state store: what people configured, and what may race.

Every implementation passes the suites ``tests/contract/test_state_*.py``. Common to all ports here:

*Durable*: a method that writes has been made durable when it returns, but for those whose name
begins with ``claim`` and for `Recipients.put`: they promise that **no log commit submitted after
they returned becomes durable unless they do**. On one engine they are queued ahead of it; on
several they wait for durability. *Twice*: a write is keyed by ids that its caller carries, so a
repeat changes nothing. *Away*: raises `tocsin.errors.Unavailable` and nothing was done, or it is
not known; repeat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from pyroaring import BitMap

from tocsin.domain.audience import Subscription
from tocsin.domain.category import Category, Tenant
from tocsin.domain.recipient import Recipient


class Recipients(Protocol):
    """Recipients by the customer's id and by dense number, every version kept."""

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return the newest version of those that exist (erased ones too). Bulk; cached."""

    async def by_number(self, numbers: Sequence[int]) -> Mapping[int, Recipient]:
        """Return the newest version of those that exist."""

    async def put(self, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        """
        Write new versions; ``number`` 0 creates and gets the next dense number.

        ``version`` must be that of the stored one + 1 (1 for a new one), else
        `tocsin.errors.Conflict` and nothing of the call is kept. Returns what was stored.
        """

    async def durable(self) -> None:
        """Return when everything that was put before is durable."""

    async def version(self, number: int, version: int) -> Recipient | None:
        """Return an old version, as long as the ledger keeps what names it."""

    async def version_at(self, number: int, at_ms: int) -> Recipient | None:
        """Return the version that was current at *at_ms*."""

    async def page(self, after: str | None, limit: int) -> Sequence[Recipient]:
        """Return recipients ordered by id, after *after*."""


class Membership(msgspec.Struct, frozen=True, array_like=True):
    """One recipient's time in a group: from, and until (None: still)."""

    recipient: int
    from_ms: int
    until_ms: int | None


class Audiences(Protocol):
    """Groups, object subscriptions, and the sets that fan-outs are computed with."""

    async def put_group(self, key: str, name: str | None, now_ms: int) -> None:
        """Create or rename a group."""

    async def group(self, key: str) -> tuple[str, str | None, int] | None:
        """Return (key, name, members) or None."""

    async def delete_group(self, key: str, now_ms: int) -> bool:
        """End the group and all memberships; False when there is none."""

    async def change_members(
        self, key: str, *, add: Sequence[int], remove: Sequence[int], now_ms: int
    ) -> tuple[int, int]:
        """Return how many really joined and left. Intervals are kept for ``explain``."""

    async def members(self, key: str, *, after: int, limit: int) -> Sequence[int]:
        """Return member numbers above *after*, ascending."""

    async def members_at(self, key: str, at_ms: int, numbers: Sequence[int]) -> set[int]:
        """Return those of *numbers* who were members at *at_ms*."""

    async def subscribe(self, subscription: Subscription, now_ms: int) -> None:
        """Create or replace the subscription of one recipient to one object."""

    async def unsubscribe(
        self, collection: str, object_id: str, recipient: int, now_ms: int
    ) -> bool:
        """End it; False when there is none."""

    async def subscribers(self, collection: str, object_id: str) -> Sequence[Subscription]:
        """Return the object's subscriptions, with their conditions."""

    async def subscribers_at(
        self, collection: str, object_id: str, at_ms: int
    ) -> Sequence[Subscription]:
        """Return what `subscribers` would have returned at *at_ms*."""

    async def everyone(self) -> BitMap:
        """Return the numbers of all recipients that exist."""

    async def sets(self, keys: Sequence[str], block: int) -> Mapping[str, BitMap]:
        """
        Return sets of numbers within ``block`` (number >> 16), empty ones for unknown keys.

        Kept in step with `Recipients.put` and suppressions, in the same transaction; the keys are
        those of `tocsin.domain.fanout.set_keys`.
        """


class Suppression(msgspec.Struct, frozen=True):
    """An entry of the suppression list: a recipient or an address, for one channel or all."""

    id: str
    recipient: int | None
    channel: str | None
    digest: bytes | None
    reason: str
    source: str
    at_ms: int
    hint: str = ""
    """What may be shown of the address, for example ``a…@example.org``."""


class Suppressions(Protocol):
    """Who must not be sent to, whatever else says yes."""

    async def add(self, entries: Sequence[Suppression]) -> None:
        """Add; the same id replaces."""

    async def remove(self, id: str) -> bool:
        """Remove; False when there is none."""

    async def page(self, after: str | None, limit: int) -> Sequence[Suppression]:
        """Return entries ordered by id."""

    async def matching(
        self, numbers: Sequence[int], digests: Sequence[bytes]
    ) -> Sequence[Suppression]:
        """Return the entries that concern those recipients or addresses. Bulk; cached."""


class StoredWorkflow(msgspec.Struct, frozen=True):
    """One version of a workflow's document; version 0 is the draft."""

    key: str
    version: int
    document: bytes
    """JSON."""
    at_ms: int
    active: bool = True
    by: str = ""


class Workflows(Protocol):
    """Workflow documents with draft and versions, categories, tenants. Small; read at start."""

    async def put_draft(self, workflow: StoredWorkflow) -> None:
        """Replace the draft."""

    async def publish(self, key: str, document: bytes, by: str, now_ms: int) -> StoredWorkflow:
        """Make *document* the next version and the active one, atomically."""

    async def set_active(self, key: str, active: bool, now_ms: int) -> bool:
        """Switch all runs of a workflow on or off; False when there is none."""

    async def draft(self, key: str) -> StoredWorkflow | None:
        """Return the draft."""

    async def versions(self, key: str) -> Sequence[StoredWorkflow]:
        """Return the published versions, newest first."""

    async def published(self) -> Sequence[StoredWorkflow]:
        """Return the newest published version of every workflow."""

    async def version(self, key: str, version: int) -> StoredWorkflow | None:
        """Return one published version, kept as long as the ledger."""

    async def put_category(self, category: Category, now_ms: int) -> None:
        """Create or replace."""

    async def categories(self) -> Sequence[Category]:
        """Return all."""

    async def put_tenant(self, tenant: Tenant, now_ms: int) -> None:
        """Create or replace."""

    async def tenants(self) -> Sequence[Tenant]:
        """Return all."""


class Deduplication(Protocol):
    """
    The truth about (producer's scope, source, id) → event, over a window.

    Settled per (digest, workflow index); a digest is 16 bytes, an owner an event's key.
    """

    def lookup(self, digests: Sequence[bytes], now_ms: int) -> Mapping[bytes, bytes]:
        """
        Return owners that are known without waiting, for the answer ``duplicate: true``.

        What is returned is exact; what is missing may still be a duplicate.
        """

    async def claim(self, claims: Sequence[tuple[bytes, bytes]], now_ms: int) -> Sequence[bytes]:
        """
        Insert (digest, event key) where absent; return each digest's owner, in order.

        An owner that equals the given key is no duplicate, however often it is claimed.
        """

    async def owner(self, digest: bytes) -> bytes | None:
        """Return the owner, also one whose window has passed, while it is stored."""

    async def owners(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the owners that are stored, for ``explain`` by source and id."""


class StoredAnswer(msgspec.Struct, frozen=True):
    """What was answered to a request with an ``Idempotency-Key``."""

    status: int
    body: bytes
    content_type: str


class Idempotency(Protocol):
    """``Idempotency-Key`` for whole requests, 24 h (draft-ietf-httpapi-idempotency-key-header)."""

    async def begin(
        self, scope: str, key: str, fingerprint: bytes, now_ms: int
    ) -> StoredAnswer | None:
        """
        Take the key, or return the stored answer to the same request.

        Raises `tocsin.errors.Conflict` while another request runs under it (for 60 s, then it is
        taken over) and `tocsin.errors.RequestRefused` (``idempotency_key_reused``) for another
        body.
        """

    async def finish(self, scope: str, key: str, answer: StoredAnswer, now_ms: int) -> None:
        """Store the answer."""

    async def forget(self, scope: str, key: str) -> None:
        """Give the key back: a refusal is not stored."""


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """Who holds a delivery that something else may race for."""

    delivery: bytes
    holder: str
    """route | worker | cancel | timer | receipt."""
    state: str
    epoch: int
    at_ms: int
    cancellation_key: str | None = None
    """What a cancel finds the row by; stays as it was first claimed."""
    event_ms: int | None = None
    """The event's own time, if it has one; see `Tombstone.catches`."""
    lane: str = ""
    channel: str = ""
    """With ``lane`` what whoever ends the delivery must say of it."""


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """A cancel that also catches what is still to come."""

    key: str
    recipients: tuple[str, ...] | None
    at_ms: int
    until_ms: int

    def catches(self, event_ms: int | None, recipient_id: str | None) -> bool:
        """
        Return whether it ends a delivery of its key.

        Events whose own time is after the cancel are not meant; those that carry none are.
        """
        if self.recipients is not None and recipient_id not in self.recipients:
            return False
        return event_ms is None or event_ms <= self.at_ms


class Claims(Protocol):
    """The one row where cancel, worker, receipt and timer meet, by compare-and-set."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """
        Insert each row where absent and return the row that stands, in order; durable.

        A delivery that a tombstone of its cancellation key catches, live at the claim's
        ``at_ms``, is claimed for the cancel instead: holder ``cancel``, state ``cancelled``. A
        cancel writes its tombstone before it looks for rows, so whichever comes second sees the
        first.
        """

    async def swap(self, old: Claim, new: Claim) -> Claim:
        """
        Replace *old* by *new* if it still stands, by holder, state and epoch.

        Returns what stands then; raises `tocsin.errors.NotFound` when the delivery has no row.
        """

    async def by_cancellation_key(self, key: str) -> Sequence[Claim]:
        """Return all rows under the key."""

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        """Durable before any row of its key is looked for."""

    async def tombstones(
        self, keys: Sequence[str], now_ms: int
    ) -> Mapping[str, Sequence[Tombstone]]:
        """Return live tombstones by key, oldest first; also every one that is durable by now."""


class Timer(msgspec.Struct, frozen=True, array_like=True):
    """
    A row that appends an input record when it is due. ``record`` is the encoded record.

    ``about`` is what waits (a delivery's key), so that ``explain`` finds it.
    """

    key: bytes
    due_ms: int
    topic: str
    partition: int
    record: bytes
    about: bytes
    kind: str
    reason: str = ""


class Timers(Protocol):
    """Due times that survive a crash. A row is retired last: after its record is durable."""

    def on_arm(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* on the loop whenever rows have been armed and are durable.

        At most a second later where another process armed them.
        """

    async def claim_arm(self, timers: Sequence[Timer]) -> None:
        """Insert rows where absent (a fired one stays fired)."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        """Return armed rows with ``due_ms <= now_ms``, in order of (due, key)."""

    async def fired(self, keys: Sequence[bytes], now_ms: int) -> None:
        """Retire rows whose record is durable."""

    async def next_due_ms(self) -> int | None:
        """Return the earliest due time of an armed row."""

    async def waiting(self, about: Sequence[bytes]) -> Sequence[Timer]:
        """Return armed rows about those deliveries."""

    async def disarm(self, keys: Sequence[bytes]) -> None:
        """Retire rows without firing."""


class Fanout(msgspec.Struct, frozen=True, array_like=True):
    """
    One run of a workflow for many, cut into chunks (`tocsin.domain.chunks`).

    ``cursor`` is the next chunk, ``decided`` how many members those before it have; a chunk counts
    its members once for each step. ``state`` is running | paused | aborted | done.
    """

    key: bytes
    event: bytes
    event_lane: str
    event_partition: int
    event_position: int
    workflow: str
    version: int
    index: int
    lane: str
    snapshot: str
    """The blob with the audience, a serialised Roaring bitmap."""
    audience: int
    created_ms: int
    cursor: int = 0
    decided: int = 0
    state: str = "running"
    reason: str = ""
    changed_ms: int = 0
    steps: int = 1
    """How many steps the workflow has: each of them is decided for everybody."""


class Fanouts(Protocol):
    """Rows of fan-outs; pause, resume and abort are changes to a row."""

    def on_change(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* on the loop whenever rows are durable that are new or changed their state.

        At most a second later where another process wrote them.
        """

    async def claim_create(self, fanouts: Sequence[Fanout]) -> None:
        """Insert where absent."""

    async def get(self, key: bytes) -> Fanout | None:
        """Return one."""

    async def running(self, lane: str) -> Sequence[Fanout]:
        """Return rows in the state running, oldest first."""

    async def claim_advance(self, key: bytes, *, cursor: int, decided: int, done: bool) -> None:
        """Move the cursor forward; going back is ignored."""

    async def set_state(self, key: bytes, state: str, reason: str, now_ms: int) -> Fanout | None:
        """Pause, resume or abort; a finished one stays as it is."""

    async def of_event(self, event: bytes) -> Sequence[Fanout]:
        """Return the fan-outs of one event."""


class ApiKey(msgspec.Struct, frozen=True):
    """An API key without its secret: only the hash is kept."""

    id: str
    name: str
    digest: bytes
    roles: tuple[str, ...]
    workflows: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    rate_per_s: int | None = None
    created_ms: int = 0
    expires_ms: int | None = None
    revoked_ms: int | None = None


class Keys(Protocol):
    """API keys. Few; an adapter may keep them in memory, at most 5 s old."""

    async def add(self, key: ApiKey) -> None:
        """Add."""

    async def all(self) -> Sequence[ApiKey]:
        """Return all, revoked ones too."""

    async def revoke(self, id: str, now_ms: int) -> bool:
        """Revoke; False when there is none."""


class Change(msgspec.Struct, frozen=True):
    """One entry of the audit trail: who changed what, when. Never holds a secret or an address."""

    at_ms: int
    by: str
    action: str
    target: str
    detail: str = ""


class Trail(Protocol):
    """The audit trail of changes: append-only, each entry chained to the one before by its hash."""

    async def add(self, changes: Sequence[Change]) -> None:
        """Append."""

    def entries(self, since_ms: int) -> AsyncIterator[Change]:
        """Yield entries, oldest first."""

    async def verify(self) -> int | None:
        """Return the number of the first entry that breaks the chain, or None."""


class Orphans(Protocol):
    """Receipts whose reference is not known yet; matched when the attempt appears."""

    async def keep(self, provider: str, reference: str, receipt: bytes, now_ms: int) -> None:
        """Keep for 24 h."""

    async def take(
        self, references: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Sequence[bytes]]:
        """Return and remove what was kept for those (provider, reference)."""
