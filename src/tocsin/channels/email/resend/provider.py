"""The caller: one letter a call, under a key by which Resend knows it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.channels.email.resend.body import body_of
from tocsin.channels.email.resend.events import Verifier, receipts_of
from tocsin.channels.email.resend.options import ResendOptions
from tocsin.channels.email.resend.settings import ResendSettings
from tocsin.channels.email.writing.batches import send_together
from tocsin.channels.email.writing.outline import Outline
from tocsin.channels.options import read_options
from tocsin.channels.replies import NOT_READ, load_replies, unanswered
from tocsin.config import Misconfigured
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import RequestRefused, Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import (
    Accepted,
    ProviderOutcome,
    Refused,
)
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_REPLIES: Final = load_replies(__package__)
_ASKING: Final = "asking about the sender's domain"
_NOT_VERIFIED: Final = Finding(
    Weight.PROBLEM,
    "the domain of from_address was not verified",
    "add it on Resend's page for domains, and its records to the DNS",
)
_TO: Final = re.compile(r"invalid [`'\"]?to[`'\"]? field", re.IGNORECASE)
_ID: Final = re.compile(r"[0-9a-f-]{1,64}\Z", re.ASCII)


class Problem(msgspec.Struct, frozen=True):
    """The body of an answer that refuses."""

    name: str = ""
    message: str = ""


class Made(msgspec.Struct, frozen=True):
    """The body of an answer that takes a letter."""

    id: str = ""


class Domain(msgspec.Struct, frozen=True):
    """A domain that is set up there."""

    name: str
    status: str = ""


class Domains(msgspec.Struct, frozen=True):
    """Those of an account, or the first of them."""

    data: Sequence[Domain] = ()
    has_more: bool = False


class Resend:
    """
    `tocsin.ports.provider.Provider`.

    Resend also takes 100 letters in a call (``/emails/batch``), under one key for all of them. What
    is tried again comes with others than before, so a letter would come under another key, and
    twice: one by one, each keeps its own.
    """

    def __init__(
        self, settings: ResendSettings, tools: ProviderTools, verifier: Verifier | None
    ) -> None:
        self.name = tools.name
        hears = verifier is not None
        self.flags = Flags(idempotent=True, receipts=hears, arrivals=hears, reads=hears)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._sender = settings.sender()
        self._url = f"{settings.url}/emails"
        self._domains_url = f"{settings.url}/domains?limit=100"
        self._key = settings.key
        self._timeout_ms = settings.call_timeout_ms
        self._verifier = verifier

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        return await send_together(messages, self._sender, self._call)

    async def read_callback(self, callback: Callback) -> Reading:
        """Verify and read a webhook."""
        if self._verifier is None:
            raise Unauthenticated("no secret is set with which callbacks could be verified")
        self._verifier.check(callback)
        return Reading(receipts_of(callback.body, _REPLIES), response=Response(200))

    async def check(self) -> Sequence[Finding]:
        """
        Ask about the sender's domain (`tocsin.ports.self_check.SelfCheck`).

        A key that may do nothing but send is told so: then it is known there, and that is all.
        """
        lines = (f"authorization: Bearer {self._key.reveal()}",)
        call = Call(self._domains_url, b"", lines, self._timeout_ms, method="GET")
        answer = await self._transport.call(call)
        if isinstance(answer, NoAnswer):
            return [found(unanswered(answer), _ASKING)]
        if _problem(answer).name == "restricted_api_key":
            return [Finding(Weight.FINE, "Resend knows the key, which may send and nothing else")]
        outcome = self._outcome(answer)
        if isinstance(outcome, Accepted) and not _has(answer, self._sender.domain):
            return [_NOT_VERIFIED]
        return [found(outcome, _ASKING)]

    async def close(self) -> None:
        """The client is not its own."""

    async def _call(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        (letter,) = letters
        options = read_options(letter.message.options, ResendOptions)
        if isinstance(options, Refused):
            return [options]
        lines = (
            f"authorization: Bearer {self._key.reveal()}",
            "content-type: application/json",
            f"idempotency-key: {letter.message.reference}",
        )
        body = body_of(letter, self._sender, options)
        answer = await self._transport.call(Call(self._url, body, lines, self._timeout_ms))
        return [unanswered(answer) if isinstance(answer, NoAnswer) else self._outcome(answer)]

    def _outcome(self, answer: Answer) -> ProviderOutcome:
        code = _code(answer.status, _problem(answer))
        reply = _REPLIES.of(answer.status, code)
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        rest_ms = retry_after_ms(answer.header(b"ratelimit-reset"), self._wall_ms())
        if reply.means == "accepted":
            spent = answer.header(b"ratelimit-remaining") == b"0"
            return _taken(answer, rest_ms if spent else None)
        detail = f"{answer.status} {code or ''}".strip()
        return reply.outcome(detail, after_ms=after_ms)


def build(settings: ResendSettings, tools: ProviderTools) -> Resend:
    """Return the provider; raises `Misconfigured` for a secret that is none."""
    if settings.webhook_secret is None:
        return Resend(settings, tools, None)
    try:
        verifier = Verifier(settings.webhook_secret.reveal(), settings.callback_age_max_ms)
    except RequestRefused as refused:
        place = f"providers.{tools.name}.webhook_secret"
        raise Misconfigured([f"{place} {refused.detail}"]) from None
    return Resend(settings, tools, verifier)


def _taken(answer: Answer, rest_ms: int | None) -> ProviderOutcome:
    try:
        id = msgspec.json.decode(answer.body, type=Made).id
    except UNREADABLE:
        return NOT_READ
    return Accepted(id if _ID.match(id) is not None else None, rest_ms)


def _problem(answer: Answer) -> Problem:
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except UNREADABLE:
        return Problem()


def _code(status: int, problem: Problem) -> str | None:
    """Return the table's code for a problem: one name stands for several where its status differs."""
    name = problem.name
    if _TO.search(problem.message) is not None:
        name = f"{name}/to"
    return next((each for each in (f"{name}/{status}", name) if each in _REPLIES.codes), None)


def _has(answer: Answer, domain: str) -> bool:
    """Return whether *domain* is verified; also True where it may be among those not listed."""
    try:
        domains = msgspec.json.decode(answer.body, type=Domains)
    except UNREADABLE:
        return False
    named = [each for each in domains.data if each.name.lower() == domain.lower()]
    return any(each.status == "verified" for each in named) or (not named and domains.has_more)
