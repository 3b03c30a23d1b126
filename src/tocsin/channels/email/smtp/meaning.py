"""
What a refusal means, as a table.

Rows are tried from the top; the first that fits decides. The enhanced status (RFC 3463) says more
than the three digits, so it is asked first and its class is believed where the two disagree. What
servers really answer differs from the RFCs and between them; the rows follow what large receivers
are known to say.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

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


_OPENING: Final = frozenset({Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH})
_TO: Final = frozenset({Stage.RCPT, Stage.DATA, Stage.LETTER})
_ANY: Final = frozenset(Stage)


class Row(NamedTuple):
    """
    One row: ``said`` is how an enhanced status or a code begins.

    ``again`` says that the same letter is tried later, and ``after_ms`` when, where the answer
    does not say so itself.
    """

    said: str
    reason: ProviderReason
    again: bool = False
    after_ms: int | None = None
    stages: frozenset[Stage] = _ANY
    words: tuple[str, ...] = ()
    address_only: bool = False
    """Only this mailbox has too much; others may be written to."""


_R = ProviderReason

# Somebody has to mend it: letters wait for that, until they expire.
_MEND = (_R.OUR_FAULT, True)
_GREY = ("greylist", "graylist", "grey list")
_SUSPECT = ("spam", "policy", "blocked", "block list", "blacklist", "blocklist", "listed")
_NOBODY = ("unknown", "no such", "does not exist", "user", "mailbox", "recipient")

BY_STATUS: Final = (
    Row("4.2.1", _R.THROTTLED, True, _MINUTE_MS, words=("rate",), address_only=True),
    Row("4.2.2", _R.THROTTLED, True, _HOUR_MS, address_only=True),
    Row("4.3.2", _R.OVERLOADED, True, 30 * _SECOND_MS),
    Row("4.7.", _R.OVERLOADED, True, stages=_OPENING),
    Row("4.7.", _R.THROTTLED, True, 5 * _MINUTE_MS),
    Row("4.", _R.OVERLOADED, True),
    Row("5.", *_MEND, stages=_OPENING),
    Row("5.1.", *_MEND, stages=frozenset({Stage.MAIL})),
    Row("5.1.1", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.1.10", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.1.2", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.1.3", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.1.6", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.1.", _R.BAD_ADDRESS, stages=_TO),
    Row("5.2.1", _R.DEAD_ADDRESS, stages=_TO),
    Row("5.2.2", _R.THROTTLED, True, _HOUR_MS, address_only=True),
    Row("5.2.3", _R.TOO_LARGE),
    Row("5.2.", _R.BLOCKED),
    Row("5.3.4", _R.TOO_LARGE),
    Row("5.4.", _R.BAD_ADDRESS),
    Row("5.5.", _R.BAD_CONTENT),
    Row("5.6.7", _R.BAD_ADDRESS),
    Row("5.6.", _R.BAD_CONTENT),
    Row("5.7.", *_MEND),
)
"""Rows for enhanced status codes; one that no row names is taken by its three digits."""

BY_CODE: Final = (
    Row("421", _R.OVERLOADED, True, 30 * _SECOND_MS),
    Row("450", _R.THROTTLED, True, _MINUTE_MS, words=("rate", "too many", "too fast")),
    Row("45", _R.THROTTLED, True, 5 * _MINUTE_MS, words=_GREY, address_only=True),
    Row("4", _R.OVERLOADED, True),
    Row("5", *_MEND, stages=_OPENING),
    Row("530", *_MEND),
    Row("53", *_MEND, stages=frozenset({Stage.MAIL})),
    Row("552", _R.TOO_LARGE),
    # A letter taken for spam often names the mailbox as well. To think that an address is dead
    # costs it, to think that it is not costs a retry: so suspicion is looked for first.
    Row("550", *_MEND, words=_SUSPECT),
    Row("550", *_MEND, stages=frozenset({Stage.MAIL})),
    Row("550", _R.DEAD_ADDRESS, stages=_TO, words=_NOBODY),
    Row("550", _R.BLOCKED),
    Row("551", _R.DEAD_ADDRESS, stages=frozenset({Stage.RCPT})),
    Row("553", _R.DEAD_ADDRESS, stages=frozenset({Stage.RCPT})),
    Row("551", *_MEND),
    Row("553", *_MEND),
    Row("554", *_MEND, words=_SUSPECT),
    Row("554", _R.BLOCKED),
    Row("501", _R.BAD_ADDRESS, stages=frozenset({Stage.RCPT})),
    Row("5", _R.BAD_CONTENT),
)
"""Rows for replies without a status that is known."""

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
    for said, rows in ((status, BY_STATUS), (code, BY_CODE)):
        for row in rows:
            fits = _begins(said, row.said) and stage in row.stages
            if fits and (not row.words or any(word in text for word in row.words)):
                return row
    # A server that answers neither yes nor no to a command has lost its place.
    return Row("", ProviderReason.OVERLOADED, True)


def _begins(said: str, row: str) -> bool:
    """A whole status is one: ``5.1.1`` does not begin ``5.1.10``."""
    return said == row if row.count(".") == 2 and not row.endswith(".") else said.startswith(row)


def _asked_ms(text: str) -> int | None:
    """Return how long the server wants us to wait, if it says so in words."""
    found = _WAIT.search(text)
    if found is None:
        return None
    return min(int(found[1]) * _UNITS_MS[found[2][0].lower()], _WAIT_MAX_MS)
