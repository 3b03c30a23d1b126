"""The caller: a finished letter by itself, or one text for several readers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from tocsin.channels.aws_notices import Notices
from tocsin.channels.aws_signing import AwsKeys, AwsSigner
from tocsin.channels.email.ses.account import findings
from tocsin.channels.email.ses.body import bulk_body, fits_template, single_body
from tocsin.channels.email.ses.events import receipts_of
from tocsin.channels.email.ses.settings import SesSettings
from tocsin.channels.email.writing.batches import send_alike, unwritten
from tocsin.channels.email.writing.letter import BadLetter, Writer
from tocsin.channels.email.writing.outline import Outline
from tocsin.channels.replies import NOT_READ, load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_REPLIES: Final = load_replies(__package__)
_ENTRIES: Final = load_replies(__package__, "entries.toml")
_TYPE: Final = "application/json"
_ID: Final = re.compile(r"[\w-]{1,100}\Z", re.ASCII)

_WORDS: Final = (
    ("MessageRejected", re.compile("not verified", re.IGNORECASE), "MessageRejected/unverified"),
    (
        "BadRequestException",
        re.compile(
            "missing final '@domain'|illegal address|local address|domain (name )?contains"
            "|invalid (email )?address",
            re.IGNORECASE,
        ),
        "BadRequestException/address",
    ),
    ("ThrottlingException", re.compile("daily", re.IGNORECASE), "ThrottlingException/daily"),
    ("Throttling", re.compile("daily", re.IGNORECASE), "ThrottlingException/daily"),
)
"""Errors of which only the words say what kind they are of."""


class Entry(msgspec.Struct, frozen=True, rename="pascal"):
    """What became of one letter of several."""

    status: str = ""
    message_id: str | None = None


class Results(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a call with several."""

    bulk_email_entry_results: Sequence[Entry]


class Result(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a call with one."""

    message_id: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """The body of an answer that refuses."""

    message: str = ""
    type: str = msgspec.field(name="__type", default="")


class Ses:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: SesSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        hears = bool(settings.topics)
        self.flags = Flags(settings.batch_max, receipts=hears, arrivals=hears, reads=hears)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._sender = settings.sender()
        self._writer = Writer(self._sender)
        self._set = settings.configuration_set
        self._timeout_ms = settings.call_timeout_ms
        base = settings.url or f"https://email.{settings.region}.amazonaws.com"
        self._url = f"{base}/v2/email/outbound-emails"
        self._account_url = f"{base}/v2/email/account"
        self._bulk_url = f"{base}/v2/email/outbound-bulk-emails"
        keys = AwsKeys(settings.access_key_id, settings.secret_access_key, settings.session_token)
        self._signer = AwsSigner(keys, settings.region, "ses")
        self._notices = Notices(
            tools.transport,
            frozenset(settings.topics),
            age_max_ms=settings.callback_age_max_ms,
            url=settings.notices_url,
        )

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """See the port: letters that say the same share a call."""
        return await send_alike(messages, self._sender, self.flags.batch_max, self._call)

    async def read_callback(self, callback: Callback) -> Reading:
        """Open what SNS posts, and read the event in it."""
        notice = await self._notices.open(callback)
        return Reading() if notice is None else Reading(receipts_of(notice.message))

    async def check(self) -> Sequence[Finding]:
        """Ask about the account (`tocsin.ports.self_check.SelfCheck`)."""
        lines = self._signer.headers("GET", self._account_url, b"", _TYPE, self._wall_ms())
        call = Call(self._account_url, b"", lines, self._timeout_ms, method="GET")
        answer = await self._transport.call(call)
        if isinstance(answer, Answer) and answer.status == HTTPStatus.OK:
            return findings(answer.body)
        outcome = unanswered(answer) if isinstance(answer, NoAnswer) else _judged(answer)
        return [found(outcome, "asking about the account")]

    async def close(self) -> None:
        """The client is not its own."""

    async def _call(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        if len(letters) > 1 and fits_template(letters[0]):
            return await self._bulk(letters)
        return await asyncio.gather(*map(self._single, letters))

    async def _single(self, outline: Outline) -> ProviderOutcome:
        try:
            letter = self._writer.write(outline.message, self._wall_ms())
        except BadLetter as bad:
            return unwritten(bad)
        body = single_body(outline, letter, self._sender, self._set)
        (outcome,) = await self._made(self._url, body, 1, _taken)
        return outcome

    async def _bulk(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        body = bulk_body(letters, self._sender, self._set)
        return await self._made(self._bulk_url, body, len(letters), _taken_each)

    async def _made(
        self,
        url: str,
        body: bytes,
        count: int,
        taken: Callable[[Answer, int], Sequence[ProviderOutcome]],
    ) -> Sequence[ProviderOutcome]:
        lines = self._signer.headers("POST", url, body, _TYPE, self._wall_ms())
        answer = await self._transport.call(Call(url, body, lines, self._timeout_ms))
        if isinstance(answer, NoAnswer):
            return [unanswered(answer)] * count
        if 200 <= answer.status < 300:
            return taken(answer, count)
        return [_judged(answer)] * count


def build(settings: SesSettings, tools: ProviderTools) -> Ses:
    """Return the provider."""
    return Ses(settings, tools)


def _taken(answer: Answer, _count: int) -> Sequence[ProviderOutcome]:
    try:
        id = msgspec.json.decode(answer.body, type=Result).message_id
    except UNREADABLE:
        return [NOT_READ]
    return [Accepted(_shown(id))]


def _taken_each(answer: Answer, count: int) -> Sequence[ProviderOutcome]:
    """Read what became of each, in the order of the call."""
    try:
        found = msgspec.json.decode(answer.body, type=Results).bulk_email_entry_results
    except UNREADABLE:
        return [NOT_READ] * count
    if len(found) != count:
        return [NOT_READ] * count
    return [_of_entry(entry) for entry in found]


def _of_entry(entry: Entry) -> ProviderOutcome:
    if entry.status not in _ENTRIES.codes:
        return NOT_READ
    return _ENTRIES.codes[entry.status].outcome(entry.status, provider_id=_shown(entry.message_id))


def _shown(id: str | None) -> str | None:
    return id if id is not None and _ID.match(id) is not None else None


def _judged(answer: Answer) -> ProviderOutcome:
    code = _code(answer)
    return _REPLIES.of(answer.status, code).outcome(f"{answer.status} {code}".strip())


def _code(answer: Answer) -> str:
    """Return the error's name: that of the header, or of the body."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except UNREADABLE:
        problem = Problem()
    named = (answer.header(b"x-amzn-errortype") or b"").decode("ascii", "replace") or problem.type
    name = named.partition(":")[0].rpartition("#")[2][:64]
    name = name if name.isalnum() else ""
    for whose, words, code in _WORDS:
        if name == whose and words.search(problem.message) is not None:
            return code
    return name
