"""The caller: one call for letters that are alike, and what its answer means for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tocsin.channels.email.sendgrid.body import body_of
from tocsin.channels.email.sendgrid.events import Verifier, receipts_of
from tocsin.channels.email.sendgrid.settings import SendGridSettings
from tocsin.channels.email.writing.batches import send_alike, send_halves
from tocsin.channels.email.writing.outline import Outline
from tocsin.channels.replies import load_replies, unanswered
from tocsin.config import Misconfigured
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_REPLIES: Final = load_replies(__package__)
_ABOUT_ONE: Final = re.compile(r"personalizations\.(\d{1,4})\.")
_INDEX: Final = re.compile(r"\.\d+")
_ASKING: Final = "asking what the key may do"
_MAY_NOT: Final = Finding(
    Weight.PROBLEM, "the key may not send mail", "give it the permission Mail Send at SendGrid"
)
_ID_CHARACTERS_MAX: Final = 100
_DIGITS_MAX: Final = 12


class Problem(msgspec.Struct, frozen=True):
    """One error of an answer."""

    message: str = ""
    field: str | None = None


class Problems(msgspec.Struct, frozen=True):
    """The body of an answer that refuses."""

    errors: Sequence[Problem] = ()


class SendGrid:
    """`tocsin.ports.provider.Provider`."""

    def __init__(
        self, settings: SendGridSettings, tools: ProviderTools, verifier: Verifier | None
    ) -> None:
        self.name = tools.name
        hears = verifier is not None
        self.flags = Flags(settings.batch_max, receipts=hears, arrivals=hears, reads=hears)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._sender = settings.sender()
        self._url = f"{settings.url}/v3/mail/send"
        self._scopes_url = f"{settings.url}/v3/scopes"
        self._key = settings.key
        self._timeout_ms = settings.call_timeout_ms
        self._verifier = verifier

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """See the port: letters that say the same share a call."""
        return await send_alike(messages, self._sender, self.flags.batch_max, self._call)

    async def read_callback(self, callback: Callback) -> Reading:
        """Verify and read what the event webhook posts."""
        if self._verifier is None:
            raise Unauthenticated("no key is set with which callbacks could be verified")
        self._verifier.check(callback)
        return Reading(receipts_of(callback.body))

    async def check(self) -> Sequence[Finding]:
        """Ask what the key may do (`tocsin.ports.self_check.SelfCheck`)."""
        lines = (f"authorization: Bearer {self._key.reveal()}",)
        call = Call(self._scopes_url, b"", lines, self._timeout_ms, method="GET")
        answer = await self._transport.call(call)
        if isinstance(answer, NoAnswer):
            return [found(unanswered(answer), _ASKING)]
        outcome = _outcome(answer, _problems(answer), self._wall_ms())
        if not isinstance(outcome, Accepted) or b'"mail.send"' in answer.body:
            return [found(outcome, _ASKING)]
        return [_MAY_NOT]

    async def close(self) -> None:
        """The client is not its own."""

    async def _call(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        answer = await self._transport.call(
            Call(
                self._url,
                body_of(letters, self._sender),
                (
                    f"authorization: Bearer {self._key.reveal()}",
                    "content-type: application/json",
                ),
                self._timeout_ms,
            )
        )
        if isinstance(answer, NoAnswer):
            return [unanswered(answer)] * len(letters)
        problems = _problems(answer)
        outcome = _outcome(answer, problems, self._wall_ms())
        if len(letters) > 1 and isinstance(outcome, Refused):
            return await self._apart(letters, outcome, _blamed(problems))
        return [outcome] * len(letters)

    async def _apart(
        self, letters: Sequence[Outline], outcome: Refused, blamed: Callable[[int], bool]
    ) -> Sequence[ProviderOutcome]:
        """
        Send again without those that a refusal is about: it is about the whole call otherwise.

        Nothing of a refused call was taken. Where it does not say whom it is about, it is found by halves.
        """
        if outcome.reason is ProviderReason.OUR_FAULT:
            return [outcome] * len(letters)
        rest = [n for n in range(len(letters)) if not blamed(n)]
        if len(rest) == len(letters):
            return await send_halves(letters, self._call)
        again_by: dict[int, ProviderOutcome] = {}
        if rest:
            again = await self._call([letters[n] for n in rest])
            again_by = dict(zip(rest, again, strict=True))
        return [again_by.get(n, outcome) for n in range(len(letters))]


def build(settings: SendGridSettings, tools: ProviderTools) -> SendGrid:
    """Return the provider; raises `Misconfigured` for a key that is none."""
    if settings.webhook_key is None:
        return SendGrid(settings, tools, None)
    try:
        verifier = Verifier(settings.webhook_key, settings.callback_age_max_ms)
    except ValueError:
        place = f"providers.{tools.name}.webhook_key"
        raise Misconfigured([f"{place} is no public key of an event webhook"]) from None
    return SendGrid(settings, tools, verifier)


def _problems(answer: Answer) -> Sequence[Problem]:
    try:
        return msgspec.json.decode(answer.body, type=Problems).errors
    except UNREADABLE:
        return ()


def _outcome(answer: Answer, problems: Sequence[Problem], now_ms: int) -> ProviderOutcome:
    code = next(filter(None, map(_code, problems)), None)
    reply = _REPLIES.of(answer.status, code)
    rest_ms = _rest_ms(answer, now_ms)
    if reply.means == "accepted":
        spent = answer.header(b"x-ratelimit-remaining") == b"0"
        return Accepted(_id(answer), rest_ms if spent else None)
    detail = f"{answer.status} {code or ''}".strip()
    after_ms = retry_after_ms(answer.header(b"retry-after"), now_ms)
    return reply.outcome(detail, after_ms=rest_ms if after_ms is None else after_ms)


def _code(problem: Problem) -> str | None:
    """Return the code of ours for a problem: its words where they are known, or its field."""
    words = problem.message.lower().rstrip(".")
    if words in _REPLIES.codes:
        return words
    parts = _INDEX.sub("", problem.field or "").split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in _REPLIES.codes), None)


def _blamed(problems: Sequence[Problem]) -> Callable[[int], bool]:
    named = (_ABOUT_ONE.match(problem.field or "") for problem in problems)
    places = {int(each[1]) for each in named if each is not None}
    return places.__contains__


def _rest_ms(answer: Answer, now_ms: int) -> int | None:
    """Return how long until its quota begins anew (``X-RateLimit-Reset``, seconds of the epoch)."""
    reset = answer.header(b"x-ratelimit-reset")
    if reset is None or not reset.isdigit() or len(reset) > _DIGITS_MAX:
        return None
    return min(max(0, int(reset) * 1_000 - now_ms), RETRY_AFTER_MAX_MS)


def _id(answer: Answer) -> str | None:
    id = (answer.header(b"x-message-id") or b"").decode("ascii", "replace")
    return id if 0 < len(id) <= _ID_CHARACTERS_MAX and id.isprintable() else None
