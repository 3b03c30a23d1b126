"""
THE table of who may call what. A route that is not in it cannot be served.

For keys a row names scopes of which one is enough; for recipients' tokens it names the one that
the token must hold, and then the route reaches that recipient alone. A test calls every route as
every kind of caller and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.app.callers import ROLES, TOKEN_SCOPES, Principal, Scope
from tocsin.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may call one route."""

    scopes: frozenset[Scope] = frozenset()
    token: Scope | None = None
    public: bool = False

    def allows(self, caller: Principal) -> bool:
        """Return whether *caller* may, leaving aside whose recipient it is about."""
        if caller.recipient is not None:
            return self.token is not None and self.token in caller.scopes
        return not self.scopes.isdisjoint(caller.scopes)

    def check(self, caller: Principal) -> None:
        """Raise `Forbidden`, with what is missing."""
        if self.allows(caller):
            return
        if caller.recipient is not None:
            raise Forbidden("a recipient's token does not reach this")
        if not self.scopes:
            raise Forbidden("this takes a recipient's token, from POST /v1/tokens")
        needed = " or ".join(sorted(self.scopes))
        raise Forbidden(f"this takes a key with the scope {needed}")


def _keys(*scopes: Scope, token: Scope | None = None) -> Permission:
    return Permission(frozenset(scopes), token)


_PUBLIC: Final = Permission(public=True)
_SEND: Final = _keys(Scope.EVENTS_WRITE)
_BY_HAND: Final = _keys(Scope.EVENTS_WRITE, Scope.OPERATE)
_READ: Final = _keys(Scope.READ)
_OPERATE: Final = _keys(Scope.OPERATE)
_DESIGN: Final = _keys(Scope.DESIGN)
_ADMIN: Final = _keys(Scope.ADMIN)
_INBOX: Final = _keys(token=Scope.INBOX)
_PEOPLE_READ: Final = _keys(Scope.READ, Scope.RECIPIENTS_WRITE)
_PEOPLE_WRITE: Final = _keys(Scope.RECIPIENTS_WRITE)
_BLOCK: Final = _keys(Scope.RECIPIENTS_WRITE, Scope.OPERATE)
_DEVICES: Final = _keys(Scope.RECIPIENTS_WRITE, token=Scope.DEVICES)
_CHOICES_READ: Final = _keys(Scope.READ, Scope.RECIPIENTS_WRITE, token=Scope.PREFERENCES)
_CHOICES_WRITE: Final = _keys(Scope.RECIPIENTS_WRITE, token=Scope.PREFERENCES)

Route = tuple[str, str]
"""Method and path template."""

PERMISSIONS: Final[Mapping[Route, Permission]] = {
    # Sending
    ("POST", "/v1/events"): _SEND,
    ("POST", "/v1/workflows/{key}/trigger"): _SEND,
    ("POST", "/v1/send"): _BY_HAND,
    ("POST", "/v1/cancel"): _BY_HAND,
    # People
    ("GET", "/v1/recipients"): _PEOPLE_READ,
    ("POST", "/v1/recipients/import"): _PEOPLE_WRITE,
    ("GET", "/v1/recipients/{id}"): _PEOPLE_READ,
    ("PUT", "/v1/recipients/{id}"): _PEOPLE_WRITE,
    ("PATCH", "/v1/recipients/{id}"): _PEOPLE_WRITE,
    ("DELETE", "/v1/recipients/{id}"): _PEOPLE_WRITE,
    ("GET", "/v1/erasures/{id}"): _PEOPLE_READ,
    ("GET", "/v1/recipients/{id}/addresses"): _PEOPLE_READ,
    ("POST", "/v1/recipients/{id}/addresses"): _PEOPLE_WRITE,
    ("DELETE", "/v1/recipients/{id}/addresses/{number}"): _PEOPLE_WRITE,
    ("POST", "/v1/recipients/{id}/addresses/{number}/enable"): _PEOPLE_WRITE,
    ("GET", "/v1/recipients/{id}/devices"): _keys(
        Scope.READ, Scope.RECIPIENTS_WRITE, token=Scope.DEVICES
    ),
    ("POST", "/v1/recipients/{id}/devices"): _DEVICES,
    ("DELETE", "/v1/recipients/{id}/devices/{number}"): _DEVICES,
    ("GET", "/v1/preferences"): _keys(token=Scope.PREFERENCES),
    ("GET", "/v1/recipients/{id}/preferences"): _CHOICES_READ,
    ("PUT", "/v1/recipients/{id}/preferences"): _CHOICES_WRITE,
    ("PATCH", "/v1/recipients/{id}/preferences"): _CHOICES_WRITE,
    ("GET", "/v1/recipients/{id}/consents"): _CHOICES_READ,
    ("POST", "/v1/recipients/{id}/consents"): _CHOICES_WRITE,
    ("GET", "/v1/groups/{key}"): _PEOPLE_READ,
    ("PUT", "/v1/groups/{key}"): _PEOPLE_WRITE,
    ("DELETE", "/v1/groups/{key}"): _PEOPLE_WRITE,
    ("GET", "/v1/groups/{key}/members"): _PEOPLE_READ,
    ("PUT", "/v1/groups/{key}/members"): _PEOPLE_WRITE,
    ("DELETE", "/v1/groups/{key}/members"): _PEOPLE_WRITE,
    ("GET", "/v1/objects/{collection}/{id}/subscriptions"): _PEOPLE_READ,
    ("PUT", "/v1/objects/{collection}/{id}/subscriptions"): _PEOPLE_WRITE,
    ("DELETE", "/v1/objects/{collection}/{id}/subscriptions"): _PEOPLE_WRITE,
    ("GET", "/v1/suppressions"): _PEOPLE_READ,
    ("POST", "/v1/suppressions"): _BLOCK,
    ("DELETE", "/v1/suppressions/{id}"): _BLOCK,
    ("POST", "/v1/tokens"): _keys(Scope.TOKENS_MINT),
    # Documents
    ("GET", "/v1/categories"): _READ,
    ("GET", "/v1/categories/{key}"): _READ,
    ("PUT", "/v1/categories/{key}"): _DESIGN,
    ("GET", "/v1/tenants"): _READ,
    ("GET", "/v1/tenants/{key}"): _READ,
    ("PUT", "/v1/tenants/{key}"): _DESIGN,
    ("GET", "/v1/workflows"): _READ,
    ("GET", "/v1/workflows/{key}"): _READ,
    ("PUT", "/v1/workflows/{key}"): _DESIGN,
    ("POST", "/v1/workflows/{key}/publish"): _DESIGN,
    ("POST", "/v1/workflows/{key}/activate"): _keys(Scope.DESIGN, Scope.OPERATE),
    ("POST", "/v1/workflows/{key}/deactivate"): _keys(Scope.DESIGN, Scope.OPERATE),
    ("GET", "/v1/workflows/{key}/versions"): _READ,
    # Inbox
    ("GET", "/v1/inbox"): _INBOX,
    ("GET", "/v1/inbox/counts"): _INBOX,
    ("POST", "/v1/inbox/{id}/{change}"): _INBOX,
    ("POST", "/v1/inbox/{change}"): _INBOX,
    ("POST", "/v1/deliveries/{id}/received"): _INBOX,
    ("POST", "/v1/deliveries/{id}/clicked"): _INBOX,
    ("POST", "/v1/deliveries/{id}/acknowledged"): _INBOX,
    # What happened
    ("GET", "/v1/events/{id}"): _READ,
    ("GET", "/v1/notifications"): _READ,
    ("GET", "/v1/notifications/{id}"): _READ,
    ("GET", "/v1/explain"): _READ,
    ("GET", "/v1/audit"): _READ,
    ("POST", "/v1/audit/repair"): _OPERATE,
    ("GET", "/v1/status-webhooks"): _READ,
    ("GET", "/v1/status-webhooks/{key}"): _READ,
    ("PUT", "/v1/status-webhooks/{key}"): _OPERATE,
    ("DELETE", "/v1/status-webhooks/{key}"): _OPERATE,
    ("GET", "/v1/fanouts/{id}"): _READ,
    ("POST", "/v1/fanouts/{id}/pause"): _OPERATE,
    ("POST", "/v1/fanouts/{id}/resume"): _OPERATE,
    ("POST", "/v1/fanouts/{id}/abort"): _OPERATE,
    ("GET", "/v1/dead-letters"): _READ,
    ("GET", "/v1/dead-letters/{id}"): _READ,
    ("POST", "/v1/dead-letters/{id}/replay"): _OPERATE,
    ("POST", "/v1/dead-letters/{id}/discard"): _OPERATE,
    ("POST", "/v1/dead-letters/replay"): _OPERATE,
    ("POST", "/v1/dead-letters/discard"): _OPERATE,
    ("GET", "/v1/pauses"): _READ,
    ("POST", "/v1/pauses"): _OPERATE,
    ("DELETE", "/v1/pauses/{id}"): _OPERATE,
    ("GET", "/v1/providers"): _READ,
    ("POST", "/v1/providers/{name}/test"): _OPERATE,
    # It calls the vendor, so it takes more than reading.
    ("GET", "/v1/providers/{name}/doctor"): _OPERATE,
    ("GET", "/v1/cancels/{id}"): _BY_HAND,
    # A provider signs what it sends; its folder verifies that, see POST's handler.
    ("GET", "/v1/callbacks/{provider}"): _PUBLIC,
    ("POST", "/v1/callbacks/{provider}"): _PUBLIC,
    # What every browser may have: scripts, and the public half of a key.
    ("GET", "/push/worker.js"): _PUBLIC,
    ("GET", "/push/tocsin-push.js"): _PUBLIC,
    ("GET", "/push/key"): _PUBLIC,
    ("GET", "/inbox/v1/tocsin-inbox.js"): _PUBLIC,
    ("GET", "/inbox/v1/bell.js"): _PUBLIC,
    ("GET", "/inbox/v1/tabs.js"): _PUBLIC,
    ("GET", "/inbox/v1/choices.js"): _PUBLIC,
    ("GET", "/inbox/v1/dom.js"): _PUBLIC,
    ("GET", "/inbox/v1/client.js"): _PUBLIC,
    ("GET", "/inbox/v1/style.js"): _PUBLIC,
    # The link in a letter is signed by ourselves, and can do nothing but switch off.
    ("GET", "/v1/t/{token}"): _PUBLIC,
    ("GET", "/u/{token}"): _PUBLIC,
    ("POST", "/u/{token}"): _PUBLIC,
    # The sandbox
    ("GET", "/v1/sandbox/clock"): _READ,
    ("POST", "/v1/sandbox/clock"): _OPERATE,
    ("GET", "/v1/sandbox/messages"): _READ,
    ("GET", "/v1/sandbox/messages/{id}"): _READ,
    ("POST", "/v1/sandbox/messages/{id}/{action}"): _OPERATE,
    ("GET", "/v1/sandbox/vendors"): _READ,
    ("GET", "/v1/sandbox/faults/{provider}"): _READ,
    ("PUT", "/v1/sandbox/faults/{provider}"): _OPERATE,
    # The page's own files say nothing of anybody; what it shows it asks for with a key.
    ("GET", "/sandbox"): _PUBLIC,
    ("GET", "/sandbox/{file}"): _PUBLIC,
    # A frame cannot show a key: its address holds a proof that ends within minutes.
    ("GET", "/sandbox/letters/{proof}"): _PUBLIC,
    # The server itself
    ("GET", "/v1/keys"): _ADMIN,
    ("POST", "/v1/keys"): _ADMIN,
    ("DELETE", "/v1/keys/{id}"): _ADMIN,
    ("GET", "/metrics"): _READ,
    ("GET", "/healthz"): _PUBLIC,
    ("GET", "/readyz"): _PUBLIC,
    ("GET", "/openapi.json"): _PUBLIC,
}


def permission_of(method: str, path: str) -> Permission:
    """Return the row for a route; raises `KeyError`, so that no route is served without one."""
    return PERMISSIONS[method, path]


def permissions_as_markdown() -> str:
    """Return the reference's table: a row for each route, a column for each role and a token."""
    heads = ["Route", *ROLES, "recipient's token"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for (method, path), permission in PERMISSIONS.items():
        cells = [f"`{method} {path}`"]
        cells += [_cell(permission, not permission.scopes.isdisjoint(s)) for s in ROLES.values()]
        token = f"`{permission.token}`" if permission.token in TOKEN_SCOPES else ""
        cells.append("yes" if permission.public else token)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(permission: Permission, reached: bool) -> str:
    return "yes" if permission.public or reached else ""
