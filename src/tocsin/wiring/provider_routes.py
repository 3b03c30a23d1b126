"""The routes of channels, held against the providers that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from tocsin.channels.registry import Registry
from tocsin.config import Config, Misconfigured, decode_routes
from tocsin.domain.names import nearest
from tocsin.domain.provider_routes import ProviderRoute


def read_routes(config: Config, registry: Registry) -> dict[str, Sequence[ProviderRoute]]:
    """
    Return the routes of each channel that has any.

    Raises `Misconfigured` with all that is wrong: a channel or provider that there is not, with
    the one that may have been meant, or a provider that nobody has configured.
    """
    found: dict[str, Sequence[ProviderRoute]] = {}
    problems: list[str] = []
    # A sandbox plays every vendor, also those that nobody has configured.
    configured = registry.specs if config.mode == "sandbox" else config.providers
    for name, table in config.channels.items():
        channels = [each.name for each in registry.channels.values() if each.needs_provider]
        if name not in channels:
            problems.append(f"channels.{name} is not a channel{_hint(name, channels)}")
            continue
        try:
            found[name] = decode_routes(table)
        except Misconfigured as refused:
            problems += refused.problems
            continue
        problems += _names_wrong(found[name], name, registry, configured)
    if problems:
        raise Misconfigured(problems)
    return found


def _names_wrong(
    routes: Sequence[ProviderRoute],
    channel: str,
    registry: Registry,
    configured: Collection[str] | Mapping[str, object],
) -> Iterator[str]:
    own = [spec.name for spec in registry.specs.values() if spec.channel == channel]
    for route in routes:
        for name in route.providers:
            said = f"channels.{route.name}: {name}"
            if name not in registry.specs:
                yield f"{said} is not a provider{_hint(name, own)}"
            elif name not in own:
                yield f"{said} is a provider of {registry.specs[name].channel}, not of {channel}"
            elif name not in configured:
                yield f"{said} is not configured; add [providers.{name}]"


def _hint(name: str, known: Sequence[str]) -> str:
    close = nearest(name, known)
    return f"; there are: {', '.join(known)}" if close is None else f"; did you mean {close}?"
