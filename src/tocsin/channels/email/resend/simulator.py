"""Resend, played: its call for a letter, its keys against repeats, and its signed webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from tocsin.channels.email.playing.simulating import MailSimulating
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Dial, Received, Stage

KEY: Final = "re_canary_5b1e"
SECRET: Final = "whsec_" + "canary" * 8
DOMAIN: Final = "sandbox.test"
KEYS_MS: Final = 24 * 3_600_000
"""How long a key against repeats is known."""

_KEY_CHARACTERS_MAX: Final = 256
_RATE: Final = (("ratelimit-limit", "5"), ("ratelimit-remaining", "4"), ("ratelimit-reset", "1"))
_NEEDED: Final = ("from", "to", "subject")
_FORMAT: Final = "The email address needs to follow the `email@example.com` format."
# By code: status, words, what it amounts to. Behind a slash, what the name alone does not say.
_ERRORS: Final[Mapping[str, tuple[int, str, Dial]]] = {
    "invalid_idempotency_key": (400, "The key must be between 1-256 chars.", Dial.REFUSE),
    "validation_error": (400, "We found an error with one or more fields.", Dial.REFUSE),
    "missing_api_key": (401, "Missing API key in the authorization header.", Dial.REFUSE),
    "restricted_api_key": (401, "This API key is restricted to only send emails.", Dial.REFUSE),
    "invalid_api_key": (403, "API key is invalid.", Dial.REFUSE),
    "suspended_api_key": (403, "This API key is suspended.", Dial.REFUSE),
    "validation_error/403": (403, "The domain is not verified.", Dial.REFUSE),
    "not_found": (404, "The requested endpoint does not exist.", Dial.REFUSE),
    "method_not_allowed": (405, "Method is not allowed for the requested path.", Dial.REFUSE),
    "validation_error/to": (422, f"Invalid `to` field. {_FORMAT}", Dial.DEAD_ADDRESS),
    "invalid_attachment": (422, "Attachment must have either a `content` or `path`.", Dial.REFUSE),
    "invalid_from_address": (422, f"Invalid `from` field. {_FORMAT}", Dial.REFUSE),
    "invalid_access": (422, 'Access must be "full_access" | "sending_access".', Dial.REFUSE),
    "invalid_parameter": (422, "The `parameter` must be a valid UUID.", Dial.REFUSE),
    "invalid_region": (422, "Region must be one of ours.", Dial.REFUSE),
    "missing_required_field": (422, "The request body is missing fields.", Dial.REFUSE),
    "rate_limit_exceeded": (429, "Too many requests.", Dial.THROTTLE),
    "daily_quota_exceeded": (429, "You have reached your daily email quota.", Dial.THROTTLE),
    "monthly_quota_exceeded": (429, "You have reached your monthly email quota.", Dial.REFUSE),
    "security_error": (451, "We may have found a security issue with the request.", Dial.REFUSE),
    "invalid_idempotent_request": (409, "Same key used with a different payload.", Dial.FAIL),
    "concurrent_idempotent_requests": (409, "Same key used while in progress.", Dial.FAIL),
    "application_error": (500, "An unexpected error occurred.", Dial.FAIL),
    "internal_server_error": (500, "An unexpected error occurred.", Dial.FAIL),
}
_BY_DIAL: Final = {
    Dial.REFUSE: "validation_error",
    Dial.DEAD_ADDRESS: "validation_error/to",
    Dial.THROTTLE: "rate_limit_exceeded",
    Dial.FAIL: "internal_server_error",
}
_BOUNCE: Final = {"message": "No such user.", "subType": "General", "type": "Permanent"}
_CLICK: Final = {"ipAddress": "192.0.2.1", "link": "https://example.test/", "userAgent": "Browser"}
_EVENTS: Final[Mapping[ReceiptState, tuple[str, Mapping[str, object]]]] = {
    ReceiptState.DELIVERED: ("email.delivered", {}),
    ReceiptState.FAILED: ("email.bounced", {"bounce": _BOUNCE}),
    ReceiptState.COMPLAINED: ("email.complained", {}),
    ReceiptState.OPENED: ("email.opened", {}),
    ReceiptState.CLICKED: ("email.clicked", {"click": _CLICK}),
}


class ResendSimulator(MailSimulating):
    """`tocsin.ports.simulator.Simulator`. A letter's reference is its key against repeats."""

    provider = "resend"
    codes: Mapping[str, Dial] = {code: dial for code, (_, _, dial) in _ERRORS.items()}
    # Who unsubscribes does so by the link: Resend reports that of its own newsletters alone.
    actions: Mapping[Action, ReceiptState] = {
        action: state for action, state in MailSimulating.actions.items() if state in _EVENTS
    }

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        return {
            "url": f"http://127.0.0.1:{await self._listen_for_http(stage)}",
            "key": KEY,
            "webhook_secret": SECRET,
            "from_address": f"hello@{DOMAIN}",
        }

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return a webhook about the first of *references*."""
        kind, more = _EVENTS[state]
        event = {
            "type": kind,
            "created_at": f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}.126Z",
            "data": {
                "created_at": "2026-01-05T00:40:02.894719+00:00",
                "email_id": str(UUID(int=at_ms)),
                "from": f"hello@{DOMAIN}",
                "to": ["somebody@example.test"],
                "subject": "Hello",
                "tags": {"tocsin": references[0]},
                **more,
            },
        }
        callback = self.signed(msgspec.json.encode(event), at_ms)
        if genuine:
            return callback
        forged = {
            **callback.headers,
            "svix-signature": f"v1,{base64.b64encode(bytes(32)).decode()}",
        }
        return replace(callback, headers=forged)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a webhook that says anything."""
        id, stamp = f"msg_{hashlib.sha256(body).hexdigest()[:27]}", str(at_ms // 1_000)
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        proof = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "content-type": "application/json",
            "svix-id": id,
            "svix-timestamp": stamp,
            "svix-signature": f"v1,{base64.b64encode(proof).decode()}",
        }
        return Callback("POST", f"/v1/callbacks/{self.provider}", "", headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        wrong = _unknown(request)
        if wrong is None and (request.method, request.path) == ("GET", "/domains"):
            domain = {"id": str(UUID(int=1)), "name": DOMAIN, "status": "verified"}
            listed = {"object": "list", "has_more": False, "data": [domain]}
            return Reply.json(200, listed, *_RATE)
        letter = request.fields()
        wrong = wrong or _elsewhere(request) or _wrong(request, letter)
        if wrong is not None:
            return _error(wrong)
        return await self._letter(request, letter)

    async def _letter(self, request: Request, letter: dict[str, Any]) -> Reply | None:
        reference = _reference(request, letter)
        await self._arrived([reference])
        deal = self._deal(_to(letter))
        code = deal.code or _BY_DIAL.get(deal.dial)
        before = self._before(request)
        if before is not None and before.raw != request.body:
            return _error("invalid_idempotent_request")
        id = before.id if before is not None else ""
        if deal.dial is not Dial.DROP and not (before is not None and deal.taken):
            id = await self._keep(
                reference=reference,
                to=_to(letter),
                content=_content(letter),
                raw=request.body,
                answer="" if deal.lost else code or "200",
                taken=deal.taken,
                trace=letter.get("headers", {}).get("Traceparent"),
            )
        await self._wait(deal)
        if deal.lost:
            return None
        if code is not None:
            return _error(code)
        return Reply.json(200, {"id": str(UUID(int=int(id.rpartition("-")[2])))}, *_RATE)

    def _before(self, request: Request) -> Received | None:
        """Return the letter that was taken under the same key, if one was."""
        key = request.headers.get("idempotency-key")
        since_ms = self._stage.now_ms() - KEYS_MS
        found = self.messages(to=key, since_ms=since_ms) if key is not None else ()
        return next((each for each in found if each.taken and each.reference == key), None)


def _unknown(request: Request) -> str | None:
    given = request.headers.get("authorization")
    if given is None:
        return "missing_api_key"
    return None if given == f"Bearer {KEY}" else "invalid_api_key"


def _elsewhere(request: Request) -> str | None:
    if request.path != "/emails":
        return "not_found"
    return None if request.method == "POST" else "method_not_allowed"


def _wrong(request: Request, letter: dict[str, Any]) -> str | None:
    if not 1 <= len(request.headers.get("idempotency-key", "-")) <= _KEY_CHARACTERS_MAX:
        return "invalid_idempotency_key"
    if not all(letter.get(name) for name in _NEEDED):
        return "missing_required_field"
    if "@" not in str(letter["from"]):
        return "invalid_from_address"
    if "@" not in _to(letter):
        return "validation_error/to"
    if not all(each.get("content") or each.get("path") for each in letter.get("attachments", ())):
        return "invalid_attachment"
    return None if letter.get("text") or letter.get("html") else "validation_error"


def _error(code: str) -> Reply:
    status, words, _ = _ERRORS[code]
    body = {"statusCode": status, "name": code.partition("/")[0], "message": words}
    after = (("retry-after", "1"),) if code == "rate_limit_exceeded" else ()
    return Reply.json(status, body, *_RATE, *after)


def _reference(request: Request, letter: dict[str, Any]) -> str:
    tags = {each["name"]: str(each.get("value", "")) for each in letter.get("tags", ())}
    return request.headers.get("idempotency-key") or tags.get("tocsin", "")


def _to(letter: dict[str, Any]) -> str:
    to = letter.get("to", "")
    return str(to[0] if isinstance(to, list) and to else to)


def _content(letter: dict[str, Any]) -> dict[str, str]:
    return {name: str(letter[name]) for name in ("subject", "text", "html") if letter.get(name)}
