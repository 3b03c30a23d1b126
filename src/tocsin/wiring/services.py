"""The use cases, put together from the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from tocsin.app.accepting.accept import Accept, ProducerRate
from tocsin.app.accepting.keying import Keying
from tocsin.app.access import Access
from tocsin.app.addresses import AddressBook
from tocsin.app.broadcasts import BroadcastTexts
from tocsin.app.fanout_chunks import ChunkStep
from tocsin.app.fanouts import FanoutRunner
from tocsin.app.inbox import InboxDesk
from tocsin.app.lookup import EventLookup
from tocsin.app.metrics.families import AUDIT_FAMILY
from tocsin.app.metrics.meters import EventMeter, MessageMeter
from tocsin.app.project import InboxProjection, LedgerProjection, following
from tocsin.app.routing.again import AgainStep
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.facts import FactsStep
from tocsin.app.routing.fanning import FanoutStarter
from tocsin.app.routing.holding import HoldStep
from tocsin.app.routing.people import PeopleStep
from tocsin.app.routing.router import Router
from tocsin.app.routing.settle import Settle
from tocsin.app.routing.step import RouteParts, RouteStep
from tocsin.app.routing.succession import SuccessorStep
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.timers import TimerStep
from tocsin.app.tokens import Tokens
from tocsin.app.workflows import WorkflowRegistry
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.domain.lanes import Lane
from tocsin.domain.topics import stream_of
from tocsin.ports.log import Follow
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.channels import Delivery, OpenChannels, build_delivery, without_providers
from tocsin.wiring.history import History, build_history
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


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
    inbox: InboxDesk
    router: Router
    fanouts: FanoutRunner
    follow: Follow | None
    """What is written with a step that plans nothing, where one engine holds everything."""
    timers: TimerStep
    inbox_projection: InboxProjection
    ledger_projection: LedgerProjection
    book: AddressBook
    channels: Mapping[str, ChannelFacts]
    delivery: Delivery
    history: History
    metrics: CollectorRegistry
    event_meter: EventMeter
    message_meter: MessageMeter
    wall_ms: Callable[[], int]
    """Real time: what credentials end by, whatever clock decides about messages."""
    stream_of: Callable[[str], int]


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
    wall_ms = wall_ms or clock.now_ms
    registry = WorkflowRegistry(stores.workflows)
    await registry.refresh()
    workflows = RunWorkflows(registry, stores.workflows)
    await workflows.refresh()
    tokens = Tokens({1: stores.token_key}, 1, wall_ms=wall_ms)
    access = Access(stores.keys, tokens, stores.limiter, wall_ms=wall_ms)
    await access.refresh()
    log = storage.log
    inbox_projection = InboxProjection(storage.inbox, stores.feed)
    event_meter, message_meter = EventMeter(), MessageMeter(clock.now_ms)
    stores.feed.subscribe(message_meter.shown)
    ledger_projection = LedgerProjection(storage.ledger, message_meter.ledger)
    projections = (inbox_projection, ledger_projection)

    def follow(lane: Lane) -> Follow | None:
        return following(log, lane, projections) if log.atomic_with_views else None

    opened = opened or without_providers()
    channels = channels or opened.facts()
    texts = BroadcastTexts(log, workflows, stores.recipients, stores.blobs)
    own = Follow(derive=_nothing, projections=projections) if log.atomic_with_views else None
    book = AddressBook(stores.sealer)
    metrics = CollectorRegistry()
    violations = Gauge(AUDIT_FAMILY.name, AUDIT_FAMILY.help, registry=metrics)
    return Services(
        config=config,
        storage=storage,
        stores=stores,
        clock=clock,
        chance=chance,
        registry=registry,
        workflows=workflows,
        tokens=tokens,
        access=access,
        accept=_accept(config, storage, stores, registry, clock, chance, event_meter),
        inbox=InboxDesk(log, storage.inbox, texts, clock, own),
        router=Router(
            log,
            _route_step(config, storage, stores, workflows, book, channels),
            stores.blobs,
            clock,
            follow=follow,
            batch_events_max=config.route.batch_events_max,
        ),
        fanouts=_fanouts(config, storage, stores, workflows, clock, channels, own),
        follow=own,
        timers=TimerStep(log, stores.timers, clock),
        inbox_projection=inbox_projection,
        ledger_projection=ledger_projection,
        book=book,
        channels=channels,
        delivery=build_delivery(
            config,
            log,
            stores,
            workflows,
            book,
            opened.fleet,
            FactsStep(stores.suppressions, stores.claims, workflows, channels),
            clock,
            chance,
            own,
        ),
        history=build_history(
            storage, stores, registry, workflows, channels, clock, violations.set
        ),
        metrics=metrics,
        event_meter=event_meter,
        message_meter=message_meter,
        wall_ms=wall_ms,
        stream_of=stream_of,
    )


def _nothing(_: object) -> tuple[()]:
    return ()


def _accept(
    config: Config,
    storage: Storage,
    stores: Stores,
    registry: WorkflowRegistry,
    clock: Clock,
    chance: Chance,
    meter: EventMeter,
) -> Accept:
    return Accept(
        storage.log,
        stores.deduplication,
        registry,
        stores.blobs,
        stores.limiter,
        clock,
        chance,
        Keying(stores.hash_seed),
        ProducerRate(config.accept.events_per_second, config.accept.events_burst),
        meter,
    )


def _route_step(
    config: Config,
    storage: Storage,
    stores: Stores,
    workflows: RunWorkflows,
    book: AddressBook,
    channels: Mapping[str, ChannelFacts],
) -> RouteStep:
    people = PeopleStep(stores.recipients, book)
    facts = FactsStep(stores.suppressions, stores.claims, workflows, channels)
    hold = HoldStep(stores.timers, stores.claims)
    return RouteStep(
        RouteParts(
            settle=Settle(stores.deduplication, workflows),
            audiences=AudienceStep(stores.audiences),
            people=people,
            facts=facts,
            fanouts=FanoutStarter(stores.fanouts, stores.blobs),
            hold=hold,
            again=AgainStep(EventLookup(storage.log, stores.blobs), workflows),
            successors=SuccessorStep(stores.recipients, stores.deduplication),
            fanout_threshold=config.route.fanout_threshold,
        )
    )


def _fanouts(
    config: Config,
    storage: Storage,
    stores: Stores,
    workflows: RunWorkflows,
    clock: Clock,
    channels: Mapping[str, ChannelFacts],
    follow: Follow | None,
) -> FanoutRunner:
    facts = FactsStep(stores.suppressions, stores.claims, workflows, channels)
    return FanoutRunner(
        storage.log,
        stores.fanouts,
        stores.blobs,
        stores.claims,
        stores.recipients,
        EventLookup(storage.log, stores.blobs),
        workflows,
        ChunkStep(storage.log, stores.audiences, stores.recipients, stores.claims, facts),
        clock,
        follow=follow,
        handed_max=config.route.chunk_recipients_max,
    )
