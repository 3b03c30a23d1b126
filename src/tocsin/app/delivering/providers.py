"""The providers that are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.app.delivering.answers import Answers
from tocsin.domain.provider_routes import ProviderRoute
from tocsin.domain.retry import RetryPolicy
from tocsin.ports.provider import Channel, Provider, ProviderSettings


@dataclass(frozen=True, slots=True)
class Played:
    """What a real server would say of a provider whose vendor a sandbox plays."""

    configured: bool
    """Somebody has made a table for it."""
    lacks: Sequence[str] = ()
    """What would keep it from starting, in words that name the settings."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A provider that was built, with what the pipeline must know of its table."""

    provider: Provider
    settings: ProviderSettings
    on_request: bool = False
    """It carries only what names it: a sandbox plays it, and nobody has configured it."""
    played: Played | None = None
    """None where its vendor is the real one."""
    answers: Answers = field(default_factory=Answers, repr=False, compare=False)
    """What it has answered."""
    name: str = field(init=False, compare=False)
    """The name of its table; here, since it is asked for several times for each message."""

    def __post_init__(self) -> None:
        """Take over the name."""
        object.__setattr__(self, "name", self.provider.name)

    @property
    def retry(self) -> RetryPolicy:
        """When it is tried again."""
        settings = self.settings
        return RetryPolicy(
            base_ms=settings.retry_base_ms,
            cap_ms=settings.retry_cap_ms,
            attempts_max=settings.attempts_max,
            patience_ms=settings.patience_ms,
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """Channels with the providers of each, in the order of the configuration."""

    channels: Mapping[str, Channel]
    providers: Mapping[str, Sequence[Wired]]
    routes: Mapping[str, Sequence[ProviderRoute]] = field(default_factory=dict)
    """Those that are configured, by channel."""

    def routes_of(self, channel: str) -> Sequence[ProviderRoute]:
        """Return the routes of *channel*; the last takes what no other does."""
        order = [wired.name for wired in self.providers.get(channel, ()) if not wired.on_request]
        rest = ProviderRoute(name=channel, providers=tuple(order))
        return (*self.routes.get(channel, ()), rest)

    def reachable(self) -> Sequence[str]:
        """Return the channels by which somebody can be reached: they have what they need."""
        return [
            name
            for name, channel in self.channels.items()
            if not channel.needs_provider or self.providers.get(name)
        ]

    def together(self) -> set[str]:
        """Return the names of those who share what they carry with another."""
        routes = [route for channel in self.providers for route in self.routes_of(channel)]
        return {name for route in routes if len(route.providers) > 1 for name in route.providers}

    def by_name(self) -> dict[str, Wired]:
        """Return all by the names of their tables."""
        return {wired.name: wired for some in self.providers.values() for wired in some}

    def channel_of(self, provider: str) -> str | None:
        """Return the channel of a configured provider."""
        for channel, some in self.providers.items():
            if any(wired.name == provider for wired in some):
                return channel
        return None
