"""The driving sides: HTTP and sockets over the same use cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tocsin.adapters.system import SystemClock
from tocsin.api.app import Api
from tocsin.api.audit import AuditRoutes
from tocsin.api.browser_push import BrowserPushRoutes
from tocsin.api.callbacks import CallbacksApp
from tocsin.api.deliveries import DeliveryRoutes
from tocsin.api.endpoint import Endpoint
from tocsin.api.erasures import ErasureRoutes
from tocsin.api.events import EventsApp
from tocsin.api.explain import ExplainRoutes
from tocsin.api.fanouts import FanoutRoutes
from tocsin.api.followed_links import FollowedLinkRoutes
from tocsin.api.idempotency import Repeats
from tocsin.api.inbox import InboxRoutes, ReadRate
from tocsin.api.inbox_component import InboxComponentRoutes
from tocsin.api.leaving import LeavingRoutes
from tocsin.api.ledger import LedgerRoutes
from tocsin.api.parts import ApiParts, HttpLimits
from tocsin.api.sending import SendingRoutes
from tocsin.api.status_webhooks import StatusWebhookRoutes
from tocsin.api.system import Check
from tocsin.app.accepting.warnings import CallWarnings
from tocsin.app.cancel_standing import CancelStanding
from tocsin.app.cancelling import CancelDesk
from tocsin.app.cancelling_intervals import CancelIntervals
from tocsin.app.catalogue import Catalogue
from tocsin.app.fanout_desk import FanoutDesk
from tocsin.app.feed_watch import FeedWatch
from tocsin.app.groups import Groups, Objects
from tocsin.app.importing import Importing
from tocsin.app.inbox_versions import InboxVersions
from tocsin.app.keys import KeyRing
from tocsin.app.leaving import Leave
from tocsin.app.metrics.loop_lag import LoopLag
from tocsin.app.optouts import OptOuts
from tocsin.app.people import People
from tocsin.app.receipts.client import ClientReceipts
from tocsin.app.receipts.guard import CallbackGuard
from tocsin.app.receipts.links import LinkReceipts
from tocsin.app.sending import Sending
from tocsin.app.suppressing import SuppressionList
from tocsin.app.token_desk import TokenDesk
from tocsin.app.trail import Notes
from tocsin.app.workflows import WorkflowDesk
from tocsin.channels.registry import Registry, folders
from tocsin.domain.case import ChannelFacts
from tocsin.domain.channels import INBOX
from tocsin.domain.cloudevents import EventLimits
from tocsin.domain.intervals import Condition
from tocsin.gateway.people import Session
from tocsin.gateway.server import Scheduler, SocketServer, SocketSettings
from tocsin.gateway.sessions import Sessions
from tocsin.wiring.checks import build_checks
from tocsin.wiring.keeping import kept_numbers
from tocsin.wiring.metrics import build_backlog, delivering_numbers, show_metrics
from tocsin.wiring.operating import looking, operating_endpoints, operating_numbers
from tocsin.wiring.sandbox_http import sandbox_endpoints
from tocsin.wiring.services import Services
from tocsin.wiring.status_webhooks import build_status_desk, told_numbers
from tocsin.wiring.step_options import options_problem
from tocsin.wiring.storage import JOINT, SPLIT


@dataclass(frozen=True, slots=True)
class Driving:
    """What uvicorn is given."""

    api: Api
    sockets: SocketServer[Session]
    sessions: Sessions
    keys: KeyRing
    optouts: OptOuts
    loop_lag: LoopLag


def build_driving(
    services: Services,
    scheduler: Scheduler,
    spawn: Callable[[Coroutine[Any, Any, None]], object],
    stopping: Callable[[], bool],
    *,
    failure: Callable[[], str | None] = lambda: None,
) -> Driving:
    """Put routes and sockets together; *failure* says which role has failed, if any."""
    stores, config = services.stores, services.config
    notes = Notes(stores.trail, services.clock)
    optouts = OptOuts(stores.journal, stores.sealer)
    keys = KeyRing(
        stores.keys, services.access, stores.trail, services.chance, wall_ms=services.wall_ms
    )
    others = [name for name in services.channels if name != INBOX]
    backlog, lag = build_backlog(services.storage, services.clock, others), LoopLag()
    checks = _checks(services, failure)
    parts = _parts(services, notes, optouts, keys, checks, looking(services, backlog), stopping)
    sessions = Sessions(
        services.access,
        services.inbox,
        stores.presence,
        node="local",
        spawn=spawn,
        wall_ms=services.wall_ms,
        sockets_per_recipient_max=config.gateway.sockets_per_recipient_max,
        stream_of=services.stream_of,
    )
    stores.feed.subscribe(sessions.receive)
    stores.gone.on_gone(sessions.end)
    sockets = SocketServer(sessions, _socket_settings(services), scheduler)
    show_metrics(
        services.metrics,
        services.storage,
        Path(config.data),
        services.event_meter,
        services.backpressure,
        services.message_meter,
        backlog,
        sockets,
        sessions,
        lag,
        {
            **operating_numbers(services),
            **kept_numbers(services.upkeep.keeper, backlog),
            **delivering_numbers(services.delivery, services.clock),
            **told_numbers(services.status_webhooks),
        },
    )
    return Driving(Api(parts), sockets, sessions, keys, optouts, lag)


def _parts(
    services: Services,
    notes: Notes,
    optouts: OptOuts,
    keys: KeyRing,
    checks: Mapping[str, Check],
    look: Callable[[], Awaitable[None]],
    stopping: Callable[[], bool],
) -> ApiParts:
    stores, clock, book = services.stores, services.clock, services.book
    people = People(stores.recipients, stores.erasures, optouts, notes, book, clock)
    repeats = Repeats(stores.idempotency, stores.sealer, clock)
    limits = _limits(services)
    token_ms = services.config.inbox.token_life_ms
    return ApiParts(
        access=services.access,
        people=people,
        importing=Importing(stores.recipients, optouts, notes, book, clock),
        groups=Groups(stores.audiences, people, notes, clock),
        objects=Objects(stores.audiences, people, notes, clock),
        suppressions=SuppressionList(stores.suppressions, people, optouts, notes, clock),
        catalogue=Catalogue(stores.workflows, notes, clock),
        workflows=_workflows(services, notes),
        tokens=TokenDesk(services.tokens, people, notes, token_ms=token_ms),
        keys=keys,
        repeats=repeats,
        limiter=stores.limiter,
        chance=services.chance,
        registry=services.metrics,
        checks=checks,
        look=look,
        limits=limits,
        stopping=stopping,
        warnings=lambda: [each for each in (services.room.warning(),) if each is not None],
        paused=lambda: [each.scope.words() for each in services.pauses.now.in_force],
        now_s=SystemClock().monotonic,
        channels=services.delivery.fleet.reachable(),
        endpoints=(
            *_endpoints(services, notes, repeats, limits),
            *LeavingRoutes(Leave(people, services.links)).endpoints(),
            *_followed(services),
            *BrowserPushRoutes(partial(_push_key, services)).endpoints(),
            *InboxComponentRoutes().endpoints(),
        ),
    )


def _push_key(services: Services) -> str | None:
    """Return what browsers subscribe with, from the provider that knows the other half."""
    wired = services.delivery.fleet.by_name().get("webpush")
    found = None if wired is None else getattr(wired.provider, "public_key", None)
    return found if isinstance(found, str) else None


def _limits(services: Services) -> HttpLimits:
    http = services.config.http
    return HttpLimits(
        request_bytes_max=http.request_bytes_max,
        requests_max=http.requests_max,
        request_ms=http.request_timeout_ms,
        requests_per_s=http.requests_per_second,
        requests_burst=http.requests_burst,
        linger_ms=http.linger_ms,
        allowed_origins=http.allowed_origins,
    )


def _workflows(services: Services, notes: Notes) -> WorkflowDesk:
    return WorkflowDesk(
        services.stores.workflows,
        services.registry,
        notes,
        services.clock,
        configured=lambda: _configured(services),
        telling=lambda: {name: _told(facts) for name, facts in services.channels.items()},
        check_options=partial(options_problem, Registry(folders())),
    )


def _told(facts: ChannelFacts) -> list[Condition]:
    """Return what a channel's providers can report that a wait may look at."""
    said: dict[Condition, bool] = {
        "delivered": facts.receipts,
        "read": facts.reads,
        "acknowledged": facts.acknowledges,
    }
    return [condition for condition, is_told in said.items() if is_told]


def _configured(services: Services) -> list[str]:
    return [name for name, c in services.channels.items() if c.configured]


def _endpoints(
    services: Services, notes: Notes, repeats: Repeats, limits: HttpLimits
) -> tuple[Endpoint, ...]:
    http = services.config.http
    of_events = EventLimits(event_bytes_max=http.event_bytes_max)
    events = EventsApp(services.accept, repeats, of_events, http.request_bytes_max)
    return (
        events.endpoint(),
        *_inbox(services, limits).endpoints(),
        *_sending(services, notes),
        *ErasureRoutes(services.upkeep.erasing.desk, services.stores.prover).endpoints(),
        *_history(services, notes),
        *operating_endpoints(services, notes),
        *_status_webhooks(services, notes),
        *_callbacks(services, limits).endpoints(),
        *_deliveries(services),
        *sandbox_endpoints(services),
    )


def _callbacks(services: Services, limits: HttpLimits) -> CallbacksApp:
    guard = CallbackGuard(
        services.stores.limiter,
        SystemClock().monotonic,
        in_hand_max=max(1, limits.requests_max // 2),
    )
    return CallbacksApp(
        services.delivery.callbacks,
        guard,
        bytes_max=limits.request_bytes_max,
        request_ms=limits.request_ms,
    )


def _deliveries(services: Services) -> tuple[Endpoint, ...]:
    log, histories = services.storage.log, services.delivery.histories
    receipts = ClientReceipts(log, histories, services.inbox, services.clock)
    return DeliveryRoutes(receipts).endpoints()


def _followed(services: Services) -> Sequence[Endpoint]:
    log, links = services.storage.log, services.delivery.followed
    return FollowedLinkRoutes(LinkReceipts(log, links, services.clock)).endpoints()


def _status_webhooks(services: Services, notes: Notes) -> tuple[Endpoint, ...]:
    desk = build_status_desk(
        services.config,
        services.storage.log,
        services.stores,
        notes,
        services.clock,
        services.chance,
    )
    return tuple(StatusWebhookRoutes(desk).endpoints())


def _checks(services: Services, failure: Callable[[], str | None]) -> dict[str, Check]:
    config, writers = services.config, services.storage.writers
    return build_checks(
        writers,
        JOINT if JOINT in writers else SPLIT["log"],
        services.registry,
        Path(config.data),
        free_bytes_min=config.store.free_bytes_min,
        failure=failure,
        now_s=SystemClock().monotonic,
    )


def _inbox(services: Services, limits: HttpLimits) -> InboxRoutes:
    stores, config, desk = services.stores, services.config, services.inbox
    versions = InboxVersions(
        FeedWatch(desk.places, desk.ends),
        services.clock.now_ms,
        services.chance.bytes(6).hex(),
        held_max=config.inbox.polling_recipients_max,
    )
    stores.feed.subscribe(versions.receive)
    rate = ReadRate(limits.requests_per_s, limits.requests_burst)
    return InboxRoutes(desk, versions, stores.limiter, rate)


def _sending(services: Services, notes: Notes) -> tuple[Endpoint, ...]:
    log, stores, clock = services.storage.log, services.stores, services.clock
    cancels = CancelDesk(
        log,
        stores.claims,
        stores.timers,
        stores.fanouts,
        stores.recipients,
        stores.blobs,
        services.fanouts,
        notes,
        clock,
        services.chance,
        services.follow,
        CancelIntervals(log, stores.claims, stores.timers, stores.waits, clock),
        CancelStanding(log, services.storage.ledger, stores.deduplication, stores.claims),
    )
    warnings = CallWarnings(stores.audiences, lambda: _configured(services))
    sending = Sending(services.accept, services.registry, warnings)
    fanouts = FanoutDesk(log, stores.fanouts, services.fanouts, notes, clock)
    return (
        *SendingRoutes(sending, cancels).endpoints(),
        *FanoutRoutes(fanouts).endpoints(),
    )


def _history(services: Services, notes: Notes) -> tuple[Endpoint, ...]:
    history, clock = services.history, services.clock
    return (
        *LedgerRoutes(history.ledger, clock).endpoints(),
        *ExplainRoutes(history.explainer).endpoints(),
        *AuditRoutes(history.auditor, notes, clock).endpoints(),
    )


def _socket_settings(services: Services) -> SocketSettings:
    config = services.config
    return SocketSettings(
        max_sockets=config.gateway.sockets_max,
        max_buffered_bytes=config.gateway.socket_buffer_bytes_max,
        ping_interval_ms=config.gateway.ping_interval_ms,
        origins=frozenset(config.http.allowed_origins),
    )
