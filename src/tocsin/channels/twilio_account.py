"""What Twilio's texts and calls share: the account, the call of its API, the signed callbacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Meta

from tocsin.channels.phones import PhoneSettings
from tocsin.channels.replies import Replies, unanswered
from tocsin.config import Misconfigured, Secret
from tocsin.domain.hosts import is_public_host
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.outcomes import ProviderOutcome
from tocsin.ports.provider import ProviderTools
from tocsin.ports.receipts import Callback
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_HOUR_MS: Final = 3_600_000
_FIELDS_MAX: Final = 200
_PORTS: Final = {"https": 443, "http": 80}
_ASKING: Final = "asking about the account"
_ENDED: Final = frozenset({"suspended", "closed"})
_HASHES: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}

Fields = Sequence[tuple[str, str]]


class TwilioSettings(PhoneSettings, frozen=True, kw_only=True):
    """An account at Twilio, and how it is called."""

    account_sid: Annotated[
        str, Meta(pattern="^AC[0-9a-f]{32}$", description="The account that sends and pays.")
    ]
    auth_token: Annotated[
        Secret,
        Meta(
            description="The account's primary auth token: callbacks are signed with it, and we"
            " show it unless there is an API key."
        ),
    ]
    api_key_sid: Annotated[
        Annotated[str, Meta(pattern="^SK[0-9a-f]{32}$")] | None,
        Meta(description="The API key that we show instead of the auth token."),
    ] = None
    api_key_secret: Annotated[Secret | None, Meta(description="The secret of that key.")] = None
    webhook_secret: Annotated[
        Secret | None,
        Meta(
            description="The secret of the shared key that callbacks are signed with (HMAC-SHA256),"
            " where that was switched on instead of the auth token."
        ),
    ] = None
    api_url: Annotated[
        str,
        Meta(
            pattern="^https?://[^/]+$",
            description="Where the API is: another host for an edge or a region.",
        ),
    ] = "https://api.twilio.com"
    callback_window_ms: Annotated[
        int,
        Meta(
            ge=60_000,
            le=168 * _HOUR_MS,
            description="How long after a message its callbacks are believed: Twilio dates none,"
            " so their URL says when they become too old.",
        ),
    ] = 24 * _HOUR_MS


class _Created(msgspec.Struct, frozen=True):
    sid: str


class _About(msgspec.Struct, frozen=True):
    """What Twilio says of an account."""

    status: str
    type: str = ""


class _Problem(msgspec.Struct, frozen=True):
    code: int


class TwilioAccount:
    """Calls one resource of an account and reads what it calls back with."""

    def __init__(
        self, settings: TwilioSettings, tools: ProviderTools, replies: Replies, resource: str
    ) -> None:
        """*resource* is ``Messages`` or ``Calls``; raises `Misconfigured`."""
        if (settings.api_key_sid is None) != (settings.api_key_secret is None):
            raise Misconfigured(
                [f"providers.{tools.name}: set both api_key_sid and api_key_secret, or neither"]
            )
        self._settings = settings
        self._tools = tools
        self._replies = replies
        account = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
        self._url = f"{account}/{resource}.json"
        self._account_url = f"{account}.json"

    async def create(self, fields: Fields, trace: str | None) -> ProviderOutcome:
        """Make the call, once."""
        headers = [f"authorization: Basic {self._login()}", _FORM, "accept: application/json"]
        if trace is not None:
            headers.append(f"traceparent: {trace}")
        body = urlencode(fields).encode()
        said = await self._tools.transport.call(Call(self._url, body, headers))
        return unanswered(said) if isinstance(said, NoAnswer) else self._judged(said)

    async def check(self) -> Sequence[Finding]:
        """Ask about the account (`tocsin.ports.self_check.SelfCheck`)."""
        headers = [f"authorization: Basic {self._login()}", "accept: application/json"]
        call = Call(self._account_url, b"", headers, method="GET")
        said = await self._tools.transport.call(call)
        if isinstance(said, NoAnswer):
            return [found(unanswered(said), _ASKING)]
        if said.status != HTTPStatus.OK:
            return [found(self._judged(said), _ASKING)]
        return _findings(said.body)

    def callback_url(self, reference: str, kind: str = "status", **more: str) -> str | None:
        """
        Return where Twilio is to report about *reference*; None where nobody knows yet.

        *more* comes back as `Reported.query`.
        """
        base = self._tools.callback_url()
        if base is None or not self._is_reached(base):
            return None
        # What cannot be changed without the signature: which message, what about it, since when.
        at = str(self._tools.wall_ms())
        query = {"reference": reference, "kind": kind, "at": at, **more}
        return f"{base}?{urlencode(query)}"

    def read(self, callback: Callback) -> Reported:
        """Verify *callback* and return what it says; raises `Unauthenticated`, `Malformed`."""
        fields = _form(callback.body)
        self._verify(callback, fields)
        query = dict(parse_qsl(callback.query))
        at = query.get("at", "")
        if at.isascii() and at.isdigit():
            age_ms = callback.received_ms - int(at[:15])
            if age_ms >= self._settings.callback_window_ms:
                raise Unauthenticated("the callback is too old")
        return Reported(dict(fields), query)

    def _is_reached(self, base: str) -> bool:
        """Return whether Twilio can call *base*: from outside, unless it is played here, too."""
        return is_public_host(_host(base)) or not is_public_host(_host(self._settings.api_url))

    def _login(self) -> str:
        settings = self._settings
        name, secret = settings.account_sid, settings.auth_token
        if settings.api_key_sid is not None and settings.api_key_secret is not None:
            name, secret = settings.api_key_sid, settings.api_key_secret
        return base64.b64encode(f"{name}:{secret.reveal()}".encode()).decode()

    def _judged(self, answer: Answer) -> ProviderOutcome:
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._tools.wall_ms())
        if 200 <= answer.status < 300:
            return self._replies.of(answer.status).outcome("", provider_id=_sid(answer.body))
        code = _code(answer.body)
        detail = str(answer.status) if code is None else f"{answer.status} {code}"
        return self._replies.of(answer.status, code).outcome(detail, after_ms=after_ms)

    def _verify(self, callback: Callback, fields: Fields) -> None:
        base = self._tools.callback_url()
        if base is None:
            raise Unauthenticated("nobody has said yet where callbacks arrive")
        algorithm = _algorithm(callback.headers.get("x-twilio-webhooks-signature-settings", ""))
        secret = self._settings.auth_token
        if algorithm == "HMAC_SHA256" and self._settings.webhook_secret is not None:
            secret = self._settings.webhook_secret
        url = f"{base}?{callback.query}" if callback.query else base
        given = callback.headers.get("x-twilio-signature", "")
        if not signed_by(secret.reveal(), given, url, fields, callback.body, algorithm):
            raise Unauthenticated("the signature is not Twilio's")


class Reported(msgspec.Struct, frozen=True):
    """A verified callback: its form, and what our own URL said it is about."""

    fields: dict[str, str]
    query: dict[str, str]

    @property
    def reference(self) -> str | None:
        """Which message it is about; None where Twilio was told of another URL."""
        return self.query.get("reference")

    def __repr__(self) -> str:
        return f"Reported({len(self.fields)} fields)"

    def number(self, name: str) -> int:
        """Return a small number of our own URL; 0 where it holds none."""
        found = self.query.get(name, "")
        return int(found) if found.isascii() and found.isdigit() and len(found) < 10 else 0

    def need(self, name: str) -> str:
        """Return a field that must be there; raises `Malformed`."""
        found = self.fields.get(name)
        if not found:
            raise Malformed(f"{name} is missing")
        return found


def signed_by(
    secret: str, given: str, url: str, fields: Fields, body: bytes, algorithm: str = "HMAC_SHA1"
) -> bool:
    """
    Return whether *given* is the signature of a request to *url*.

    Twilio signs the URL as it called it, then the form's names in order, each with its values; of
    a body that is no form the URL holds the digest. It is not of one mind about ports, so the URL
    counts with and without its scheme's own.
    """
    if algorithm not in _HASHES:
        return False
    digest = parse_qs(urlsplit(url).query).get("bodySHA256")
    if digest is not None:
        if not hmac.compare_digest(digest[0].encode(), hashlib.sha256(body).hexdigest().encode()):
            return False
        fields = ()
    said = "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    wanted = given.encode("utf-8", "replace")
    found = False
    for each in _with_and_without_port(urlsplit(url)):
        mac = hmac.new(secret.encode(), f"{each}{said}".encode(), _HASHES[algorithm])
        found |= hmac.compare_digest(base64.b64encode(mac.digest()), wanted)
    return found


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _with_and_without_port(url: SplitResult) -> Iterator[str]:
    host = url.netloc.rpartition("@")[2]
    name = host if url.port is None else host.rpartition(":")[0]
    port = url.port or _PORTS.get(url.scheme, 443)
    yield url._replace(netloc=name).geturl()
    yield url._replace(netloc=f"{name}:{port}").geturl()


def _algorithm(settings: str) -> str:
    """Read the header by which Twilio names how it signed; without it, as it always has."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip()
    return "HMAC_SHA1"


def _findings(body: bytes) -> Sequence[Finding]:
    try:
        about = msgspec.json.decode(body, type=_About)
    except UNREADABLE:
        says = "what it says about the account cannot be read"
        return [Finding(Weight.PROBLEM, says, "look whether `api_url` names Twilio's API")]
    if about.status != "active":
        says = f"the account is {about.status}" if about.status in _ENDED else "the account is off"
        return [Finding(Weight.PROBLEM, says, "see Twilio's console: it may be about billing")]
    if about.type == "Trial":
        says = "the account is on trial: only numbers that were verified are reached"
        return [Finding(Weight.PROBLEM, says, "upgrade it in Twilio's console")]
    return [Finding(Weight.FINE, f"{_ASKING} works")]


def _form(body: bytes) -> Fields:
    try:
        text = body.decode("utf-8", "replace")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise Malformed(f"a form of at most {_FIELDS_MAX} fields is needed") from None


def _sid(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Created).sid
    except UNREADABLE:
        return None  # the status alone says that it was taken


def _code(body: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(body, type=_Problem).code)
    except UNREADABLE:
        return None


_FORM: Final = "content-type: application/x-www-form-urlencoded"
