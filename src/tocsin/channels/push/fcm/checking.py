"""What Google checks of a message before it takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PAYLOAD_BYTES_MAX: Final = 4_096
_TARGETS: Final = ("token", "fid", "topic", "condition")
_PARTS: Final = frozenset(
    {"name", "data", "notification", "android", "android_v2", "apns", "webpush", "fcm_options"}
)
_TTL: Final = re.compile(r"(\d+)(\.\d+)?s\Z", re.ASCII)
_TTL_MAX_S: Final = 2_419_200
_HUMP: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_VERBATIM: Final = frozenset({"data", "headers", "payload"})
"""Whose names are the sender's own."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]{10,4096}\Z", re.ASCII)
_RESERVED: Final = ("google.", "gcm.notification.")


class Wrong(NamedTuple):
    """What is wrong; without a field Google does not say what."""

    field: str | None
    description: str = ""
    coded: bool = True
    """Whether FCM's own code is among the details."""


TOO_LARGE: Final = Wrong(None)


def plain(value: Any) -> Any:
    """Return *value* with names in snake case, for Google takes both."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {_HUMP.sub(lambda m: "_" + m[1].lower(), name): each for name, each in value.items()}
    return {name: each if name in _VERBATIM else plain(each) for name, each in named.items()}


def check_message(message: Mapping[str, Any]) -> Wrong | None:
    """Return the first thing that is wrong with a message in snake case."""
    targets = [name for name in _TARGETS if message.get(name)]
    if len(targets) != 1:
        return Wrong("message", "Recipient of the message is not set.")
    unknown = set(message) - _PARTS - set(_TARGETS)
    if unknown:
        return Wrong("message", "Cannot find field.", coded=False)
    token = message.get("token") or message.get("fid")
    if token is not None and _TOKEN.match(str(token)) is None:
        return Wrong("message.token", "Invalid registration token")
    return _check_parts(message) or _check_size(message)


def _check_parts(message: Mapping[str, Any]) -> Wrong | None:
    android = message.get("android", {})
    if android and "android_v2" in message:
        return Wrong("message.android", "android and android_v2 exclude each other")
    for where, data in (
        ("message.data", message.get("data", {})),
        ("message.android.data", android.get("data", {})),
    ):
        wrong = _check_data(where, data)
        if wrong is not None:
            return wrong
    ttl = _TTL.match(android.get("ttl", "0s"))
    if ttl is None or int(ttl[1]) > _TTL_MAX_S:
        return Wrong("message.android.ttl", "Invalid duration")
    if str(android.get("priority", "normal")).lower() not in {"normal", "high"}:
        return Wrong("message.android.priority", "Invalid value", coded=False)
    link = message.get("webpush", {}).get("fcm_options", {}).get("link", "https://")
    if not str(link).startswith("https://"):
        return Wrong("message.webpush.fcm_options.link", "must be an HTTPS URL")
    return None


def _check_data(where: str, data: Mapping[str, Any]) -> Wrong | None:
    for n, (name, value) in enumerate(data.items()):
        if not isinstance(value, str):
            return Wrong(f"{where}[{n}].value", f"Invalid value at '{where}' (TYPE_STRING)", False)
        if name in {"from", "message_type"} or name.startswith(_RESERVED):
            return Wrong(f"{where}[{n}]", "Reserved key")
    return None


def _check_size(message: Mapping[str, Any]) -> Wrong | None:
    limit = PAYLOAD_BYTES_MAX // 2 if "topic" in message else PAYLOAD_BYTES_MAX
    counted = {**message, "token": None, "fid": None}
    return TOO_LARGE if _bytes_of(counted) > limit else None


def _bytes_of(value: Any) -> int:
    """Count names and values."""
    if isinstance(value, Mapping):
        return sum(len(str(name).encode()) + _bytes_of(each) for name, each in value.items())
    if isinstance(value, list):
        return sum(map(_bytes_of, value))
    return 0 if value is None else len(str(value).encode())
