"""
The front door: every request passes here, hot or not.

Finds the route, checks the caller against the table, hands over, turns what is raised into a
problem, counts, measures and logs. Hot routes cost no framework layer: after the check they are
plain ASGI applications.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.api.body import Disconnected, Linger, too_busy
from tocsin.api.cors import Cors
from tocsin.api.endpoint import Answer, Endpoint
from tocsin.api.exchange import Exchange
from tocsin.api.measures import Measures
from tocsin.api.permissions import PERMISSIONS, Permission
from tocsin.api.problems import InternalError
from tocsin.api.router import Router
from tocsin.api.serving import Serving
from tocsin.app.access import Access
from tocsin.app.callers import Principal
from tocsin.errors import RateLimited, Stopping, TocsinError
from tocsin.ports.cache import Limiter

_WATCHED: Final = frozenset({"/healthz", "/readyz"})


class Front:
    """
    An ASGI application.

    With *local* it serves the admin socket, where whoever may connect may do everything.
    """

    def __init__(
        self,
        router: Router,
        serving: Serving,
        access: Access,
        limiter: Limiter,
        cors: Cors,
        measures: Measures,
        *,
        stopping: Callable[[], bool],
        requests_max: int,
        requests_per_s: int,
        requests_burst: int,
        linger: Linger,
        id_prefix: str,
        local: bool,
    ) -> None:
        self._router = router
        self._serving = serving
        self._access = access
        self._limiter = limiter
        self._cors = cors
        self._measures = measures
        self._stopping = stopping
        self._requests_max = requests_max
        self._requests_per_s = requests_per_s
        self._requests_burst = requests_burst
        self._linger = linger
        self._policy = b'"default";q=%d;w=1' % requests_per_s
        self._id_prefix = id_prefix
        self._numbers = itertools.count(1)
        self._local = local
        self._in_hand = 0
        self._log = structlog.get_logger("tocsin.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise ValueError(f"the front serves http, not {scope['type']}")
        exchange = Exchange(send, scope["method"], f"{self._id_prefix}{next(self._numbers):x}")
        scope["tocsin.request_id"] = exchange.request_id
        began_s = self._measures.now_s()
        self._in_hand += 1
        try:
            await self._serve(scope, receive, exchange)
        except TocsinError as refused:
            await exchange.refuse(refused, partial(self._linger, receive))
        except Disconnected:
            exchange.status = 499
        except Exception:
            self._log.exception(
                "request failed", request_id=exchange.request_id, route=exchange.route
            )
            if exchange.started:
                raise
            await exchange.refuse(InternalError("see the log for this request_id"))
        finally:
            self._in_hand -= 1
            self._measures.note(exchange, scope["method"], began_s)

    async def _serve(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
        self._check_room(path)
        headers = Headers(scope=scope)
        if scope["method"] == "OPTIONS":
            await exchange.answer(self._options(path, headers))
            return
        endpoint, parameters = self._router.find(scope["method"], path)
        exchange.route = endpoint.path
        permission = PERMISSIONS[endpoint.method, endpoint.path]
        exchange.headers += self._cors.headers(headers, permission)
        caller = self._caller(scope, headers, permission)
        if caller is not None:
            exchange.who = "recipient" if caller.recipient is not None else caller.name
        if endpoint.asgi is not None:
            scope["tocsin.caller"] = caller
            await endpoint.asgi(scope, receive, exchange.send)
            return
        self._take(caller, endpoint, exchange)
        answer = await self._serving.answer(endpoint, caller, parameters, scope, receive)
        await exchange.answer(answer)

    def _check_room(self, path: str) -> None:
        if path in _WATCHED:
            return
        if self._stopping():
            raise Stopping("the server is stopping; send this to another one, or again soon")
        if self._in_hand > self._requests_max:
            raise too_busy(self._requests_max)

    def _caller(self, scope: Scope, headers: Headers, permission: Permission) -> Principal | None:
        if permission.public:
            return None
        authorization = headers.get("authorization")
        if self._local and authorization is None:
            caller = self._access.local()
        else:
            client = scope["client"][0] if scope.get("client") else "local"
            raw = None if authorization is None else authorization.encode("latin-1")
            caller = self._access.caller(raw, client)
        permission.check(caller)
        return caller

    def _take(self, caller: Principal | None, endpoint: Endpoint, exchange: Exchange) -> None:
        """Hold a caller to the rate of requests; events are counted by who accepts them."""
        if caller is None:
            return
        exchange.headers.append((b"ratelimit-policy", self._policy))
        wait_s = self._limiter.take(
            f"requests:{caller.name}",
            1,
            rate_per_s=self._requests_per_s,
            burst=self._requests_burst,
        )
        if wait_s > 0:
            raise RateLimited("too many requests from this caller", retry_after_s=wait_s)

    def _options(self, path: str, headers: Headers) -> Answer:
        allow = (b"allow", ", ".join(self._router.allowed(path)).encode())
        wanted = headers.get("access-control-request-method")
        if wanted is None:
            return Answer(status=204, headers=(allow,))
        endpoint, _ = self._router.find(wanted, path)
        permission = PERMISSIONS[endpoint.method, endpoint.path]
        granted = self._cors.preflight(headers, permission, endpoint.method)
        return Answer(status=204, headers=(allow, *granted))
