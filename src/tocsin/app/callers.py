"""Who is calling, and what that reaches: roles, scopes, principals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.errors import Forbidden
from tocsin.ports.state import ApiKey


class Scope(StrEnum):
    """One right. Keys get them by role; recipients' tokens hold the last three."""

    EVENTS_WRITE = "events:write"
    RECIPIENTS_WRITE = "recipients:write"
    TOKENS_MINT = "tokens:mint"
    READ = "read"
    OPERATE = "operate"
    DESIGN = "design"
    ADMIN = "admin"
    INBOX = "inbox"
    DEVICES = "devices"
    PREFERENCES = "preferences"


TOKEN_SCOPES: Final = (Scope.INBOX, Scope.DEVICES, Scope.PREFERENCES)
"""What a recipient's own token may hold; the order is that of the bits inside a token."""

_PRODUCER: Final = frozenset({Scope.EVENTS_WRITE})
_BACKEND: Final = _PRODUCER | {Scope.RECIPIENTS_WRITE, Scope.TOKENS_MINT}
_VIEWER: Final = frozenset({Scope.READ})
_OPERATOR: Final = _VIEWER | {Scope.OPERATE}
_DESIGNER: Final = _VIEWER | {Scope.DESIGN}

ROLES: Final[dict[str, frozenset[Scope]]] = {
    "producer": _PRODUCER,
    "backend": _BACKEND,
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "designer": _DESIGNER,
    "admin": frozenset(Scope) - frozenset(TOKEN_SCOPES),
}
"""Each role is a bundle of scopes. A recipient's scopes are never a key's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is limited to; an empty set is no limit."""

    workflows: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    lanes: frozenset[str] = frozenset()
    rate_per_s: int | None = None

    def check(
        self,
        *,
        workflow: str | None = None,
        category: str | None = None,
        source: str | None = None,
        lane: str | None = None,
    ) -> None:
        """Raise `Forbidden` for the first of the given that the key does not reach."""
        _check("workflows", workflow, self.workflows)
        _check("categories", category, self.categories)
        _check("sources", source, self.sources)
        _check("lanes", lane, self.lanes)


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Who is calling.

    ``name`` is what the trail and the logs say: ``key:<id>``, ``recipient:<number>`` or ``local``.
    ``recipient``, ``recipient_id`` and ``expires_ms``, when it ends, are set for a recipient's
    token alone.
    """

    name: str
    scopes: frozenset[Scope]
    producer: str = ""
    limits: Limits = Limits()
    recipient: int | None = None
    recipient_id: str | None = None
    expires_ms: int | None = None

    def __repr__(self) -> str:
        return f"Principal({self.name})"

    def reaches(self, scope: Scope) -> bool:
        """Return whether the caller has *scope*."""
        return scope in self.scopes


LOCAL: Final = Principal(name="local", scopes=ROLES["admin"], producer="local")
"""Whoever may open the admin socket (mode 0600) in the data folder."""


def principal_of(key: ApiKey) -> Principal:
    """Return what *key* reaches; a role that this version does not know gives nothing."""
    scopes: frozenset[Scope] = frozenset().union(*(ROLES.get(r, frozenset()) for r in key.roles))
    return Principal(
        name=f"key:{key.id}",
        scopes=scopes,
        producer=key.name,
        limits=Limits(
            workflows=frozenset(key.workflows),
            categories=frozenset(key.categories),
            sources=frozenset(key.sources),
            lanes=frozenset(key.lanes),
            rate_per_s=key.rate_per_s,
        ),
    )


def _check(what: str, value: str | None, allowed: frozenset[str]) -> None:
    if value is not None and allowed and value not in allowed:
        raise Forbidden(f"the key is limited to certain {what}, and this is none of them")
