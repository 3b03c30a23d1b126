"""The vendors of a sandbox: played in this process, or by `tocsin sandbox` in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tocsin.adapters.sandbox_remote import RemoteVendors
from tocsin.api.sandbox_alone import ServerTold
from tocsin.channels.playing import PlayedVendors
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Config, Misconfigured
from tocsin.ports.simulator import Simulator, Stage
from tocsin.ports.system import Chance
from tocsin.ports.vendors import Vendors
from tocsin.wiring.folder import write_private

PLACES_FILE: Final = "sandbox.json"
MESSAGES_FOLDER: Final = "sandbox"


class PlayedAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where one vendor is played, and the settings that lead there."""

    port: int
    settings: dict[str, Any]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Where vendors that are played in a process of their own are asked, and the key for that."""

    url: str
    key: str


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sandbox.json`` says; readable by the owner alone, for it holds a key."""

    providers: dict[str, PlayedAt] = {}
    control: Control | None = None
    server: ServerTold = ServerTold()
    """What the last server said about itself, where vendors are played alone."""


@dataclass(frozen=True, slots=True)
class OpenVendors:
    """What was opened: ``leads`` are the settings that lead to each vendor, by provider."""

    vendors: Vendors
    leads: Mapping[str, Mapping[str, object]]


async def open_vendors(
    config: Config,
    folder: Path,
    stack: AsyncExitStack,
    registry: Registry | None,
    real_ms: Callable[[], int],
    now_ms: Callable[[], int],
    chance: Chance,
) -> OpenVendors | None:
    """Open the vendors of a sandbox; None for a real server, which has its own."""
    if config.mode != "sandbox":
        return None
    if config.sandbox.folder is not None:
        return _elsewhere(Path(config.sandbox.folder))
    simulators = make_simulators(registry)
    vendors = PlayedVendors(simulators, real_ms, chance.fraction, now_ms)
    return OpenVendors(vendors, await play(vendors, simulators, folder, stack, config))


def make_simulators(registry: Registry | None) -> dict[str, Simulator]:
    """Return a simulator for each provider there is."""
    found = registry or Registry(folders())
    return {name: loaded(spec.simulator)() for name, spec in found.specs.items()}


async def play(
    vendors: PlayedVendors,
    simulators: Mapping[str, Simulator],
    folder: Path,
    stack: AsyncExitStack,
    config: Config,
) -> Mapping[str, Mapping[str, object]]:
    """
    Start *simulators* on *folder*; *stack* closes them. Returns the settings that lead to each.

    Each listens where it did before, if it can; where that is stands in the folder.
    """
    messages = folder / MESSAGES_FOLDER
    messages.mkdir(mode=0o700, exist_ok=True)
    before = read_places(folder)
    for simulator in simulators.values():
        stack.push_async_callback(simulator.close)
    stages = {
        name: Stage(
            port=before.providers[name].port if name in before.providers else 0,
            log=messages / f"{name}.jsonl",
            held_max=config.sandbox.messages_max,
        )
        for name in simulators
    }
    leads = await vendors.start(stages)
    places = {
        name: PlayedAt(port=simulator.port, settings=dict(leads[name]))
        for name, simulator in simulators.items()
    }
    write_places(folder, msgspec.structs.replace(before, providers=places))
    return leads


def read_places(folder: Path) -> Places:
    """Return what stands in the folder; nothing in a new one."""
    path = folder / PLACES_FILE
    return msgspec.json.decode(path.read_bytes(), type=Places) if path.exists() else Places()


def write_places(folder: Path, places: Places) -> None:
    """Keep where the vendors are."""
    write_private(folder / PLACES_FILE, msgspec.json.format(msgspec.json.encode(places)) + b"\n")


def _elsewhere(folder: Path) -> OpenVendors:
    try:
        places = read_places(folder)
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured([f"sandbox.folder: {folder} cannot be read: {error}"]) from None
    if places.control is None:
        raise Misconfigured(
            [f"sandbox.folder: nothing is played in {folder}; run `tocsin sandbox --data {folder}`"]
        )
    vendors = RemoteVendors(places.control.url, places.control.key)
    return OpenVendors(vendors, {name: each.settings for name, each in places.providers.items()})
