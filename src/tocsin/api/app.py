"""Putting the HTTP side together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp

from tocsin.api.addresses import AddressRoutes
from tocsin.api.body import Linger
from tocsin.api.catalogue import CatalogueRoutes
from tocsin.api.cors import Cors
from tocsin.api.endpoint import Endpoint
from tocsin.api.front import Front
from tocsin.api.groups import GroupRoutes
from tocsin.api.keys import KeyRoutes
from tocsin.api.measures import Measures
from tocsin.api.objects import ObjectRoutes
from tocsin.api.openapi import Description
from tocsin.api.parts import ApiParts
from tocsin.api.permissions import permission_of
from tocsin.api.preferences import PreferenceRoutes
from tocsin.api.recipients import RecipientRoutes
from tocsin.api.router import Router
from tocsin.api.serving import Serving
from tocsin.api.suppressions import SuppressionRoutes
from tocsin.api.system import SystemRoutes
from tocsin.api.tokens import TokenRoutes
from tocsin.api.workflows import WorkflowRoutes

_LINGERS: Final = 4
"""How often the largest body is thrown away, before a sender who goes on is cut off."""


class Api:
    """
    Builds the applications: one for the network, one for the admin socket.

    Both share their counters and limits, since they are one server.
    """

    def __init__(self, parts: ApiParts) -> None:
        described = all_endpoints(parts)
        self.description = Description(described)
        self.endpoints = (*described, self.description.endpoint())
        for endpoint in self.endpoints:
            # A route without a row in the table is a mistake that must not start.
            permission_of(endpoint.method, endpoint.path)
        hot = [each.path for each in self.endpoints if each.asgi is not None or each.quiet]
        self._parts = parts
        self._router = Router(self.endpoints)
        self._measures = Measures(parts.registry, hot, parts.now_s)
        self._serving = Serving(
            parts.repeats,
            bytes_max=parts.limits.request_bytes_max,
            request_ms=parts.limits.request_ms,
        )

    def network(self) -> ASGIApp:
        """Return the application for the port."""
        return self._front(local=False)

    def local(self) -> ASGIApp:
        """Return the application for the admin socket: who may connect may do everything."""
        return self._front(local=True)

    def _front(self, *, local: bool) -> Front:
        parts = self._parts
        return Front(
            self._router,
            self._serving,
            parts.access,
            parts.limiter,
            Cors(parts.limits.allowed_origins),
            self._measures,
            stopping=parts.stopping,
            requests_max=parts.limits.requests_max,
            requests_per_s=parts.limits.requests_per_s,
            requests_burst=parts.limits.requests_burst,
            linger=Linger(
                bytes_max=_LINGERS * parts.limits.request_bytes_max,
                ms=parts.limits.linger_ms,
            ),
            id_prefix="req_" + parts.chance.bytes(6).hex(),
            local=local,
        )


def all_endpoints(parts: ApiParts) -> Sequence[Endpoint]:
    """Return every route but the description of them."""
    return (
        *parts.endpoints,
        *RecipientRoutes(parts.people, parts.importing).endpoints(),
        *AddressRoutes(parts.people, parts.chance).endpoints(),
        *PreferenceRoutes(parts.people, parts.catalogue, parts.channels).endpoints(),
        *GroupRoutes(parts.groups).endpoints(),
        *ObjectRoutes(parts.objects).endpoints(),
        *SuppressionRoutes(parts.suppressions).endpoints(),
        *TokenRoutes(parts.tokens).endpoints(),
        *CatalogueRoutes(parts.catalogue).endpoints(),
        *WorkflowRoutes(parts.workflows).endpoints(),
        *KeyRoutes(parts.keys).endpoints(),
        *SystemRoutes(
            parts.checks,
            parts.registry,
            parts.look,
            parts.stopping,
            parts.paused,
            parts.warnings,
        ).endpoints(),
    )
