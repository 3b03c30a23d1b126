"""Addresses of chats: each platform has its own, and some are URLs that are secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.domain.urls import public_url
from tocsin.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class _Kind:
    pattern: re.Pattern[str]
    must: str


def _kind(pattern: str, must: str) -> _Kind:
    return _Kind(re.compile(pattern + r"\Z", re.ASCII), must)


_KINDS: Final[Mapping[str, _Kind]] = {
    "slack": _kind(
        r"[CDGUW][A-Z0-9]{2,30}|#[a-z0-9._-]{1,80}"
        r"|https://hooks\.slack(?:-gov)?\.com/services/[A-Za-z0-9_/-]{1,200}",
        "is not a channel or person of Slack's (C…, U…, #name) or the URL of an incoming webhook",
    ),
    "teams": _kind(
        r"https://[^\s]{4,2040}",
        "is not the URL of a workflow, which begins with https://",
    ),
    "discord": _kind(
        r"https://(?:(?:canary|ptb)\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks"
        r"/[0-9]{5,25}/[A-Za-z0-9_-]{1,200}(?:\?thread_id=[0-9]{5,25})?",
        "is not the URL of a webhook of Discord's",
    ),
    "telegram": _kind(
        r"-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{3,31}",
        "is not the number of a chat or the @name of a channel",
    ),
}
_ANY: Final = _kind(
    r"[\x21-\x7e]{1,512}", "must be a name or a URL without spaces, at most 512 characters"
)


def normal_chat(provider: str | None, value: str) -> str:
    """
    Return *value* if it can be an address of *provider*, or of any platform without one.

    Raises `RequestRefused`; never repeats the value.
    """
    kind = _KINDS.get(provider or "", _ANY)
    if _is_url(value):
        public_url(value)
    if kind.pattern.match(value) is None and not (kind is _ANY and _is_url(value)):
        raise RequestRefused(kind.must, code="invalid_chat")
    return value


def _is_url(value: str) -> bool:
    return value.startswith(("https://", "http://"))
