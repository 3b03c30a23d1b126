"""A vendor whom the engine calls: it outlives the process, and remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from tests.simulation.loop import SimLoop
from tocsin.app.delivering.providers import Wired
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.ports.message import Content, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Flags, ProviderSettings
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.system import Clock

CHANNEL = "chat"
SETTINGS = ProviderSettings(
    attempts_max=4,
    retry_base_ms=200,
    retry_cap_ms=5_000,
    call_timeout_ms=2_000,
    breaker_failures=3,
    breaker_open_ms=800,
)
_ANSWERS = ("taken",) * 12 + ("lost", "lost, not taken", "hangs", "throttled", "fails", "refused")
ASKED_MS = (500, 3_000)
_SPELL_S = (0.3, 1.0, 4.0)


def address_of(person: str) -> str:
    """Return where a person is reached."""
    return f"chat-{person}"


class Seen(NamedTuple):
    """One message of one call, as the vendor saw it, and whether it took it."""

    provider: str
    reference: str
    address: str
    title: str
    at_tick: int
    begun_s: float
    taken: bool
    after_ms: int | None


@dataclass(slots=True)
class SimVendor:
    """All that the played vendors know, through every life of the process."""

    names: tuple[str, ...] = ("first",)
    calm: bool = False
    """Whether everything is taken from now on."""
    calls: list[Seen] = field(default_factory=list)
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

    def fleet(self, dice: Random, loop: SimLoop, clock: Clock) -> list[Wired]:
        """Return the providers of one life."""
        return [Wired(SimProvider(name, self, dice, loop, clock), SETTINGS) for name in self.names]


class SimChannel:
    """`tocsin.ports.provider.Channel` of what the vendors carry."""

    name = CHANNEL
    interrupts = False
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        return address

    def content_fields(self) -> frozenset[str]:
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        return Content(rendered.get("title", ""), rendered.get("body", ""))


class SimProvider:
    """`tocsin.ports.provider.Provider` that calls a played vendor, for one life."""

    flags = Flags()

    def __init__(
        self, name: str, vendor: SimVendor, dice: Random, loop: SimLoop, clock: Clock
    ) -> None:
        self.name = name
        self._vendor = vendor
        self._dice = dice
        self._loop = loop
        self._clock = clock

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        return [await self._one(message) for message in messages]

    async def _one(self, message: Message) -> ProviderOutcome:
        pause, begun_s = self._loop.pause, self._loop.time()
        await pause(self._dice.choice((0.0, 0.005, 0.05)))
        answer = self._vendor.answer(self.name, self._dice, self._loop.time())
        after_ms = self._dice.choice(ASKED_MS) if answer == "throttled" else None
        taken = answer in {"taken", "lost", "hangs"}
        calls = self._vendor.calls
        title = message.content.title
        where = (self.name, message.reference, message.address)
        calls.append(Seen(*where, title, len(calls), begun_s, taken, after_ms))
        await pause(10.0 if answer == "hangs" else self._dice.choice((0.0, 0.005, 0.2)))
        return _outcome(answer, after_ms)

    async def read_callback(self, callback: Callback) -> Reading:
        return Reading()

    async def close(self) -> None:
        """Nothing is open."""


def _outcome(answer: str, after_ms: int | None) -> ProviderOutcome:
    match answer:
        case "taken":
            return Accepted()
        case "throttled":
            return TryLater(ProviderReason.THROTTLED, after_ms=after_ms)
        case "fails":
            return TryLater(ProviderReason.OVERLOADED)
        case "refused":
            return Refused(ProviderReason.BAD_CONTENT)
        case _:
            return TryLater(ProviderReason.TIMED_OUT, known=False)
