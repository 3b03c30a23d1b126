"""The server itself: alive, ready, measured, described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tocsin.api.endpoint import Answer, Call, Endpoint

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else a short sentence for whoever operates the server."""


class HealthAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The event loop turns."""

    status: str


class ReadyAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    Each check by name: ``ok`` or what is amiss.

    ``paused`` is what operators have stopped: the server is ready all the same, since it accepts.
    ``warnings`` are what somebody should look after while it still is.
    """

    ready: bool
    checks: dict[str, str]
    paused: list[str]
    warnings: list[str]


class SystemRoutes:
    """Handlers of ``/healthz``, ``/readyz``, ``/metrics``."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        look: Callable[[], Awaitable[None]],
        stopping: Callable[[], bool],
        paused: Callable[[], Sequence[str]],
        warnings: Callable[[], Sequence[str]],
    ) -> None:
        """*look* is awaited before metrics are shown: for those that have to be read."""
        self._checks = checks
        self._registry = registry
        self._look = look
        self._stopping = stopping
        self._paused = paused
        self._warnings = warnings

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint("GET", "/healthz", "Is the process alive", self.health, {200: HealthAnswer}),
            Endpoint(
                "GET",
                "/readyz",
                "Is the server ready for work",
                self.ready,
                {200: ReadyAnswer, 503: ReadyAnswer},
            ),
            Endpoint(
                "GET",
                "/metrics",
                "Metrics for Prometheus",
                self.metrics,
                {200: bytes},
                answer_type="text/plain",
            ),
        )

    async def health(self, call: Call) -> Answer:
        """Answer; nothing is asked, so that a slow store restarts no process."""
        return Answer(HealthAnswer(status="ok"))

    async def ready(self, call: Call) -> Answer:
        """Ask every check."""
        found = {name: await check() or "ok" for name, check in self._checks.items()}
        if self._stopping():
            found["process"] = "stopping"
        good = all(said == "ok" for said in found.values())
        answer = ReadyAnswer(
            ready=good,
            checks=found,
            paused=list(self._paused()),
            warnings=list(self._warnings()),
        )
        return Answer(answer, status=200 if good else 503)

    async def metrics(self, call: Call) -> Answer:
        """Answer the metrics as text."""
        await self._look()
        return Answer(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)
