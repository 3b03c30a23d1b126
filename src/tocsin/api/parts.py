"""What the HTTP side is made of; the composition root fills it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from tocsin.api.endpoint import Endpoint
from tocsin.api.idempotency import Repeats
from tocsin.api.system import Check
from tocsin.app.access import Access
from tocsin.app.catalogue import Catalogue
from tocsin.app.groups import Groups, Objects
from tocsin.app.importing import Importing
from tocsin.app.keys import KeyRing
from tocsin.app.people import People
from tocsin.app.suppressing import SuppressionList
from tocsin.app.token_desk import TokenDesk
from tocsin.app.workflows import WorkflowDesk
from tocsin.ports.cache import Limiter
from tocsin.ports.system import Chance


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The settings of ``[http]`` that the front keeps."""

    request_bytes_max: int
    requests_max: int
    request_ms: int
    requests_per_s: int
    requests_burst: int
    linger_ms: int
    allowed_origins: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """
    The use cases behind the routes, and the routes that come from elsewhere.

    ``endpoints`` are served like those of this package, the hot ones as plain ASGI applications.
    Each needs its row in `tocsin.api.permissions.PERMISSIONS`.
    """

    access: Access
    people: People
    importing: Importing
    groups: Groups
    objects: Objects
    suppressions: SuppressionList
    catalogue: Catalogue
    workflows: WorkflowDesk
    tokens: TokenDesk
    keys: KeyRing
    repeats: Repeats
    limiter: Limiter
    chance: Chance
    registry: CollectorRegistry
    checks: Mapping[str, Check]
    look: Callable[[], Awaitable[None]]
    """Awaited before metrics are shown."""
    limits: HttpLimits
    stopping: Callable[[], bool]
    now_s: Callable[[], float]
    """Seconds for measuring, of the machine's own time."""
    channels: Sequence[str] = ()
    """Those by which somebody can be reached here."""
    endpoints: Sequence[Endpoint] = ()
    paused: Callable[[], Sequence[str]] = tuple
    """What operators have paused, in words."""
    warnings: Callable[[], Sequence[str]] = tuple
    """What somebody should look after."""
