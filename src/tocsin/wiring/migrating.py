"""Bringing a folder to this version's schema while no server runs on it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tocsin.adapters.system import SystemClock
from tocsin.config import Config
from tocsin.errors import NotFound
from tocsin.wiring.folder import BIRTH_FILE, take
from tocsin.wiring.storage import migrate


def migrate_folder(config: Config) -> list[str]:
    """
    Apply what is missing and return the steps. Holds the folder's lock meanwhile.

    Raises `NotFound` where nothing was ever started, and `Conflict` while a server runs.
    """
    folder = Path(config.data)
    if not (folder / BIRTH_FILE).exists():
        raise NotFound(f"{folder} is no data folder: nothing was ever started in it")
    now_ms = SystemClock().now_ms()
    with ExitStack() as locks:
        return migrate(config, take(config, now_ms, locks), now_ms)
