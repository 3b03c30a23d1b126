"""What SendGrid answers when something is wrong, for its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tocsin.ports.simulator import Dial


class Played(NamedTuple):
    """An answer: ``field`` may hold ``{n}`` for the place of the letter that it is about."""

    status: int
    message: str
    field: str | None = None
    dial: Dial = Dial.REFUSE


_PERSONAL: Final = {
    "personalizations": "You must have at least one personalization.",
    "personalizations.to": "Does not contain a valid address.",
    "personalizations.substitutions": "You are limited to 10000 bytes of substitutions.",
    "personalizations.headers": "The header is reserved and cannot be used.",
    "personalizations.custom_args": "The custom args are limited to 10000 bytes.",
}
_FIELDS: Final = {
    "from": "The from object must be provided for every email send.",
    "reply_to": "The reply_to object must have a valid email.",
    "subject": "The subject is required.",
    "content": "The content value must be a string at least one character in length.",
    "attachments": "The attachment content must be base64 encoded.",
    "template_id": "The template_id must be a valid GUID.",
    "sections": "The sections must be an object of key/value pairs.",
    "headers": "The header is reserved and cannot be used.",
    "categories": "The category is limited to 255 characters.",
    "custom_args": "The custom args are limited to 10000 bytes.",
    "send_at": "Scheduling more than 72 hours in advance is forbidden.",
    "batch_id": "The batch_id must be valid.",
    "asm": "The asm group_id must be a valid id.",
    "ip_pool_name": "The ip_pool_name must be valid.",
    "mail_settings": "The mail_settings must be an object.",
    "tracking_settings": "The tracking_settings must be an object.",
}
_WORDS: Final = {
    "maximum credits exceeded": Played(401, "Maximum credits exceeded"),
    "authorization required": Played(401, "authorization required"),
    "the provided authorization grant is invalid, expired, or revoked": Played(
        401, "The provided authorization grant is invalid, expired, or revoked"
    ),
    "authenticated user is not authorized to send mail": Played(
        401, "Authenticated user is not authorized to send mail"
    ),
    "access forbidden": Played(403, "access forbidden"),
    "too many requests": Played(429, "too many requests", dial=Dial.THROTTLE),
}
_STATUSES: Final = {
    400: "Bad Request",
    401: "The key is not ours.",
    402: "Payment required",
    403: "You are blocked for a while.",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not acceptable",
    413: "",
    415: "Content-Type should be application/json.",
    451: "Unavailable due to data residency restrictions",
}

_FAILED: Final = {
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


def _place(name: str) -> str:
    first, _, rest = name.partition(".")
    return f"{first}.{{n}}.{rest}.0.email" if rest == "to" else f"{first}.{{n}}.{rest}".rstrip(".")


ERRORS: Final[Mapping[str, Played]] = {
    **_WORDS,
    **{name: Played(400, words, _place(name)) for name, words in _PERSONAL.items()},
    **{name: Played(400, words, name) for name, words in _FIELDS.items()},
    **{str(status): Played(status, words) for status, words in _STATUSES.items()},
    "429": Played(429, "too many requests", dial=Dial.THROTTLE),
    **{str(status): Played(status, words, dial=Dial.FAIL) for status, words in _FAILED.items()},
}
"""By the code that stands for them: a field without its numbers, words, or a status."""

BY_DIAL: Final[Mapping[Dial, Played]] = {
    Dial.REFUSE: ERRORS["personalizations.headers"],
    Dial.DEAD_ADDRESS: ERRORS["personalizations.to"],
    Dial.THROTTLE: ERRORS["429"],
    Dial.FAIL: ERRORS["500"],
}
