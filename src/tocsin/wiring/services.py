"""The use cases, put together from the ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from tocsin.app.accepting.accept import Accept
from tocsin.app.accepting.backpressure import Backpressure
from tocsin.app.accepting.room import DiskRoom
from tocsin.app.access import Access
from tocsin.app.addresses import AddressBook
from tocsin.app.announcing import Announcer
from tocsin.app.broadcasts import BroadcastTexts
from tocsin.app.dead_letters.projecting import DeadLetterProjection
from tocsin.app.fanout_chunks import ChunkStep
from tocsin.app.fanouts import FanoutRunner
from tocsin.app.inbox import InboxDesk
from tocsin.app.leaving import LeaveLinks
from tocsin.app.lookup import EventLookup
from tocsin.app.metrics.families import AUDIT_FAMILY
from tocsin.app.metrics.meters import EventMeter, MessageMeter
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.pausing.releasing import ReleaseStep
from tocsin.app.project import InboxProjection, LedgerProjection, following
from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.routing.again import AgainStep
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.facts import FactsStep
from tocsin.app.routing.fanning import FanoutStarter
from tocsin.app.routing.holding import HoldStep
from tocsin.app.routing.intervals import IntervalsStep
from tocsin.app.routing.last_known import LastKnown
from tocsin.app.routing.parts import PartsStep
from tocsin.app.routing.people import PeopleStep
from tocsin.app.routing.router import Router
from tocsin.app.routing.settle import Settle
from tocsin.app.routing.step import RouteParts, RouteStep
from tocsin.app.routing.succession import SuccessorStep
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.status_webhooks.runner import StatusWebhookRunner
from tocsin.app.timers import TimerStep
from tocsin.app.tokens import Tokens
from tocsin.app.tracking import Tracker
from tocsin.app.workflows import WorkflowRegistry
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.domain.keeping import Keep
from tocsin.domain.lanes import Lane
from tocsin.domain.topics import stream_of
from tocsin.ports.log import Follow
from tocsin.ports.system import Chance, Clock
from tocsin.ports.vendors import Vendors
from tocsin.wiring.accepting import Producing, backpressure, build_accept, disk_room
from tocsin.wiring.apart import Apart, build_apart
from tocsin.wiring.channels import Delivery, OpenChannels, build_delivery, without_providers
from tocsin.wiring.history import History, build_history
from tocsin.wiring.public import Whereabouts, public_url
from tocsin.wiring.status_webhooks import build_tellers
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores
from tocsin.wiring.upkeep import Upkeep, build_upkeep


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What roles run and what the driving sides call."""

    config: Config
    storage: Storage
    stores: Stores
    clock: Clock
    chance: Chance
    registry: WorkflowRegistry
    workflows: RunWorkflows
    tokens: Tokens
    access: Access
    accept: Accept
    backpressure: Backpressure
    room: DiskRoom
    inbox: InboxDesk
    router: Router
    fanouts: FanoutRunner
    follow: Follow | None
    """What is written with a step that plans nothing, where one engine holds everything."""
    timers: TimerStep
    pauses: PauseGate
    releases: ReleaseStep
    tracker: Tracker
    inbox_projection: InboxProjection
    ledger_projection: LedgerProjection
    apart: Apart | None
    """What brings the views up to the log, where they are apart from it."""
    letter_projection: DeadLetterProjection
    book: AddressBook
    links: LeaveLinks
    channels: Mapping[str, ChannelFacts]
    delivery: Delivery
    status_webhooks: StatusWebhookRunner | None
    """None where no client for HTTP was opened."""
    vendors: Vendors | None
    """Who plays the vendors of a sandbox; None on a real server."""
    whereabouts: Whereabouts | None
    """Where vendors call back; None where no providers were opened."""
    history: History
    upkeep: Upkeep
    metrics: CollectorRegistry
    event_meter: EventMeter
    message_meter: MessageMeter
    wall_ms: Callable[[], int]
    """Real time: what credentials end by, whatever clock decides about messages."""
    stream_of: Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the use cases stand on; ``follow`` is that of `Services`."""

    config: Config
    storage: Storage
    stores: Stores
    clock: Clock
    chance: Chance
    registry: WorkflowRegistry
    workflows: RunWorkflows
    channels: Mapping[str, ChannelFacts]
    book: AddressBook
    links: LeaveLinks
    known: LastKnown
    projections: tuple[InboxProjection, LedgerProjection, DeadLetterProjection]
    follow: Follow | None
    backpressure: Backpressure
    room: DiskRoom
    pauses: PauseGate

    def facts(self) -> FactsStep:
        """Return what loads facts for decide."""
        return FactsStep(self.known, self.stores.claims, self.workflows, self.channels, self.pauses)

    def events(self) -> EventLookup:
        """Return what finds events that were accepted earlier."""
        return EventLookup(self.storage.log, self.stores.blobs)


async def build(
    config: Config,
    storage: Storage,
    stores: Stores,
    clock: Clock,
    chance: Chance,
    channels: Mapping[str, ChannelFacts] | None = None,
    opened: OpenChannels | None = None,
    wall_ms: Callable[[], int] | None = None,
) -> Services:
    """
    Put the use cases together and load what they keep in memory.

    *opened* are the channels with their providers, without: those that need none. *channels* is
    what decide is told of them, when that is to differ. *wall_ms* is real time, by default the
    clock's.
    """
    opened = opened or without_providers()
    registry = WorkflowRegistry(stores.workflows)
    await registry.refresh()
    workflows = RunWorkflows(registry, stores.workflows)
    await workflows.refresh()
    event_meter, message_meter = EventMeter(), MessageMeter(clock.now_ms)
    stores.feed.subscribe(message_meter.shown)
    projections = (
        InboxProjection(storage.inbox, stores.feed),
        LedgerProjection(storage.ledger, message_meter.ledger),
        DeadLetterProjection(stores.dead_letters),
    )
    joint = storage.log.atomic_with_views
    pauses = PauseGate(stores.pauses)
    await pauses.refresh()
    ground = _Ground(
        config=config,
        storage=storage,
        stores=stores,
        clock=clock,
        chance=chance,
        registry=registry,
        workflows=workflows,
        channels=channels or opened.facts(),
        book=AddressBook(stores.sealer),
        links=LeaveLinks({1: stores.link_key}, 1, public_url(config)),
        known=LastKnown(
            stores.recipients,
            stores.suppressions,
            recipients_max=config.route.last_known_recipients_max,
        ),
        projections=projections,
        follow=Follow(derive=_nothing, projections=projections) if joint else None,
        backpressure=backpressure(config, storage, clock),
        room=disk_room(config, stores, clock),
        pauses=pauses,
    )
    return await _services(ground, opened, event_meter, message_meter, wall_ms or clock.now_ms)


async def _services(
    ground: _Ground,
    opened: OpenChannels,
    event_meter: EventMeter,
    message_meter: MessageMeter,
    wall_ms: Callable[[], int],
) -> Services:
    storage, stores, clock, follow = ground.storage, ground.stores, ground.clock, ground.follow
    tokens = Tokens({1: stores.token_key}, 1, wall_ms=wall_ms)
    access = Access(stores.keys, tokens, stores.limiter, wall_ms=wall_ms)
    await access.refresh()
    stores.gone.on_gone(tokens.end)
    texts = BroadcastTexts(storage.log, ground.workflows, stores.recipients, stores.blobs)
    metrics = CollectorRegistry()
    accept = _accept(ground, event_meter)
    delivery = _delivery(ground, opened, accept, wall_ms)
    tracker = _tracker(ground, delivery.receipts.early)
    violations = Gauge(AUDIT_FAMILY.name, AUDIT_FAMILY.help, registry=metrics)
    return Services(
        config=ground.config,
        storage=storage,
        stores=stores,
        clock=clock,
        chance=ground.chance,
        registry=ground.registry,
        workflows=ground.workflows,
        tokens=tokens,
        access=access,
        accept=accept,
        backpressure=ground.backpressure,
        room=ground.room,
        inbox=InboxDesk(storage.log, storage.inbox, texts, clock, follow),
        router=_router(ground),
        fanouts=_fanouts(ground),
        follow=follow,
        pauses=ground.pauses,
        releases=ReleaseStep(storage.log, stores.pauses, stores.timers, ground.pauses, clock),
        timers=TimerStep(storage.log, stores.timers, clock, _caught_up(delivery, tracker)),
        tracker=tracker,
        inbox_projection=ground.projections[0],
        ledger_projection=ground.projections[1],
        apart=build_apart(storage, stores, ground.projections),
        letter_projection=ground.projections[2],
        book=ground.book,
        links=ground.links,
        channels=ground.channels,
        delivery=delivery,
        status_webhooks=_tellers(ground, opened, wall_ms),
        vendors=opened.vendors,
        whereabouts=opened.whereabouts,
        history=_history(ground, violations.set),
        upkeep=build_upkeep(ground.config, storage, stores, clock, ground.chance),
        metrics=metrics,
        event_meter=event_meter,
        message_meter=message_meter,
        wall_ms=wall_ms,
        stream_of=stream_of,
    )


def _caught_up(delivery: Delivery, tracker: Tracker) -> Callable[[], Awaitable[None]]:
    """Return what is awaited before a timer about outcomes fires: all that was reported by now."""

    async def caught_up() -> None:
        await delivery.receipts.step.caught_up()
        await tracker.caught_up()

    return caught_up


def _nothing(_: object) -> tuple[()]:
    return ()


def _accept(ground: _Ground, meter: EventMeter) -> Accept:
    producing = Producing(ground.registry, ground.book, ground.clock, ground.chance, meter)
    bounds = ground.room, ground.backpressure
    return build_accept(ground.config, ground.storage, ground.stores, producing, *bounds)


def _history(ground: _Ground, tell: Callable[[int], None]) -> History:
    keep = ground.config.keep
    return build_history(
        ground.storage,
        ground.stores,
        ground.registry,
        ground.workflows,
        ground.channels,
        ground.pauses,
        ground.clock,
        Keep(keep.inbox_ms, keep.ledger_ms, keep.log_ms),
        tell,
    )


def _router(ground: _Ground) -> Router:
    log, route = ground.storage.log, ground.config.route

    def follow(lane: Lane) -> Follow | None:
        return following(log, lane, ground.projections) if log.atomic_with_views else None

    return Router(
        log,
        _route_step(ground),
        ground.stores.blobs,
        ground.clock,
        ground.pauses,
        follow=follow,
        batch_events_max=route.batch_events_max,
        moved=ground.backpressure.moved,
    )


def _route_step(ground: _Ground) -> RouteStep:
    stores, workflows = ground.stores, ground.workflows
    return RouteStep(
        RouteParts(
            settle=Settle(stores.deduplication, workflows),
            audiences=AudienceStep(stores.audiences),
            people=PeopleStep(stores.recipients, ground.known, ground.book),
            facts=ground.facts(),
            fanouts=FanoutStarter(stores.fanouts, stores.blobs),
            hold=HoldStep(stores.timers, stores.claims),
            again=AgainStep(ground.events(), workflows),
            successors=SuccessorStep(stores.recipients, stores.deduplication),
            intervals=IntervalsStep(stores.timers, stores.claims, stores.waits),
            parts=PartsStep(stores.timers),
            fanout_threshold=ground.config.route.fanout_threshold,
        )
    )


def _tracker(ground: _Ground, early: EarlyReceipts) -> Tracker:
    storage, stores = ground.storage, ground.stores
    kept = stores.waits, stores.claims, stores.timers, storage.inbox, early
    return Tracker(storage.log, *kept, ground.clock)


def _fanouts(ground: _Ground) -> FanoutRunner:
    log, stores = ground.storage.log, ground.stores
    chunks = ChunkStep(log, stores.audiences, stores.recipients, stores.claims, ground.facts())
    return FanoutRunner(
        log,
        stores.fanouts,
        stores.blobs,
        stores.claims,
        stores.recipients,
        ground.events(),
        ground.workflows,
        chunks,
        ground.clock,
        ground.pauses,
        follow=ground.follow,
        handed_max=ground.config.route.chunk_recipients_max,
    )


def _tellers(
    ground: _Ground, opened: OpenChannels, wall_ms: Callable[[], int]
) -> StatusWebhookRunner | None:
    if opened.transport is None:
        return None
    return build_tellers(
        ground.config,
        ground.storage.log,
        ground.stores,
        opened.transport,
        ground.clock,
        ground.chance,
        wall_ms,
    )


def _delivery(
    ground: _Ground, opened: OpenChannels, accept: Accept, wall_ms: Callable[[], int]
) -> Delivery:
    return build_delivery(
        ground.config,
        ground.storage.log,
        ground.stores,
        ground.workflows,
        ground.book,
        ground.links,
        opened.fleet,
        ground.facts(),
        ground.known,
        ground.pauses,
        ground.clock,
        ground.chance,
        ground.follow,
        wall_ms,
        ground.storage.inbox.unseen,
        Announcer(accept, ground.book),
    )
