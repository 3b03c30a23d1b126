"""A vendor whom the engine calls: it outlives the process, and remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random
from typing import Any, NamedTuple

import msgspec
from standardwebhooks import Webhook

from tests.simulation.loop import SimLoop
from tocsin.app.delivering.providers import Wired
from tocsin.channels.webhook.http.provider import Webhooks
from tocsin.channels.webhook.http.settings import WebhookSettings
from tocsin.config import Secret
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.provider_routes import ProviderRoute
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Content
from tocsin.ports.provider import Flags, ProviderSettings, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Receipt, ReceiptState
from tocsin.ports.system import Clock
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason

CHANNEL = "chat"
SECRET = "whsec_" + "canary" * 8
TOKEN = "canary-token"
"""By which the vendor proves its callbacks."""
ADDRESS = "https://canary-address.example/"
SETTINGS = ProviderSettings(
    attempts_max=4,
    retry_base_ms=200,
    retry_cap_ms=5_000,
    call_timeout_ms=2_000,
    breaker_failures=3,
    breaker_open_ms=800,
)
_ANSWERS = ("taken",) * 12 + ("lost", "lost, not taken", "hangs", "throttled", "fails", "refused")
ASKED_S = (1, 3)
_DATED_S = 2
"""A date has whole seconds; what was asked for is more than what rounding takes away."""
_SPELL_S = (0.3, 1.0, 4.0)
_REPORTED_AFTER_S = (0.0, 0.0, 0.05, 1.0, 600.0)


def address_of(person: str) -> str:
    """Return where a person is reached."""
    return ADDRESS + person


class Seen(NamedTuple):
    """One message of one call, as the vendor saw it, and whether it took it."""

    provider: str
    reference: str
    address: str
    title: str
    body: str
    at_tick: int
    begun_s: float
    at_ms: int
    taken: bool
    asked_s: int | None
    signed: bool


class Report(NamedTuple):
    """What the vendor wants to say about a message that it took."""

    provider: str
    reference: str
    state: ReceiptState
    not_before_s: float


@dataclass(slots=True)
class SimVendor:
    """All that the played vendors know, through every life of the process."""

    names: tuple[str, ...] = ("first",)
    weighted: bool = False
    """Whether each carries as many as the other, instead of one after the other."""
    calm: bool = False
    """Whether everything is taken from now on."""
    calls: list[Seen] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    """Those that were not acknowledged yet."""
    reported: dict[str, ReceiptState] = field(default_factory=dict)
    """Reference → all that is ever said about it."""
    _down_until_s: dict[str, float] = field(default_factory=dict)

    def answer(self, provider: str, dice: Random, now_s: float) -> str:
        """Choose what becomes of a message."""
        if self.calm:
            return "taken"
        if now_s < self._down_until_s.get(provider, 0.0):
            return "fails"
        if dice.random() < 0.06:
            self._down_until_s[provider] = now_s + dice.choice(_SPELL_S)
            return "fails"
        return dice.choice(_ANSWERS)

    def take(self, provider: str, reference: str, dice: Random, now_s: float) -> None:
        """Keep a message, and maybe say later what became of it."""
        if reference in self.reported or dice.random() < 0.4:
            return
        state = ReceiptState.FAILED if dice.random() < 0.15 else ReceiptState.DELIVERED
        self.reported[reference] = state
        after_s = 0.0 if self.calm else dice.choice(_REPORTED_AFTER_S)
        self.reports.append(Report(provider, reference, state, now_s + after_s))

    def routes(self) -> Mapping[str, Sequence[ProviderRoute]]:
        """Return who carries what."""
        if not self.weighted:
            return {}
        weights = (1,) * len(self.names)
        return {CHANNEL: (ProviderRoute(name=CHANNEL, providers=self.names, weights=weights),)}

    def fleet(self, dice: Random, loop: SimLoop, clock: Clock) -> list[Wired]:
        """Return the providers of one life."""
        return [Wired(SimProvider(name, self, dice, loop, clock), SETTINGS) for name in self.names]


class SimChannel:
    """`tocsin.ports.provider.Channel` of what the vendors carry."""

    name = CHANNEL
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        return address

    def content_fields(self) -> frozenset[str]:
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        return Content(rendered.get("title", ""), rendered.get("body", ""))


class SimProvider(Webhooks):
    """The provider of webhooks as it is, over a played network, with receipts."""

    flags = Flags(receipts=True)

    def __init__(
        self, name: str, vendor: SimVendor, dice: Random, loop: SimLoop, clock: Clock
    ) -> None:
        wire = SimTransport(name, vendor, dice, loop, clock)
        super().__init__(
            WebhookSettings(secret=Secret(SECRET)), ProviderTools(name, wire, clock.now_ms)
        )

    async def read_callback(self, callback: Callback) -> Reading:
        if callback.headers.get("authorization") != TOKEN:
            raise Unauthenticated("not the vendor's")
        said = msgspec.json.decode(callback.body, type=list[tuple[str, ReceiptState]])
        return Reading(
            [
                Receipt(reference, state, state.value, callback.received_ms)
                for reference, state in said
            ]
        )


class SimTransport:
    """`tocsin.ports.transport.Transport` to a played vendor, for one life."""

    def __init__(
        self, name: str, vendor: SimVendor, dice: Random, loop: SimLoop, clock: Clock
    ) -> None:
        self._name = name
        self._vendor = vendor
        self._dice = dice
        self._loop = loop
        self._clock = clock

    async def call(self, call: Call) -> Answer | NoAnswer:
        vendor, dice, pause, begun_s = self._vendor, self._dice, self._loop.pause, self._loop.time()
        at_ms = self._clock.now_ms()
        await pause(dice.choice((0.0, 0.005, 0.05)))
        answer = vendor.answer(self._name, dice, self._loop.time())
        asked_s = dice.choice(ASKED_S) if answer == "throttled" else None
        taken = answer in {"taken", "lost", "hangs"}
        fields = dict(line.split(": ", 1) for line in call.headers)
        reference, data = fields["webhook-id"], msgspec.json.decode(call.body)["data"]
        vendor.calls.append(
            Seen(
                self._name,
                reference,
                call.url,
                data["title"],
                data["body"],
                len(vendor.calls),
                begun_s,
                at_ms,
                taken,
                asked_s,
                _is_signed(fields, call.body),
            )
        )
        if taken:
            vendor.take(self._name, reference, dice, self._loop.time())
        await pause(10.0 if answer == "hangs" else dice.choice((0.0, 0.005, 0.2)))
        return self._said(answer, asked_s)

    async def close(self) -> None:
        """Nothing is open."""

    def _said(self, answer: str, asked_s: int | None) -> Answer | NoAnswer:
        match answer:
            case "taken":
                return Answer(204)
            case "throttled":
                return Answer(429, [b"HTTP/1.1 429 Slow", b"retry-after: " + self._later(asked_s)])
            case "fails":
                # With a time to come back it is a promise that nothing was done.
                return Answer(503, [b"HTTP/1.1 503 Down", b"retry-after: 0"])
            case "refused":
                return Answer(422)
            case _:
                return NoAnswer(NoAnswerReason.BROKEN, sent=True)

    def _later(self, asked_s: int | None) -> bytes:
        assert asked_s is not None
        if asked_s < _DATED_S or self._dice.random() < 0.5:
            return str(asked_s).encode()
        at_s = self._clock.now_ms() / 1_000 + asked_s
        return format_datetime(datetime.fromtimestamp(at_s, UTC), usegmt=True).encode()


def _is_signed(fields: Mapping[str, Any], body: bytes) -> bool:
    """Ask somebody else's implementation."""
    at = datetime.fromtimestamp(int(fields["webhook-timestamp"]), UTC)
    signed: str = Webhook(SECRET).sign(fields["webhook-id"], at, body.decode())
    return signed in fields.get("webhook-signature", "").split(" ")
