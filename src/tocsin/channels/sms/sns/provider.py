"""The caller: one signed request for each message, to either API."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.channels.aws_notices import Notices
from tocsin.channels.aws_signing import AwsKeys, AwsSigner
from tocsin.channels.phones import american_rate, parts_of, rated, too_long
from tocsin.channels.replies import load_replies, unanswered
from tocsin.channels.sms.sns.calls import (
    Request,
    ask_publish,
    ask_text,
    is_in_sandbox,
    publish,
    read_publish,
    read_text,
    send_text,
)
from tocsin.channels.sms.sns.events import reading_of
from tocsin.channels.sms.sns.settings import SnsSettings
from tocsin.domain.retry_after import retry_after_ms
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools, Sender
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_BYTES_MAX = 1_600
_ASKING = "asking about the account"
_FORBIDDEN = frozenset({"AuthorizationError", "AccessDenied", "AccessDeniedException"})
_NOT_ALLOWED = Finding(
    Weight.ADVICE,
    "the keys are good, but may not ask about the account, so whether it may send is not known",
    "allow them sns:GetSMSSandboxAccountStatus or sms-voice:DescribeAccountAttributes, or send"
    " one message with `tocsin providers test`",
)
_SANDBOX = Finding(
    Weight.PROBLEM,
    "the account is in Amazon's sandbox for texts: only numbers that were verified are reached",
    "ask Amazon in its console to move it out of the sandbox",
)
_UNREADABLE = Finding(
    Weight.PROBLEM,
    "what it says about the account cannot be read",
    "look whether `url` names Amazon's API",
)


class Sns:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: SnsSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._plain = settings.api == "sns"
        reports = bool(settings.topics) and settings.configuration_set is not None
        hears = reports and not self._plain
        self.flags = Flags(receipts=hears, arrivals=hears)
        self._settings = settings
        self._tools = tools
        self._replies = load_replies(__package__, "sns.toml" if self._plain else "replies.toml")
        base = settings.url or f"https://{settings.api}.{settings.region}.amazonaws.com"
        self._url = f"{base}/"
        keys = AwsKeys(settings.access_key_id, settings.secret_access_key, settings.session_token)
        self._signer = AwsSigner(keys, settings.region, settings.api)
        self._notices = Notices(
            tools.transport,
            frozenset(settings.topics),
            age_max_ms=settings.callback_age_max_ms,
            url=settings.notices_url,
        )

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        text = message.content.fields["text"]
        refused = too_long(text, self._settings.segments_max)
        if refused is None and self._plain and len(text.encode()) > _BYTES_MAX:
            refused = Refused(ProviderReason.TOO_LARGE, f"more than {_BYTES_MAX} bytes")
        if refused is not None:
            return [refused]
        said = await self._tools.transport.call(self._call(message))
        return [unanswered(said) if isinstance(said, NoAnswer) else self._judged(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Open what SNS posts, and read the event, or the reply, in it."""
        notice = await self._notices.open(callback)
        if notice is None:
            return Reading()
        # An event says itself when it happened. A reply is dated by when it was published: SNS keeps
        # no order, and posts again what it got no answer to.
        return reading_of(notice.message, self._replies, notice.at_ms)

    def sender_of(self, address: str) -> Sender | None:
        """Return the number that carries it, where carriers bound numbers by themselves."""
        sender = self._settings.sender_to(address)
        return None if sender is None else rated(sender, self._settings, american_rate(sender))

    def parts_of(self, message: Message) -> int:
        """Return how many parts carriers count."""
        return parts_of(message)

    async def check(self) -> Sequence[Finding]:
        """Ask about the account (`tocsin.ports.self_check.SelfCheck`)."""
        request = ask_publish() if self._plain else ask_text()
        said = await self._tools.transport.call(self._signed(request))
        if isinstance(said, NoAnswer):
            return [found(unanswered(said), _ASKING)]
        if not 200 <= said.status < 300:
            code = (read_publish(said) if self._plain else read_text(said)).code
            return [_NOT_ALLOWED if code in _FORBIDDEN else found(self._judged(said), _ASKING)]
        sandbox = is_in_sandbox(said)
        if sandbox is None:
            return [_UNREADABLE]
        return [_SANDBOX if sandbox else Finding(Weight.FINE, f"{_ASKING} works")]

    async def close(self) -> None:
        """The client is not its own."""

    def _call(self, message: Message) -> Call:
        sender = self._settings.sender_to(message.address)
        if self._plain:
            request = publish(message, sender, self._settings)
        else:
            request = send_text(message, sender, self._settings, self._tools.wall_ms())
        trace = () if message.trace is None else (f"traceparent: {message.trace}",)
        return self._signed(request, trace)

    def _signed(self, request: Request, more: Sequence[str] = ()) -> Call:
        now_ms = self._tools.wall_ms()
        lines = self._signer.headers("POST", self._url, request.body, request.content_type, now_ms)
        target = () if request.target is None else (f"x-amz-target: {request.target}",)
        return Call(self._url, request.body, [*lines, *target, *more])

    def _judged(self, answer: Answer) -> ProviderOutcome:
        said = read_publish(answer) if self._plain else read_text(answer)
        if 200 <= answer.status < 300:
            return self._replies.of(answer.status).outcome("", provider_id=said.id)
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._tools.wall_ms())
        code = said.code or ""
        while code not in self._replies.codes and "/" in code:
            # A reason that the table does not know counts as the error by itself.
            code = code.rpartition("/")[0]
        detail = f"{answer.status} {code}".strip()
        return self._replies.of(answer.status, code).outcome(detail, after_ms=after_ms)


def build(settings: SnsSettings, tools: ProviderTools) -> Sns:
    """Return the provider."""
    return Sns(settings, tools)
