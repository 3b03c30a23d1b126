"""Telling one endpoint, call after call, for as long as it is active and of one version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from msgspec.structs import replace

from tocsin.app.renewing import renewed
from tocsin.app.status_webhooks.describing import Describing
from tocsin.app.status_webhooks.reading import At, Portion, StatusReader, Where, ends_of
from tocsin.app.status_webhooks.telling import Verdict, body_of, call_id, post
from tocsin.config import StatusWebhookSettings
from tocsin.domain.retry import RetryPolicy, next_attempt_ms
from tocsin.domain.status_webhook import Spot, StatusWebhook, Told
from tocsin.domain.statuses import Status
from tocsin.ports.cache import Sealer
from tocsin.ports.log import Log
from tocsin.ports.state import Change, Recipients, StatusWebhooks, Trail
from tocsin.ports.system import Chance, Clock
from tocsin.ports.transport import Transport

BY: Final = "system"
_QUIET_MS: Final = 3_600_000
"""How long an endpoint must have heard nothing before records that are not there count as missed."""

_SAVE_EVERY_MS: Final = 60_000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TellerParts:
    """What every endpoint's teller is made of."""

    log: Log
    rows: StatusWebhooks
    recipients: Recipients
    trail: Trail
    sealer: Sealer
    transport: Transport
    clock: Clock
    chance: Chance
    wall_ms: Callable[[], int]
    settings: StatusWebhookSettings
    calls: Counter[str] = field(default_factory=Counter)
    """
    Calls by how they ended, taken or failed; how many endpoints were given up; and how often telling
    broke off by a mistake of ours.
    """


class Teller:
    """
    Reads, tells, and goes on only when it was taken.

    What a call tells of is written down before it is made, so that it is the same after a crash,
    under the same id.
    """

    def __init__(self, webhook: StatusWebhook, parts: TellerParts) -> None:
        self._webhook = webhook
        self._parts = parts
        self._describing = Describing(parts.log, parts.recipients)
        self._reader = StatusReader(parts.log, self._wants, self._describing.see)
        settings = parts.settings
        self._policy = RetryPolicy(
            base_ms=settings.retry_base_ms, cap_ms=settings.retry_cap_ms, attempts_max=2**62
        )
        self._at: dict[Where, At] | None = None
        self._due_ms: int | None = None

    def busy(self) -> bool:
        """Return whether there is something to read or to tell, now rather than at its next try."""
        if self._due_ms is not None:
            return self._due_ms <= self._parts.clock.now_ms()
        return self._at is None or _more(self._at, ends_of(self._parts.log))

    def next_ms(self) -> int | None:
        """Return when the endpoint is tried again; None while it is not failing."""
        return self._due_ms

    async def rest(self, ms: int) -> None:
        """Tell nothing for so long."""
        await self._rest(self._parts.clock.now_ms() + ms)

    async def run(self) -> None:
        """Tell until cancelled, or until the endpoint is given up."""
        told = await self._parts.rows.told(self._webhook.key)
        if told is None:
            return
        if told.version != self._webhook.version:
            told = replace(told, failing_ms=None, version=self._webhook.version)
        secret = open_secret(self._parts.sealer, self._webhook)
        cut: dict[Where, At] = {}
        while True:
            self._at = _places(told.spots)
            if told.until is None:
                cut = await self._cut(told.spots, cut)
                told, portion = await self._next(told, cut)
            else:
                portion = await self._reader.portion(told.spots, _places(told.until), None)
            statuses = await self._chosen(portion)
            missed = self._missed(told, portion)
            if statuses or missed:
                done = await self._tell(told, portion.until, statuses, missed, secret)
                if done is None:
                    return
                told = done
                await self._parts.rows.tell(self._webhook.key, told)
            else:
                told = await self._pass_by(told, portion)

    async def _cut(self, spots: Sequence[Spot], cut: dict[Where, At]) -> dict[Where, At]:
        """Return up to where to read: as before, until that is told; then wait for more."""
        log = self._parts.log
        at = _places(spots)
        if _more(at, cut):
            return cut
        while True:
            ends = ends_of(log)
            if _more(at, ends):
                return ends
            await log.wait({where: at.get(where, (0, 0))[0] for where in ends})
            # Some more may gather, so that one call tells of it.
            await self._parts.clock.pause(self._parts.settings.batch_wait_ms)

    async def _next(self, told: Told, cut: dict[Where, At]) -> tuple[Told, Portion]:
        """Read the next portion; write down what it is, when there is something to tell."""
        limit = self._parts.settings.batch_max
        portion = await self._reader.portion(told.spots, cut, limit)
        if portion.statuses:
            told = replace(told, until=portion.until)
            await self._parts.rows.tell(self._webhook.key, told)
        return told, portion

    async def _pass_by(self, told: Told, portion: Portion) -> Told:
        """Go on where there is nothing to tell; that is written down now and then."""
        now_ms = self._parts.clock.now_ms()
        told = replace(told, spots=portion.until, until=None)
        if now_ms - told.at_ms > _SAVE_EVERY_MS:
            told = replace(told, at_ms=now_ms)
            await self._parts.rows.tell(self._webhook.key, told)
        return told

    async def _chosen(self, portion: Portion) -> list[tuple[str, Status]]:
        ids = [id for id, _ in portion.statuses]
        described = await self._describing.complete([each for _, each in portion.statuses])
        workflows = self._webhook.workflows
        return [
            (id, each)
            for id, each in zip(ids, described, strict=True)
            if not workflows or each.workflow in workflows
        ]

    def _wants(self, status: Status) -> bool:
        webhook = self._webhook
        if webhook.states and status.state not in webhook.states:
            return False
        if webhook.channels and status.channel not in webhook.channels:
            return False
        return not (webhook.workflows and status.workflow) or status.workflow in webhook.workflows

    def _missed(self, told: Told, portion: Portion) -> int:
        # A step that failed leaves no record at its positions; those nobody missed.
        quiet = self._parts.clock.now_ms() - told.at_ms > _QUIET_MS
        return portion.missed if quiet else 0

    async def _tell(
        self,
        told: Told,
        until: tuple[Spot, ...],
        statuses: Sequence[tuple[str, Status]],
        missed: int,
        secret: str,
    ) -> Told | None:
        """Call until it is taken; None when the endpoint was given up."""
        parts, webhook = self._parts, self._webhook
        id = call_id(webhook.key, told.spots, until)
        at_ms = max((each.at_ms for _, each in statuses), default=parts.clock.now_ms())
        body = body_of(statuses, missed, at_ms)
        attempts = 0
        while True:
            verdict = await post(parts.transport, webhook.url, secret, id, body, parts.wall_ms)
            now_ms = parts.clock.now_ms()
            attempts += 1
            parts.calls["taken" if verdict.taken else "failed"] += 1
            if verdict.taken:
                return Told(until, None, None, webhook.version, now_ms)
            told = await self._failing(told, now_ms)
            if await self._given_up(told, verdict, now_ms):
                return None
            due_ms = next_attempt_ms(
                self._policy,
                attempts=attempts,
                now_ms=now_ms,
                fraction=parts.chance.fraction(),
                retry_after_ms=verdict.after_ms,
            )
            assert due_ms is not None
            await self._rest(due_ms)

    async def _rest(self, until_ms: int) -> None:
        self._due_ms = until_ms
        await self._parts.clock.sleep_until(until_ms)
        self._due_ms = None

    async def _failing(self, told: Told, now_ms: int) -> Told:
        if told.failing_ms is not None:
            return told
        told = replace(told, failing_ms=now_ms)
        await self._parts.rows.tell(self._webhook.key, told)
        return told

    async def _given_up(self, told: Told, verdict: Verdict, now_ms: int) -> bool:
        """Give an endpoint up that says it is gone, or that failed for too long."""
        parts, webhook = self._parts, self._webhook
        assert told.failing_ms is not None
        if not verdict.gone and now_ms - told.failing_ms < parts.settings.disable_after_ms:
            return False
        if await parts.rows.disable(webhook.key, webhook.version, now_ms):
            target = f"status_webhook/{webhook.key}"
            await parts.trail.add(
                (Change(now_ms, BY, "status_webhook.disable", target, verdict.detail),)
            )
            parts.calls["given up"] += 1
            logger.warning("status_webhook_disabled", key=webhook.key, said=verdict.detail)
        return True


def open_secret(sealer: Sealer, webhook: StatusWebhook) -> str:
    """Return an endpoint's secret, or several."""
    return sealer.open(webhook.sealed_secret, place=secret_place(webhook.key))


def with_renewed_secret(sealer: Sealer, webhook: StatusWebhook) -> StatusWebhook:
    """Return *webhook* with its secret under the newest key: itself if it is."""
    sealed = renewed(sealer, webhook.sealed_secret, secret_place(webhook.key))
    if sealed is webhook.sealed_secret:
        return webhook
    return replace(webhook, sealed_secret=sealed)


def secret_place(key: str) -> str:
    """Return where a secret belongs: sealed for one endpoint, it opens for no other."""
    return f"status_webhook/{key}"


def _more(at: Mapping[Where, At], ends: Mapping[Where, At]) -> bool:
    return any(at.get(where, (0, 0)) < end for where, end in ends.items())


def _places(spots: Sequence[Spot]) -> dict[Where, At]:
    return {(topic, partition): (position, part) for topic, partition, position, part in spots}
