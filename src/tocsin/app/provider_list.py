"""How each provider is set up, and how it is just now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tocsin.app.delivering.answers import Answers
from tocsin.app.delivering.health import HealthDesk, ProviderState
from tocsin.app.delivering.providers import Fleet, Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Turnstiles
from tocsin.app.pausing.gate import PauseGate
from tocsin.config import as_toml
from tocsin.config.settings import section_of
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.names import no_such
from tocsin.ports.system import Clock

Counters = Mapping[tuple[str, Lane], Turnstiles]
"""By channel and lane."""


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """
    How a provider is in one lane.

    ``open`` counts breakers that are not closed, one for each host where each is a service of its
    own; ``ready_ms`` is when it may be given something, None for now.
    """

    lane: Lane
    open: int
    ready_ms: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One provider. ``settings`` are those that are not at their default, secrets hidden."""

    wired: Wired
    channel: str
    settings: Mapping[str, str]
    callback_url: str | None
    lanes: Sequence[LaneHealth]
    pauses: Sequence[str]
    """Ids of the pauses that name it or its whole channel."""
    state: ProviderState | None = None
    """How much of its part it is given; None where it has no other provider beside it."""

    @property
    def name(self) -> str:
        """The name of its table."""
        return self.wired.name

    @property
    def answers(self) -> Answers:
        """What it has answered since this process began."""
        return self.wired.answers


class ProviderList:
    """Looks at what this process has."""

    def __init__(
        self,
        fleet: Fleet,
        turnstiles: Counters,
        pauses: PauseGate,
        callback_url: Callable[[str], str | None],
        clock: Clock,
        shares: HealthDesk,
    ) -> None:
        self._shares = shares
        self._fleet = fleet
        self._turnstiles = turnstiles
        self._pauses = pauses
        self._callback_url = callback_url
        self._clock = clock

    def all(self) -> list[Seen]:
        """Return all, channel by channel, in the order in which they are tried."""
        states = {state.name: state for state in self._shares.states()}
        return [
            self._look(channel, wired, states.get(wired.name))
            for channel, providers in self._fleet.providers.items()
            for wired in providers
        ]

    def one(self, name: str) -> Seen:
        """Return one; raises `NotFound` with a suggestion."""
        found = {seen.name: seen for seen in self.all()}
        if name not in found:
            raise no_such("configured provider", name, found)
        return found[name]

    def _look(self, channel: str, wired: Wired, state: ProviderState | None) -> Seen:
        now_ms = self._clock.now_ms()
        return Seen(
            wired=wired,
            channel=channel,
            settings=shown_settings(wired),
            callback_url=self._callback_url(wired.name) if wired.provider.flags.receipts else None,
            lanes=[self._lane(channel, lane, wired.name, now_ms) for lane in LANES],
            pauses=[
                pause.id
                for pause in self._pauses.now.in_force
                if pause.scope.provider == wired.name
                or (pause.scope.channel == channel and pause.scope.provider is None)
            ],
            state=state,
        )

    def _lane(self, channel: str, lane: Lane, name: str, now_ms: int) -> LaneHealth:
        turnstiles = self._turnstiles[channel, lane]
        ready_ms = turnstiles.ready_ms(Way(name), now_ms)
        return LaneHealth(
            lane, dict(turnstiles.breakers(now_ms))[name], ready_ms if ready_ms > now_ms else None
        )


def shown_settings(wired: Wired) -> dict[str, str]:
    """Return the settings that are not at their default, as a file would say them."""
    settings = wired.settings
    found: dict[str, str] = {}
    for setting in section_of(wired.name, type(settings)).settings:
        value = getattr(settings, setting.attribute)
        text = as_toml(setting, value)
        if text is not None and value != setting.default:
            found[setting.key] = text
    return found
