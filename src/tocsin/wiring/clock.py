"""Which clock a process goes by: the machine's, or a sandbox's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tocsin.adapters.sandbox_clock import ClockState, SandboxClock
from tocsin.adapters.system import SystemClock
from tocsin.config import Config
from tocsin.wiring.folder import birth_of, write_private

CLOCK_FILE: Final = "sandbox-clock.json"


def open_clock(config: Config, folder: Path, real: SystemClock) -> SystemClock | SandboxClock:
    """Return the clock by which is decided about messages; a sandbox's goes on where it was."""
    if config.mode != "sandbox":
        return real
    path = folder / CLOCK_FILE

    def keep(state: ClockState) -> None:
        write_private(path, msgspec.json.encode(state))

    return SandboxClock(_kept(path) or _begun(folder), keep, real)


def _kept(path: Path) -> ClockState | None:
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=ClockState)


def _begun(folder: Path) -> ClockState | None:
    """Return the state of a clock that was never moved: it flows since the folder was made."""
    birth = birth_of(folder)
    if birth.clock_ms is None:
        return None
    return ClockState(birth.clock_ms - birth.born_ms, birth.clock_ms)
