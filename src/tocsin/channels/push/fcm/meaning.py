"""
What Google's errors say, by the names of the table of replies.

An error has a canonical status and, in its details, a code of FCM's, a list of wrong fields, or
both, in no fixed order; some have no details, and what comes from a front of Google's is a page.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.domain.json_check import UNREADABLE

_FCM: Final = "google.firebase.fcm.v1.FcmError"
_FIELDS: Final = "google.rpc.BadRequest"
_QUOTA: Final = "google.rpc.QuotaFailure"
_TARGETS: Final = frozenset({"message.token", "message.fid", "token", "fid"})


def code_of(body: bytes) -> str | None:
    """Return the code; None for what is not Google's error."""
    try:
        error = msgspec.json.decode(body)["error"]
        status, details = error["status"], error.get("details", [])
        parts = {part["@type"].rpartition("/")[2]: part for part in details}
        return _code(status, parts, str(error.get("message", "")))
    except (*UNREADABLE, LookupError):
        return None
    except (TypeError, AttributeError):
        # Not the shape that is documented.
        return None


def _code(status: str, parts: dict[str, dict[str, Any]], message: str) -> str | None:
    code = parts.get(_FCM, {}).get("errorCode")
    if status == "INVALID_ARGUMENT":
        return _wrong(parts, message)
    if code == "QUOTA_EXCEEDED" and _of_device(parts):
        return "DEVICE_QUOTA_EXCEEDED"
    if isinstance(code, str):
        return code
    return status


def _wrong(parts: dict[str, dict[str, Any]], message: str) -> str:
    if not parts:
        # Google says of what is too large no more than this.
        return "TOO_LARGE"
    fields = {each.get("field") for each in parts.get(_FIELDS, {}).get("fieldViolations", ())}
    if fields & _TARGETS or "not a valid FCM registration token" in message:
        return "INVALID_TOKEN"
    return "INVALID_ARGUMENT"


def _of_device(parts: dict[str, dict[str, Any]]) -> bool:
    violations = parts.get(_QUOTA, {}).get("violations", ())
    return any("device" in str(each.get("subject", "")).lower() for each in violations)
