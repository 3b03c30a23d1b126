"""Channels and their providers, found by the registry, built from the configuration."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from tocsin.adapters.system import SystemClock
from tocsin.app.addresses import AddressBook
from tocsin.app.announcing import Announcer
from tocsin.app.callbacks import Callbacks
from tocsin.app.delivering.address_health import AddressHealth
from tocsin.app.delivering.choosing import Choosing
from tocsin.app.delivering.concluding import Conclude, ConcludeParts
from tocsin.app.delivering.endpoint_health import EndpointHealth
from tocsin.app.delivering.health import HealthDesk
from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.lane import LaneDelivery, LaneParts
from tocsin.app.delivering.preparing import PrepareParts, PrepareStep, Unseen
from tocsin.app.delivering.providers import Fleet, Source, Wired
from tocsin.app.delivering.rates import Rates
from tocsin.app.delivering.renewing import Renewing
from tocsin.app.delivering.taking import Taking
from tocsin.app.delivering.turnstiles import Counts, Turnstiles
from tocsin.app.delivering.unknown import Unknown
from tocsin.app.followed_links import FollowedLinks
from tocsin.app.leaving import LeaveLinks
from tocsin.app.lookup import EventLookup
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.facts import FactsStep
from tocsin.app.routing.last_known import LastKnown
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Config, Misconfigured, RawTable, check_said, decode_table, show_table
from tocsin.config.settings import Section, section_of
from tocsin.domain.case import ChannelFacts
from tocsin.domain.channels import FOLLOWED
from tocsin.domain.endpoints import Patience
from tocsin.domain.lanes import LANES, Lane
from tocsin.ports.log import Follow, Log
from tocsin.ports.provider import Channel, Flags, Provider, ProviderSpec, ProviderTools
from tocsin.ports.system import Chance, Clock
from tocsin.ports.transport import Transport
from tocsin.ports.vendors import Vendors
from tocsin.wiring.clients import open_clients
from tocsin.wiring.credential_files import digests, files_of
from tocsin.wiring.provider_routes import read_routes
from tocsin.wiring.public import Whereabouts
from tocsin.wiring.receipts import Receipts, build_receipts
from tocsin.wiring.sandbox_providers import as_real, led, on_request
from tocsin.wiring.stores import Stores
from tocsin.wiring.vendors import OpenVendors


@dataclass(frozen=True, slots=True)
class OpenChannels:
    """What was found and built."""

    fleet: Fleet
    transport: Transport | None = None
    """The client for HTTP, where providers were opened."""
    vendors: Vendors | None = None
    """Who plays the vendors of a sandbox."""
    whereabouts: Whereabouts | None = None
    """Where vendors call back, where providers were opened."""
    followed: bool = False
    """Whether letters tell when they are opened or followed, whatever their providers report."""

    def facts(self) -> dict[str, ChannelFacts]:
        """Return what decide must know of each channel."""
        return {
            name: ChannelFacts(
                configured=not channel.needs_provider or bool(self.fleet.providers.get(name)),
                interrupts=channel.interrupts,
                needs_address=channel.needs_address,
                receipts=self._tells(name) or any(each.arrivals for each in self._flags(name)),
                acknowledges=any(flags.acknowledges for flags in self._flags(name)),
                reads=self._tells(name) or any(each.reads for each in self._flags(name)),
            )
            for name, channel in self.fleet.channels.items()
        }

    def _tells(self, channel: str) -> bool:
        """Return whether messages tell by themselves that they were read, and so have arrived."""
        return self.followed and channel in FOLLOWED

    def _flags(self, channel: str) -> list[Flags]:
        return [wired.provider.flags for wired in self.fleet.providers.get(channel, ())]


def without_providers() -> OpenChannels:
    """Return the channels alone."""
    return OpenChannels(Fleet(Registry(folders()).channels, {}))


def provider_sections(registry: Registry | None = None) -> list[Section]:
    """Return what the tables of all providers may say, for the documentation."""
    found = registry or Registry(folders())
    return [section_of(f"providers.{s.name}", s.settings) for s in found.specs.values()]


def provider_rows(
    config: Config, registry: Registry | None = None
) -> list[tuple[str, str | None, str]]:
    """
    Return (name, value, origin) of every setting of the providers that are configured.

    Raises `Misconfigured` where a table says what it cannot.
    """
    if not config.providers:
        return []
    found = registry or Registry(folders())
    return [
        row
        for table in config.providers.values()
        for row in show_table(table, "providers", found.spec(table.name).settings)
    ]


def check_providers(config: Config, registry: Registry | None = None) -> None:
    """
    Raise `Misconfigured` with everything that is wrong with the tables of providers.

    In a sandbox what a table leaves out is brought by whoever plays the vendor.
    """
    found = registry or Registry(folders())
    check = check_said if config.mode == "sandbox" else decode_table
    problems: list[str] = []
    for table in config.providers.values():
        try:
            check(table, "providers", found.spec(table.name).settings)
        except Misconfigured as refused:
            problems += refused.problems
    try:
        read_routes(config, found)
    except Misconfigured as refused:
        problems += refused.problems
    if problems:
        raise Misconfigured(problems)


async def open_channels(
    config: Config,
    stack: AsyncExitStack,
    registry: Registry | None = None,
    wall_ms: Callable[[], int] | None = None,
    played: OpenVendors | None = None,
) -> OpenChannels:
    """
    Build the providers that are configured; in a sandbox all, each led to where it is played.

    *wall_ms* is real time, by default the system's. *played* are the vendors of a sandbox. Raises
    `Misconfigured` for a table that no provider is for, or that its folder cannot read.
    """
    found = registry or Registry(folders())
    routes = read_routes(config, found)
    tables = {table.name: table for table in config.providers.values()}
    leads = {} if played is None else played.leads
    own, spare = tables, frozenset[str]()
    if config.mode == "sandbox":
        spare = on_request(tables, found, leads)
        tables = led(tables, found, leads)
    clients = open_clients(config.outbound, leads.values())
    stack.push_async_callback(clients.close)
    places = Whereabouts(config)

    def tools(spec: ProviderSpec) -> ProviderTools:
        wall = wall_ms or SystemClock().now_ms
        return ProviderTools(spec.name, clients.of(spec), wall, places.callbacks_of(spec.name))

    def build(table: RawTable, closing: AsyncExitStack) -> object:
        return _build([table], found, tools, closing)

    played_as = await as_real(own, leads, build)
    providers: dict[str, list[Wired]] = {}
    for spec, wired in _build(tables.values(), found, tools, stack):
        wired.on_request, wired.played = wired.name in spare, played_as.get(wired.name)
        providers.setdefault(spec.channel, []).append(wired)
    vendors = None if played is None else played.vendors
    fleet = Fleet(found.channels, providers, routes)
    followed = config.tracking.opens or config.tracking.clicks
    return OpenChannels(fleet, clients.ordinary, vendors, places, followed)


async def try_channels(config: Config, registry: Registry | None = None) -> None:
    """
    Build what a real server would build and close it again; nobody is called.

    Raises `Misconfigured` with everything because of which it would not start.
    """
    async with AsyncExitStack() as stack:
        await open_channels(config, stack, registry)


def _build(
    tables: Iterable[RawTable],
    registry: Registry,
    tools: Callable[[ProviderSpec], ProviderTools],
    stack: AsyncExitStack,
) -> list[tuple[ProviderSpec, Wired]]:
    """Build each, which *stack* closes; name what is wrong with all of them at once."""
    built: list[tuple[ProviderSpec, Wired]] = []
    problems: list[str] = []
    for table in tables:
        spec = registry.spec(table.name)
        try:
            wired = build_provider(spec, table, tools(spec))
        except Misconfigured as refused:
            problems += refused.problems
        else:
            stack.push_async_callback(wired.close)
            built.append((spec, wired))
    if problems:
        raise Misconfigured(problems)
    return built


def build_provider(spec: ProviderSpec, table: RawTable, tools: ProviderTools) -> Wired:
    """Decode *table* by the folder's type and build the provider."""
    settings = decode_table(table, "providers", spec.settings)

    def make() -> Provider:
        provider: Provider = loaded(spec.build)(settings, tools)
        return provider

    files = files_of(settings)
    if not files:
        return Wired(make(), settings)
    look = partial(digests, files)
    # Before it is made: what is replaced meanwhile is seen at the first look.
    seen = look()
    return Wired(make(), settings, source=Source(look, make, seen))


@dataclass(frozen=True, slots=True)
class Delivery:
    """The deliver step of every channel that has a provider, and what receives callbacks."""

    lanes: Sequence[LaneDelivery]
    receipts: Receipts
    histories: Histories
    fleet: Fleet
    turnstiles: Mapping[tuple[str, Lane], Turnstiles]
    """By channel and lane."""
    counts: Counts
    health: AddressHealth
    shares: HealthDesk
    followed: FollowedLinks
    renewing: Renewing

    @property
    def callbacks(self) -> Callbacks:
        """What takes in callbacks."""
        return self.receipts.callbacks

    def providers(self) -> frozenset[str]:
        """Return the names of those that are configured."""
        return frozenset(self.fleet.by_name())

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs in the background: only receipts when no provider is configured."""
        lanes = [lane.run() for lane in self.lanes]
        return [self.receipts.step.run(), *lanes, self.shares.run(), self.renewing.run()]

    async def drain(self, grace_ms: int) -> None:
        """
        Begin no call any more and wait for those under way, for *grace_ms* at most.

        What is not answered by then is unknown to whoever starts next.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_ms / 1000):
                await asyncio.gather(*(lane.drain() for lane in self.lanes))


def _turnstiles(fleet: Fleet, counts: Counts) -> dict[tuple[str, Lane], Turnstiles]:
    rates = Rates(fleet.by_name())
    return {
        (name, lane): Turnstiles(providers, rates, lane, counts)
        for name, providers in fleet.providers.items()
        for lane in LANES
    }


def _renewing(fleet: Fleet, lanes: Sequence[LaneDelivery], clock: Clock) -> Renewing:
    def renewed(provider: str) -> None:
        for lane in lanes:
            lane.renewed(provider)

    return Renewing(fleet.by_name().values(), renewed, clock)


def _endpoints(config: Config, stores: Stores, announcer: Announcer) -> EndpointHealth:
    deliver = config.deliver
    patience = Patience(deliver.endpoint_failing_max_ms, deliver.endpoint_failures_min)
    return EndpointHealth(stores.recipients, announcer.endpoint_disabled, patience)


def build_delivery(
    config: Config,
    log: Log,
    stores: Stores,
    workflows: RunWorkflows,
    book: AddressBook,
    links: LeaveLinks,
    fleet: Fleet,
    facts: FactsStep,
    known: LastKnown,
    pauses: PauseGate,
    clock: Clock,
    chance: Chance,
    follow: Follow | None,
    wall_ms: Callable[[], int],
    unseen: Unseen,
    announcer: Announcer,
) -> Delivery:
    """Put the deliver step together."""
    histories, health = Histories(log, follow), AddressHealth(stores.recipients, fleet.by_name())
    taking = Taking(stores.claims)
    events, audiences = EventLookup(log, stores.blobs), AudienceStep(stores.audiences)
    told, standings = config.tracking, stores.standings
    followed = FollowedLinks(stores.link_key, links, opens=told.opens, clicks=told.clicks)
    looked_at = (events, known, audiences, facts, workflows, book, taking, links, unseen)
    prepare = PrepareParts(*looked_at, standings, followed)
    endpoints = _endpoints(config, stores, announcer)
    receipts = build_receipts(
        log, stores, workflows, book, fleet, histories, health, clock, wall_ms
    )
    concluding = (health, endpoints, taking, chance, standings, receipts.wishes)
    conclude = ConcludeParts(stores.timers, *concluding, receipts.proofs)
    turnstiles = _turnstiles(fleet, counts := Counts())
    shares = HealthDesk(sorted(fleet.together()), stores.trail, clock)

    def lane_of(channel: Channel, lane: Lane) -> LaneDelivery:
        topic, own = f"deliver.{channel.name}.{lane}", turnstiles[channel.name, lane]
        choosing = Choosing(fleet, channel.name, lane, own, shares.shares)
        parts = LaneParts(
            log=log,
            clock=clock,
            histories=histories,
            prepare=PrepareStep(prepare, channel, choosing, own),
            conclude=Conclude(conclude, choosing, channel.name, lane, topic),
            unknown=Unknown(fleet, receipts.proofs, channel.name, lane),
            early=receipts.early,
            turnstiles=own,
            health=shares,
            pauses=pauses,
            in_flight_max=config.deliver.in_flight_max,
            read_ahead_max=config.deliver.read_ahead_max,
            parked_max=config.deliver.parked_max,
            calls_max=config.deliver.calls_max,
            gone=stores.gone,
        )
        return LaneDelivery(channel.name, lane, parts)

    lanes = [lane_of(fleet.channels[name], lane) for name, lane in turnstiles]
    watched = (health, shares, followed, _renewing(fleet, lanes, clock))
    return Delivery(lanes, receipts, histories, fleet, turnstiles, counts, *watched)
