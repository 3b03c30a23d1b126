"""
Which channels and providers there are: found in their folders, never listed.

A folder under ``tocsin.channels`` is a channel, ``CHANNEL``; a folder in it a provider, ``SPEC``.
An entry point of the group ``tocsin.providers`` names a module with ``SPEC``, and with ``CHANNEL``
where it brings a channel of its own. A channel's name is one of the product's
(`tocsin.domain.channels`): workflows and preferences are checked against those, whatever is
installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Final

import tocsin.channels
from tocsin.config import Misconfigured
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.names import nearest
from tocsin.ports.provider import Channel, ProviderSpec

ENTRY_POINTS: Final = "tocsin.providers"


class Registry:
    """Channels and specs of providers, by name."""

    def __init__(self, folders: Iterable[object]) -> None:
        """Take what *folders* export; raises `Misconfigured` where two claim one name."""
        self.channels: dict[str, Channel] = {}
        self.specs: dict[str, ProviderSpec] = {}
        for folder in folders:
            channel: Channel | None = getattr(folder, "CHANNEL", None)
            if channel is not None:
                _check_fields(channel)
                _add(self.channels, channel.name, channel, folder)
            spec: ProviderSpec | None = getattr(folder, "SPEC", None)
            if spec is not None:
                _add(self.specs, spec.name, spec, folder)
        for spec in self.specs.values():
            if spec.channel not in self.channels:
                raise Misconfigured([f"the provider {spec.name} is for no channel: {spec.channel}"])

    def spec(self, name: str) -> ProviderSpec:
        """Return the provider of that name; raises `Misconfigured` with a suggestion."""
        found = self.specs.get(name)
        if found is not None:
            return found
        close = nearest(name, self.specs)
        if close:
            hint = f"did you mean {close}?"
        else:
            hint = f"there are: {', '.join(sorted(self.specs)) or 'none in this version'}"
        raise Misconfigured([f"providers.{name} is not a provider; {hint}"])


def folders() -> list[ModuleType]:
    """Import every folder of a channel and a provider, and what entry points name."""
    found = []
    for channel in _packages(tocsin.channels):
        found += [channel, *_packages(channel)]
    return found + [entry.load() for entry in entry_points(group=ENTRY_POINTS)]


def loaded(place: str) -> Any:
    """Return what ``module:name`` names: a folder's parts are imported when they are needed."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _packages(parent: ModuleType) -> list[ModuleType]:
    return [
        import_module(f"{parent.__name__}.{each.name}")
        for each in iter_modules(parent.__path__)
        if each.ispkg
    ]


def _add(known: dict[str, Any], name: str, value: object, folder: object) -> None:
    if name in known:
        brought = getattr(folder, "__name__", folder)
        raise Misconfigured([f"{name} is there already; {brought} must name it differently"])
    known[name] = value


def _check_fields(channel: Channel) -> None:
    vocabulary: Mapping[str, frozenset[str]] = CHANNEL_FIELDS
    if not channel.content_fields() <= vocabulary.get(channel.name, frozenset()):
        known = ", ".join(vocabulary)
        raise Misconfigured(
            [f"the channel {channel.name} or a field of it is none of the product's: {known}"]
        )
