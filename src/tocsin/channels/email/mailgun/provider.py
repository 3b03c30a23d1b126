"""The caller: one form for letters that are alike, and what its answer means for each."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.channels.email.mailgun.body import form_of, may_share
from tocsin.channels.email.mailgun.events import Verifier, receipts_of
from tocsin.channels.email.mailgun.settings import MailgunSettings
from tocsin.channels.email.writing.batches import send_alike, send_halves
from tocsin.channels.email.writing.outline import Outline
from tocsin.channels.replies import load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_REPLIES: Final = load_replies(__package__)
_ID: Final = re.compile(r"<?([\w.-]{1,100})@[\w.-]{1,100}>?\Z", re.ASCII)
_AGAIN: Final = re.compile(r"try again after (.{10,40})", re.IGNORECASE)
_SENDER: Final = re.compile(r"'?from'? parameter", re.IGNORECASE)
_WORDS: Final = (
    (_SENDER, "sender"),
    (re.compile("not a valid address", re.IGNORECASE), "address"),
    (re.compile("sandbox|free accounts|authorized recipients", re.IGNORECASE), "sandbox"),
    (re.compile("activate|disabled", re.IGNORECASE), "activate"),
    (re.compile("unverified|not verified|not allowed to send", re.IGNORECASE), "unverified"),
)
_ASKING: Final = "asking about the domain"
_ACTIVE: Final = re.compile(rb'"state"\s*:\s*"active"')
_NOT_ACTIVE: Final = Finding(
    Weight.PROBLEM, "the domain is not active", "verify its DNS records on Mailgun's page"
)
_WITH_WORDS: Final = frozenset({400, 401, 403})


class Said(msgspec.Struct, frozen=True):
    """The body of any answer."""

    message: str = ""
    id: str = ""


class Mailgun:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: MailgunSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        key = settings.webhook_key
        self._verifier = None if key is None else Verifier(key, settings.callback_age_max_ms)
        hears = self._verifier is not None
        self.flags = Flags(settings.batch_max, receipts=hears, arrivals=hears, reads=hears)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._sender = settings.sender()
        self._url = f"{settings.url}/v3/{settings.domain}/messages"
        self._domain_url = f"{settings.url}/v4/domains/{settings.domain}"
        self._key = settings.key
        self._timeout_ms = settings.call_timeout_ms

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """See the port: letters that say the same share a call."""
        return await send_alike(messages, self._sender, self.flags.batch_max, self._call)

    async def read_callback(self, callback: Callback) -> Reading:
        """Verify and read a webhook."""
        if self._verifier is None:
            raise Unauthenticated("no key is set with which callbacks could be verified")
        event = self._verifier.open(callback)
        return Reading(receipts_of(event), response=Response(200))

    async def check(self) -> Sequence[Finding]:
        """Ask about the domain (`tocsin.ports.self_check.SelfCheck`)."""
        call = Call(self._domain_url, b"", (self._login(),), self._timeout_ms, method="GET")
        answer = await self._transport.call(call)
        if isinstance(answer, NoAnswer):
            return [found(unanswered(answer), _ASKING)]
        outcome = self._outcome(answer)
        if not isinstance(outcome, Accepted) or _ACTIVE.search(answer.body) is not None:
            return [found(outcome, _ASKING)]
        return [_NOT_ACTIVE]

    async def close(self) -> None:
        """The client is not its own."""

    def _login(self) -> str:
        login = base64.b64encode(f"api:{self._key.reveal()}".encode()).decode()
        return f"authorization: Basic {login}"

    async def _call(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        if len(letters) > 1 and not may_share(letters[0]):
            alone = await asyncio.gather(*(self._call([letter]) for letter in letters))
            return [one for (one,) in alone]
        form = form_of(letters, self._sender)
        lines = (self._login(), f"content-type: {form.content_type}")
        answer = await self._transport.call(Call(self._url, form.data, lines, self._timeout_ms))
        if isinstance(answer, NoAnswer):
            return [unanswered(answer)] * len(letters)
        outcome = self._outcome(answer)
        mended = isinstance(outcome, Refused) and outcome.reason is not ProviderReason.OUR_FAULT
        if len(letters) > 1 and mended:
            # Nothing of a refused call was taken, and it does not say whom it is about.
            return await send_halves(letters, self._call)
        return [outcome] * len(letters)

    def _outcome(self, answer: Answer) -> ProviderOutcome:
        try:
            said = msgspec.json.decode(answer.body, type=Said)
        except UNREADABLE:
            said = Said()
        code = _code(answer.status, said.message)
        named = _ID.match(said.id)
        return _REPLIES.of(answer.status, code).outcome(
            f"{answer.status} {code or ''}".strip(),
            after_ms=self._after_ms(answer, said.message),
            provider_id=None if named is None else named[1],
        )

    def _after_ms(self, answer: Answer, words: str) -> int | None:
        """Return how long to wait: it says so in words alone."""
        asked = _AGAIN.search(words)
        date = asked[1].strip(" .").encode("ascii", "replace") if asked is not None else None
        return retry_after_ms(answer.header(b"retry-after") or date, self._wall_ms())


def build(settings: MailgunSettings, tools: ProviderTools) -> Mailgun:
    """Return the provider."""
    return Mailgun(settings, tools)


def _code(status: int, words: str) -> str | None:
    if status not in _WITH_WORDS:
        return None
    return next((code for pattern, code in _WORDS if pattern.search(words) is not None), None)
