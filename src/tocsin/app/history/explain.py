"""Explain: one event, one recipient, what happened and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from pyroaring import BitMap

from tocsin.app.history.chunks import ChunksStep
from tocsin.app.history.deliveries import DeliveriesStep
from tocsin.app.history.finding import Finder, LaneEvent
from tocsin.app.history.meaning import MeaningStep
from tocsin.app.history.retention import Retention
from tocsin.app.history.waiting import WaitingStep, to_come
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.inputs import Input
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.explain import Run, sentence, summary_outcome
from tocsin.domain.history import notes, outcome, reason_in
from tocsin.domain.ids import show_event
from tocsin.domain.instants import show_instant
from tocsin.domain.reasons import Outcome
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Plan, PlannedRun
from tocsin.domain.workflow import Workflow
from tocsin.errors import NotFound
from tocsin.ports.cache import Blobs
from tocsin.ports.state import Fanouts, Recipients

_ALIASES_FOLLOWED_MAX: Final = 3

Who = tuple[str, Recipient | None]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: one sentence, and the data behind it."""

    sentence: str
    outcome: str
    event: bytes | None
    lanes: Sequence[LaneEvent] = ()
    recipient: str
    known: bool
    alias_of: bytes | None = None
    runs: Sequence[Run] = ()


class Explainer:
    """Puts the sentence together from what is stored."""

    def __init__(
        self,
        finder: Finder,
        recipients: Recipients,
        workflows: RunWorkflows,
        fanouts: Fanouts,
        blobs: Blobs,
        meaning: MeaningStep,
        deliveries: DeliveriesStep,
        pauses: PauseGate,
        intervals: WaitingStep,
        retention: Retention,
    ) -> None:
        self._pauses = pauses
        self._finder = finder
        self._recipients = recipients
        self._chunks = ChunksStep(recipients)
        self._workflows = workflows
        self._fanouts = fanouts
        self._blobs = blobs
        self._meaning = meaning
        self._deliveries = deliveries
        self._intervals = intervals
        self._retention = retention

    async def by_source(self, source: str, id: str, recipient: str) -> Explanation:
        """Explain the event that was sent as (source, id)."""
        key = await self._finder.key_of(source, id)
        if key is None:
            said = (
                f"No event with the source {source!r} and the id {id!r} is remembered: it was"
                " never accepted here, or its time is over and only its evt_ id finds it."
            )
            return Explanation(
                sentence=said, outcome="unknown_event", event=None, recipient=recipient, known=False
            )
        return await self(key, recipient)

    async def __call__(self, key: bytes, recipient: str) -> Explanation:
        """Explain the event with *key*; what is unknown is an answer, too."""
        return await self._explain(key, recipient, _ALIASES_FOLLOWED_MAX)

    async def _explain(self, key: bytes, id: str, aliases: int) -> Explanation:
        lanes = await self._finder.event(key)
        profile = (await self._recipients.by_id([id])).get(id)
        what = outcome(lane.own for lane in lanes) if lanes else "unknown_event"
        said = _without_runs(what, lanes) if lanes else await self._retention.gone(key)
        owner = next((e.own.alias_of for e in lanes if e.own and e.own.alias_of), None)
        if said is None and what == Outcome.ALIAS and owner is not None and aliases:
            return await self._as_alias(key, owner, id, aliases - 1)
        runs: list[Run] = []
        if said is None:
            for lane in lanes:
                runs += await self._lane(lane, (id, profile))
            said, what = _said(id, profile, runs)
        return Explanation(
            sentence=said,
            outcome=what,
            event=key,
            lanes=lanes,
            recipient=id,
            known=profile is not None,
            alias_of=owner,
            runs=runs,
        )

    async def _as_alias(self, key: bytes, owner: bytes, id: str, aliases: int) -> Explanation:
        """A duplicate has no story of its own: tell that of the event that it repeats."""
        told = await self._explain(owner, id, aliases)
        said = (
            f"{show_event(key)} repeats the source and id of {show_event(owner)} and had no"
            f" effect of its own; of that one: {told.sentence}"
        )
        return msgspec.structs.replace(told, sentence=said, event=key, alias_of=owner)

    async def _lane(self, lane: LaneEvent, who: Who) -> list[Run]:
        plan = lane.own
        if plan is None:
            detail = f"accepted at {show_instant(lane.event.accepted_ms)} and not routed yet"
            pause = self._pauses.now.stops_lane(lane.lane)
            if pause is not None:
                detail += f": the lane {lane.lane} is paused [{pause.rule}]"
            return [
                Run(workflow=key, version=v, lane=lane.lane, outcome="waiting", detail=detail)
                for key, v, _ in lane.event.workflows
            ]
        return [await self._run(lane, plan, run, who) for run in plan.runs]

    async def _run(self, lane: LaneEvent, plan: Plan, run: PlannedRun, who: Who) -> Run:
        base = Run(
            workflow=run.workflow,
            version=run.version,
            lane=lane.lane,
            outcome="routed",
            fanout=run.fanout,
        )
        if run.outcome is Outcome.ALIAS:
            return msgspec.structs.replace(base, outcome="alias", alias_of=run.owner)
        event = lane.event
        entry = Input(lane.partition, lane.position, 0, event, event, lane.position)
        try:
            workflow = await self._workflows.version(run.workflow, run.version, event.content)
        except NotFound as error:
            return msgspec.structs.replace(base, outcome="waiting", detail=error.detail)
        later = to_come(run, event)
        if later:
            return msgspec.structs.replace(base, outcome="waiting", detail=later)
        audience = await self._meaning(entry, workflow, who, plan.decided_ms)
        base = msgspec.structs.replace(base, audience=audience)
        told = await self._noted(base, entry, workflow, lane, run, who)
        if told is None and run.fanout is not None:
            told = await self._in_fanout(base, entry, workflow, run, who)
        if told is None:
            told = msgspec.structs.replace(base, outcome="not_in_audience")
        inside = any(step.member for step in audience) and not any(s.excluded for s in audience)
        return msgspec.structs.replace(
            told, audience_differs=inside != (told.outcome != "not_in_audience")
        )

    async def _noted(
        self,
        base: Run,
        entry: Input,
        workflow: Workflow,
        lane: LaneEvent,
        run: PlannedRun,
        who: Who,
    ) -> Run | None:
        """Tell what plans say of this recipient, if they name them."""
        id, profile = who
        pairs = [(plan, each) for plan, each in lane.runs() if each.index == run.index]
        found = (
            notes(lane.lane, pairs, recipient=profile.number)
            if profile is not None
            else notes(lane.lane, pairs, recipient_id=id)
        )
        note = next(iter(found.values()), None)
        if note is None:
            return None
        versions = {each.profile_version for each in note.deliveries}
        away = dict.fromkeys(what for plan, _ in pairs for what in plan.facts_away)
        return msgspec.structs.replace(
            base,
            waiting=await self._intervals(lane, workflow, note),
            notification=note.key,
            profile_version=max(versions, default=None),
            facts_away=tuple(away),
            deliveries=await self._deliveries.of_note(entry, workflow, note),
        )

    async def _in_fanout(
        self, base: Run, entry: Input, workflow: Workflow, run: PlannedRun, who: Who
    ) -> Run | None:
        """Tell what a fan-out's chunks say, or how far it has come."""
        _, profile = who
        assert run.fanout is not None
        assert entry.event is not None
        if profile is None:
            return None
        chunks = await self._finder.chunks(entry.event.key)
        mine = [each for each in chunks if each.index == run.index]
        if any(reason_in(each, profile.number) for each in mine):
            then = await self._recipients.version_at(profile.number, mine[0].visible_ms)
            version = then.version if then is not None else 0
            (note,) = (await self._chunks.notes(mine, profile, version)).values()
            return msgspec.structs.replace(
                base,
                notification=note.key,
                profile_version=version,
                deliveries=await self._deliveries.of_note(entry, workflow, note),
            )
        row = await self._fanouts.get(run.fanout)
        if row is None or profile.number not in await self._snapshot(row.snapshot):
            return None
        state = {"paused": "paused", "aborted": "aborted"}.get(row.state, "waiting")
        because = f" ({row.reason})" if row.reason else ""
        detail = {
            "paused": f"its fan-out is paused{because}",
            "aborted": f"its fan-out was aborted before it came there{because}",
        }.get(row.state, f"its fan-out has decided {row.decided} of {row.audience}")
        return msgspec.structs.replace(base, outcome=state, detail=detail)

    async def _snapshot(self, name: str) -> BitMap:
        try:
            return BitMap.deserialize(await self._blobs.get(name))
        except NotFound:
            return BitMap()


def _without_runs(what: str, lanes: Sequence[LaneEvent]) -> str | None:
    """Return the sentence for an event that is held and has no runs to tell of."""
    first = lanes[0]
    if what == Outcome.NO_WORKFLOW:
        return f"Nobody got it: no workflow took events of the type {first.event.type!r}."
    if what == Outcome.POISON:
        detail = next((e.own.detail for e in lanes if e.own and e.own.detail), "")
        return f"Nobody got it: the event could not be routed ({detail})."
    if what == "waiting" and not first.event.workflows:
        return f"It was accepted at {show_instant(first.event.accepted_ms)} and is not routed yet."
    return None


def _said(id: str, profile: Recipient | None, runs: Sequence[Run]) -> tuple[str, str]:
    what = summary_outcome(runs)
    said = sentence(id, runs)
    if profile is None and what == "not_in_audience":
        return f"There is no recipient {id!r} here, and the event did not name them.", (
            "unknown_recipient"
        )
    return said, what
