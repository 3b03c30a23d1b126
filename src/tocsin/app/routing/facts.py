"""Everything decide looks at, loaded in bulk for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.last_known import SUPPRESSIONS, LastKnown
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.case import ChannelFacts, Facts
from tocsin.domain.pauses import NO_PAUSES, Pauses
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Claims, Suppression, Tombstone


class BatchFacts:
    """The facts of one batch, by workflow and tenant."""

    def __init__(
        self,
        now_ms: int,
        workflows: RunWorkflows,
        channels: Mapping[str, ChannelFacts],
        suppressions: Sequence[Suppression],
        tombstones: Mapping[str, Sequence[Tombstone]],
        away: tuple[str, ...] = (),
        pauses: Pauses = NO_PAUSES,
    ) -> None:
        """*away* names what could not be read, so that the last known counts."""
        self.now_ms = now_ms
        self.away = away
        self.pauses = pauses
        self._workflows = workflows
        self._channels = channels
        self._suppressed = frozenset(
            (s.recipient, s.channel or "") for s in suppressions if s.recipient is not None
        )
        self._suppressed_digests = {
            (s.digest, s.channel or ""): s.said for s in suppressions if s.digest is not None
        }
        self._tombstones = tombstones
        self._facts: dict[tuple[str, str | None], Facts] = {}

    def of(self, workflow: Workflow, tenant: str | None) -> Facts:
        """Return the facts for runs of *workflow* under *tenant*."""
        key = (workflow.key, tenant)
        found = self._facts.get(key)
        if found is None:
            found = self._facts[key] = Facts(
                now_ms=self.now_ms,
                channels=self._channels,
                category=self._workflows.category(workflow.category),
                tenant=self._workflows.tenant(tenant) if tenant is not None else None,
                suppressed=self._suppressed,
                suppressed_digests=self._suppressed_digests,
                workflow_active=self._workflows.active(workflow.key),
            )
        return found

    def cancelled(self, event: Event, recipient_id: str) -> bool:
        """Return whether a tombstone of the event's key catches this recipient."""
        if event.cancellation_key is None:
            return False
        return any(
            tombstone.catches(event.time_ms, recipient_id)
            for tombstone in self._tombstones.get(event.cancellation_key, ())
        )


class FactsStep:
    """Loads `BatchFacts`."""

    def __init__(
        self,
        known: LastKnown,
        claims: Claims,
        workflows: RunWorkflows,
        channels: Mapping[str, ChannelFacts],
        pauses: PauseGate,
    ) -> None:
        self._known = known
        self._claims = claims
        self._workflows = workflows
        self._channels = channels
        self._pauses = pauses

    async def load(
        self,
        recipients: Sequence[Recipient],
        cancellation_keys: Sequence[str],
        now_ms: int,
        lane: str,
    ) -> BatchFacts:
        """
        Read suppressions of all recipients and tombstones of all keys, one query each.

        A cancel is never passed over: a batch waits for tombstones that cannot be read.
        """
        digests = [each.digest for one in recipients for each in one.addresses]
        numbers = [one.number for one in recipients]
        matching, last_known = await self._known.suppressed(numbers, digests, lane)
        tombstones: Mapping[str, Sequence[Tombstone]] = {}
        if cancellation_keys:
            tombstones = await self._claims.tombstones(cancellation_keys, now_ms)
        away = (SUPPRESSIONS,) if last_known else ()
        return BatchFacts(
            now_ms,
            self._workflows,
            self._channels,
            matching,
            tombstones,
            away,
            self._pauses.now,
        )
