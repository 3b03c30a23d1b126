"""
What a refusal means: by the table in ``answers.toml``.

Rows are tried from the top; the first that fits decides. The enhanced status (RFC 3463) says more
than the three digits, so it is asked first and its class is believed where the two disagree. What
servers really answer differs from the RFCs and between them; the rows follow what large receivers
are known to say.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Final

import msgspec

from tocsin.channels.email.smtp.replies import Reply
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused, TryLater

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60 * _SECOND_MS
_HOUR_MS: Final = 60 * _MINUTE_MS


class Stage(StrEnum):
    """What was answered."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    LETTER = "letter"


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One row: ``said`` is how an enhanced status or a code begins.

    ``again`` says that the same letter is tried later, and ``after_ms`` when, where the answer
    does not say so itself. ``says`` is for people.
    """

    said: str
    reason: ProviderReason
    says: str
    again: bool = False
    after_ms: int | None = None
    stages: frozenset[Stage] = frozenset(Stage)
    words: tuple[str, ...] = ()
    address_only: bool = False
    """Only this mailbox has too much; others may be written to."""


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table in this folder."""

    statuses: tuple[Row, ...]
    """For enhanced status codes; one that no row names is taken by its three digits."""
    codes: tuple[Row, ...]
    """For replies without a status that is known."""


def load_answers() -> Answers:
    """Read the table; raises ``msgspec.ValidationError`` for one that is wrong."""
    text = (files(__package__) / "answers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Answers)


ANSWERS: Final = load_answers()

_LOST: Final = Row(said="", reason=ProviderReason.OVERLOADED, says="no answer", again=True)
_WAIT: Final = re.compile(
    r"\b(\d{1,5})\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?)\b", re.IGNORECASE
)
_UNITS_MS: Final = {"s": _SECOND_MS, "m": _MINUTE_MS, "h": _HOUR_MS}
_WAIT_MAX_MS: Final = 4 * _HOUR_MS


def meaning(reply: Reply, stage: Stage) -> ProviderOutcome:
    """Return what *reply*, a refusal, says about the letter: known not to be accepted."""
    detail = f"{stage}: {reply.code} {reply.status}".rstrip()
    row = _row(reply, stage)
    if not row.again:
        return Refused(row.reason, detail)
    after_ms = row.after_ms
    if row.reason is ProviderReason.THROTTLED:
        after_ms = _asked_ms(reply.text) or after_ms
    return TryLater(row.reason, after_ms=after_ms, detail=detail, address_only=row.address_only)


def _row(reply: Reply, stage: Stage) -> Row:
    text = reply.text.lower()
    status, code = reply.status, str(reply.code)
    if status[:1] in {"4", "5"} and status[0] != code[0]:
        code = status[0] + code[1:]
    for said, rows in ((status, ANSWERS.statuses), (code, ANSWERS.codes)):
        for row in rows:
            fits = _begins(said, row.said) and stage in row.stages
            if fits and (not row.words or any(word in text for word in row.words)):
                return row
    # A server that answers neither yes nor no to a command has lost its place.
    return _LOST


def _begins(said: str, row: str) -> bool:
    """A whole status is one: ``5.1.1`` does not begin ``5.1.10``."""
    return said == row if row.count(".") == 2 and not row.endswith(".") else said.startswith(row)


def _asked_ms(text: str) -> int | None:
    """Return how long the server wants us to wait, if it says so in words."""
    found = _WAIT.search(text)
    if found is None:
        return None
    return min(int(found[1]) * _UNITS_MS[found[2][0].lower()], _WAIT_MAX_MS)
