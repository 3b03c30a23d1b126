"""What is counted, timed and logged of each request: never an id, an address or a body."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from tocsin.api.exchange import Exchange
from tocsin.app.metrics.families import Family

REQUEST_FAMILIES: Final = (
    Family(
        "tocsin_http_requests",
        "counter",
        "Requests answered, by route, method and status.",
        ("route", "method", "status"),
    ),
    Family(
        "tocsin_http_request_seconds",
        "histogram",
        "Time from the request's head to the end of its answer.",
        ("route",),
    ),
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Measures:
    """
    Metrics and log of requests.

    A request on one of the *hot* routes is counted, and logged only when it failed inside: a
    record for each would cost more than the request, or hide all others.
    """

    def __init__(
        self, registry: CollectorRegistry, hot: Collection[str], now_s: Callable[[], float]
    ) -> None:
        self.now_s = now_s
        self._hot = frozenset(hot)
        requests, seconds = REQUEST_FAMILIES
        self._requests = Counter(requests.name, requests.help, requests.labels, registry=registry)
        self._seconds = Histogram(
            seconds.name, seconds.help, seconds.labels, registry=registry, buckets=_BUCKETS_S
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._log = structlog.get_logger("tocsin.api")

    def note(self, exchange: Exchange, method: str, began_s: float) -> None:
        """Count one request and log it."""
        took_s = self.now_s() - began_s
        known = method if method in _METHODS else "other"
        self._counter(exchange.route, known, exchange.status).inc()
        self._timer(exchange.route).observe(took_s)
        if exchange.route in self._hot and exchange.status < 500:
            return
        self._log.info(
            "request",
            request_id=exchange.request_id,
            method=known,
            route=exchange.route,
            status=exchange.status,
            duration_ms=round(took_s * 1_000, 3),
            by=exchange.who,
        )

    def _counter(self, route: str, method: str, status: int) -> Counter:
        key = (route, method, status)
        child = self._counters.get(key)
        if child is None:
            child = self._counters[key] = self._requests.labels(route, method, str(status))
        return child

    def _timer(self, route: str) -> Histogram:
        child = self._timers.get(route)
        if child is None:
            child = self._timers[route] = self._seconds.labels(route)
        return child
