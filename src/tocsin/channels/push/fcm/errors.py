"""Google's errors as Google writes them: a status, a word, and details in either order."""

from __future__ import annotations

from itertools import count
from typing import Any, Final, NamedTuple

from tocsin.channels.push.fcm.checking import Wrong
from tocsin.channels.simulating_http import Reply
from tocsin.ports.simulator import Dial

GONE_PATHS: Final = frozenset({"/batch", "/fcm/send"})
RETRY_AFTER_S: Final = 30
NOT_SAID_WHEN: Final = "QUOTA_EXCEEDED without Retry-After"
SAID_WHEN: Final = "UNAVAILABLE with Retry-After"

_R, _D, _T, _F = Dial.REFUSE, Dial.DEAD_ADDRESS, Dial.THROTTLE, Dial.FAIL
_FCM: Final = "type.googleapis.com/google.firebase.fcm.v1."
_RPC: Final = "type.googleapis.com/google.rpc."
_ORDER: Final = count()


class Played(NamedTuple):
    """One error; without ``canonical`` it is a page of HTML."""

    status: int
    dial: Dial
    canonical: str = ""
    message: str = ""
    details: tuple[dict[str, Any], ...] = ()


def _fcm(code: str) -> dict[str, Any]:
    return {"@type": f"{_FCM}FcmError", "errorCode": code}


def _field(name: str, description: str) -> dict[str, Any]:
    violation = {"field": name, "description": description}
    return {"@type": f"{_RPC}BadRequest", "fieldViolations": [violation]}


def _quota(subject: str) -> dict[str, Any]:
    violation = {"subject": subject, "description": "played"}
    return {"@type": f"{_RPC}QuotaFailure", "violations": [violation]}


_APNS: Final = {"@type": f"{_FCM}ApnsError", "statusCode": 403, "reason": "InvalidProviderToken"}
_ARGUMENT: Final = "Request contains an invalid argument."
_TOKEN: Final = _field("message.token", "Invalid registration token")
_AUTH: Final = "Auth error from APNS or Web Push Service"
_EXHAUSTED: Final = "Quota exceeded."
_QUOTA: Final = _fcm("QUOTA_EXCEEDED")

PLAYED: Final[dict[str, Played]] = {
    "400": Played(400, _R),
    "401": Played(401, _R),
    "403": Played(403, _R),
    "404": Played(404, _R),
    "429": Played(429, _T),
    "500": Played(500, _F),
    "502": Played(502, _F),
    "503": Played(503, _F),
    "504": Played(504, _F),
    "INVALID_TOKEN": Played(
        400, _D, "INVALID_ARGUMENT", _ARGUMENT, (_fcm("INVALID_ARGUMENT"), _TOKEN)
    ),
    "INVALID_ARGUMENT": Played(
        400,
        _R,
        "INVALID_ARGUMENT",
        _ARGUMENT,
        (_fcm("INVALID_ARGUMENT"), _field("message.android.ttl", "Invalid duration")),
    ),
    "TOO_LARGE": Played(400, _R, "INVALID_ARGUMENT", _ARGUMENT),
    "THIRD_PARTY_AUTH_ERROR": Played(
        401, _R, "UNAUTHENTICATED", _AUTH, (_fcm("THIRD_PARTY_AUTH_ERROR"), _APNS)
    ),
    "APNS_AUTH_ERROR": Played(401, _R, "UNAUTHENTICATED", _AUTH, (_fcm("APNS_AUTH_ERROR"),)),
    "UNAUTHENTICATED": Played(
        401, _R, "UNAUTHENTICATED", "Request had invalid authentication credentials."
    ),
    "SENDER_ID_MISMATCH": Played(
        403, _D, "PERMISSION_DENIED", "SenderId mismatch", (_fcm("SENDER_ID_MISMATCH"),)
    ),
    "PERMISSION_DENIED": Played(403, _R, "PERMISSION_DENIED", "Permission denied"),
    "UNREGISTERED": Played(
        404, _D, "NOT_FOUND", "Requested entity was not found.", (_fcm("UNREGISTERED"),)
    ),
    "NOT_FOUND": Played(404, _R, "NOT_FOUND", "Requested entity was not found."),
    "QUOTA_EXCEEDED": Played(
        429, _T, "RESOURCE_EXHAUSTED", _EXHAUSTED, (_quota("project:sandbox"), _QUOTA)
    ),
    "DEVICE_QUOTA_EXCEEDED": Played(
        429, _T, "RESOURCE_EXHAUSTED", _EXHAUSTED, (_quota("device:played"), _QUOTA)
    ),
    NOT_SAID_WHEN: Played(
        429, _T, "RESOURCE_EXHAUSTED", _EXHAUSTED, (_quota("project:sandbox"), _QUOTA)
    ),
    "RESOURCE_EXHAUSTED": Played(429, _T, "RESOURCE_EXHAUSTED", _EXHAUSTED),
    "INTERNAL": Played(500, _F, "INTERNAL", "Internal error encountered.", (_fcm("INTERNAL"),)),
    "UNAVAILABLE": Played(
        503, _F, "UNAVAILABLE", "The service is currently unavailable.", (_fcm("UNAVAILABLE"),)
    ),
    SAID_WHEN: Played(
        503, _F, "UNAVAILABLE", "The service is currently unavailable.", (_fcm("UNAVAILABLE"),)
    ),
    "DEADLINE_EXCEEDED": Played(504, _F, "DEADLINE_EXCEEDED", "Deadline exceeded."),
    "UNSPECIFIED_ERROR": Played(500, _F, "UNKNOWN", "Unknown error.", (_fcm("UNSPECIFIED_ERROR"),)),
}
_PAGE: Final = (
    b"<!DOCTYPE html><html lang=en><title>Error (Server Error)!!1</title><p>The server"
    b" encountered a temporary error. Please try again in 30 seconds.</html>"
)


def error_of(code: str, after_ms: int | None = None) -> Reply:
    """Return the error of this name; the order of its details is not stable, as with Google."""
    played = PLAYED[code]
    after_s = RETRY_AFTER_S if after_ms is None else -(-after_ms // 1_000)
    says_when = code == SAID_WHEN or (played.status == 429 and code != NOT_SAID_WHEN)
    headers = [("retry-after", str(after_s))] if says_when else []
    if not played.canonical:
        return Reply(played.status, _PAGE, (("content-type", "text/html"), *headers))
    error: dict[str, Any] = {
        "code": played.status,
        "message": played.message,
        "status": played.canonical,
    }
    if played.details:
        details = list(played.details)
        error["details"] = details if next(_ORDER) % 2 else details[::-1]
    return Reply.json(played.status, {"error": error}, *headers)


def refused(wrong: Wrong) -> Reply:
    """Return the error for a message that is not as it should be."""
    error: dict[str, Any] = {"code": 400, "message": _ARGUMENT, "status": "INVALID_ARGUMENT"}
    if wrong.field is not None:
        details = [_field(wrong.field, wrong.description)]
        error["details"] = [_fcm("INVALID_ARGUMENT"), *details] if wrong.coded else details
    return Reply.json(400, {"error": error})
