"""The caller: any letters share a call, and each is answered by itself."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.channels.email.postmark.body import letter_of
from tocsin.channels.email.postmark.events import receipts_of
from tocsin.channels.email.postmark.settings import PostmarkSettings
from tocsin.channels.email.writing.batches import send_together
from tocsin.channels.email.writing.outline import Outline
from tocsin.channels.replies import NOT_READ, load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, found
from tocsin.ports.transport import Answer, Call, NoAnswer

CALL_BYTES_MAX: Final = 48_000_000
"""A call has at most 50 MB."""

_REPLIES: Final = load_replies(__package__)
_ASKING: Final = "asking about the server at Postmark"
_ABOUT_READER: Final = re.compile(r"'To'|illegal email|invalid.{0,20}address", re.IGNORECASE)
_ID: Final = re.compile(r"[0-9a-f-]{1,64}\Z", re.ASCII)


class Result(msgspec.Struct, frozen=True, rename="pascal"):
    """What is said of one letter, or of a call that is refused."""

    error_code: int
    message: str = ""
    message_id: str | None = msgspec.field(name="MessageID", default=None)


class Postmark:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: PostmarkSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        password = settings.callback_password
        hears = password is not None
        self.flags = Flags(settings.batch_max, receipts=hears, arrivals=hears, reads=hears)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._sender = settings.sender()
        self._url = settings.url
        self._token = settings.token
        self._timeout_ms = settings.call_timeout_ms
        self._streams = (settings.stream, settings.bulk_stream or settings.stream)
        self._basic: bytes | None = None
        if password is not None:
            login = f"{settings.callback_username}:{password.reveal()}".encode()
            self._basic = b"Basic " + base64.b64encode(login)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """See the port."""
        return await send_together(messages, self._sender, self._call)

    async def read_callback(self, callback: Callback) -> Reading:
        """Check the login, which is all that Postmark's webhooks have, and read the event."""
        given = callback.headers.get("authorization", "").encode("utf-8", "replace")
        if self._basic is None or not hmac.compare_digest(given, self._basic):
            raise Unauthenticated("the login is not that of the webhook")
        return Reading(receipts_of(callback.body), response=Response(200))

    async def check(self) -> Sequence[Finding]:
        """Ask about the server that the token is for (`tocsin.ports.self_check.SelfCheck`)."""
        call = Call(f"{self._url}/server", b"", self._lines(), self._timeout_ms, method="GET")
        answer = await self._transport.call(call)
        if isinstance(answer, NoAnswer):
            return [found(unanswered(answer), _ASKING)]
        taken = 200 <= answer.status < 300
        return [found(Accepted() if taken else self._refusal(answer), _ASKING)]

    async def close(self) -> None:
        """The client is not its own."""

    def _lines(self) -> Sequence[str]:
        token = f"x-postmark-server-token: {self._token.reveal()}"
        return (token, "content-type: application/json", "accept: application/json")

    async def _call(self, letters: Sequence[Outline]) -> Sequence[ProviderOutcome]:
        made = [
            letter_of(each, self._sender, self._streams[each.message.lane == "bulk"])
            for each in letters
        ]
        body = msgspec.json.encode(made[0] if len(made) == 1 else made)
        if len(made) > 1 and len(body) > CALL_BYTES_MAX:
            half = len(letters) // 2
            return [*await self._call(letters[:half]), *await self._call(letters[half:])]
        path = "/email" if len(made) == 1 else "/email/batch"
        call = Call(f"{self._url}{path}", body, self._lines(), self._timeout_ms)
        answer = await self._transport.call(call)
        if isinstance(answer, NoAnswer):
            return [unanswered(answer)] * len(made)
        if 200 <= answer.status < 300:
            return _results(answer, len(made))
        return [self._refusal(answer)] * len(made)

    def _refusal(self, answer: Answer) -> ProviderOutcome:
        try:
            code = _code(msgspec.json.decode(answer.body, type=Result))
        except UNREADABLE:
            code = ""
        reply = _REPLIES.of(answer.status, code)
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        detail = f"{answer.status} {code}".strip()
        if reply.means == "accepted":
            return NOT_READ
        return reply.outcome(detail, after_ms=after_ms)


def build(settings: PostmarkSettings, tools: ProviderTools) -> Postmark:
    """Return the provider."""
    return Postmark(settings, tools)


def _results(answer: Answer, count: int) -> Sequence[ProviderOutcome]:
    """Read what became of each, in the order of the call."""
    try:
        if count == 1:
            made = [msgspec.json.decode(answer.body, type=Result)]
        else:
            made = msgspec.json.decode(answer.body, type=list[Result])
    except UNREADABLE:
        return [NOT_READ] * count
    return [_outcome(each) for each in made] if len(made) == count else [NOT_READ] * count


def _outcome(result: Result) -> ProviderOutcome:
    if result.error_code == 0:
        id = result.message_id
        return Accepted(id if id is not None and _ID.match(id) is not None else None)
    code = _code(result)
    return _REPLIES.of(422, code).outcome(code)


def _code(result: Result) -> str:
    if result.error_code == 300 and _ABOUT_READER.search(result.message) is not None:
        return "300/to"
    return str(result.error_code)
