"""The providers that are configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class Lent:
    """A provider, and how many use it just now: ``with lent as provider``."""

    __slots__ = ("provider", "users")

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.users = 0

    def __enter__(self) -> Provider:
        self.users += 1
        return self.provider

    def __exit__(self, *_: object) -> None:
        self.users -= 1


Digests = Mapping[str, str]
"""What files hold, by their names: equal where they hold the same, and never what it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a provider was made of that may change while it runs, and how it is made anew."""

    look: Callable[[], Digests]
    """Reads all files that its table names, and so takes its time; raises nothing."""
    make: Callable[[], Provider]
    """Raises `Misconfigured` for what cannot be used."""
    digests: Digests
    """As `look` saw them right before the provider was made."""


@dataclass(slots=True, eq=False)
class Wired:
    """A provider that was built, with what the pipeline must know of its table."""

    provider: Provider
    """Whom to ask now; who calls it uses `lent`."""
    settings: ProviderSettings
    on_request: bool = False
    """It carries only what names it: a sandbox plays it, and nobody has configured it."""
    played: Played | None = None
    """None where its vendor is the real one."""
    answers: Answers = field(default_factory=Answers, repr=False)
    """What it has answered."""
    source: Source | None = field(default=None, repr=False)
    """None where nothing that it was made of can change."""
    outdated: str | None = None
    """What is wrong with what its files hold now; None where it was made of that."""
    name: str = field(init=False)
    """The name of its table; here, since it is asked for several times for each message."""
    lent: Lent = field(init=False, repr=False)
    """The provider for one use, which it outlives though another takes its place meanwhile."""
    _replaced: list[Lent] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        """Take over the name."""
        self.name = self.provider.name
        self.lent = Lent(self.provider)

    def replace(self, provider: Provider) -> None:
        """
        Let *provider*, made of the same settings, have all calls and callbacks that begin now.

        Those under way end with the one before, which `sweep` closes when they have.
        """
        self._replaced.append(self.lent)
        self.provider, self.lent = provider, Lent(provider)

    async def sweep(self) -> None:
        """Close those that were replaced and that nobody uses any more."""
        for lent in [lent for lent in self._replaced if not lent.users]:
            self._replaced.remove(lent)
            await lent.provider.close()

    async def close(self) -> None:
        """Close the provider, and those before it, whoever uses them."""
        for lent in (*self._replaced, self.lent):
            await lent.provider.close()

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
