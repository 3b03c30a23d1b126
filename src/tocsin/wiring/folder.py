"""The data folder: who holds it, what it was born as, and its small files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from tocsin.adapters.sqlite.folder import FolderLock
from tocsin.config import Config, Misconfigured
from tocsin.domain.instants import parse_begin, show_instant
from tocsin.errors import Conflict

BIRTH_FILE: Final = "birth.json"
SANDBOX_KEY_FILE: Final = "sandbox.key"
ADMIN_SOCKET: Final = "admin.sock"
ADDRESS_FILE: Final = "address"
"""Where the server listens, for local commands that need its port: sockets are not on the other."""


class Birth(msgspec.Struct, frozen=True):
    """What the folder was made as; it stays that."""

    mode: str
    layout: str
    partitions: int
    born_ms: int
    clock_ms: int | None = None
    """Where the clock of a sandbox began, if that was said."""
    key: str | None = None
    """By what the first encryption key is known again; None until it was first used here."""
    sealing: tuple[str, ...] = ()
    """The keys that something may be sealed with, newest first; empty for the first one alone."""


def take(config: Config, now_ms: int, stack: ExitStack) -> Path:
    """
    Make or find the folder, lock it, and check that it is what the configuration says.

    Raises `Conflict` when another process holds it, or when it was born as something else, and
    `Misconfigured` when it is no folder in which files can be made.
    """
    try:
        return _take(config, now_ms, stack)
    except OSError as error:
        raise Misconfigured(
            [f"the data folder {config.data} cannot be used: {error.strerror or error}"]
        ) from None


def _take(config: Config, now_ms: int, stack: ExitStack) -> Path:
    folder = Path(config.data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack.enter_context(FolderLock(folder, started_ms=now_ms))
    path = folder / BIRTH_FILE
    begin = config.sandbox.clock
    begin_ms = None if begin is None else parse_begin(begin)
    wanted = Birth(config.mode, config.store.layout, config.log.partitions, now_ms, begin_ms)
    if not path.exists():
        write_private(path, msgspec.json.encode(wanted))
        return folder
    born = birth_of(folder)
    if begin_ms is not None and begin_ms != born.clock_ms:
        began = show_instant(born.born_ms if born.clock_ms is None else born.clock_ms)
        raise Conflict(
            f"the clock of {folder} began at {began} and goes on from where it is; start without"
            " --clock, move it with `tocsin advance`, or use another folder"
        )
    for name, is_now, was in (
        ("mode", wanted.mode, born.mode),
        ("store.layout", wanted.layout, born.layout),
        ("log.partitions", wanted.partitions, born.partitions),
    ):
        if is_now != was:
            raise Conflict(
                f"{folder} was made with {name} = {was!r} and cannot be opened with {is_now!r};"
                " use another folder, or the setting it was made with"
            )
    return folder


def birth_of(folder: Path) -> Birth:
    """Return what the folder was made as."""
    return msgspec.json.decode((folder / BIRTH_FILE).read_bytes(), type=Birth)


def write_address(folder: Path, url: str) -> None:
    """Keep the address of the running server."""
    write_private(folder / ADDRESS_FILE, f"{url}\n".encode())


def write_sandbox_key(folder: Path, key: str) -> Path:
    """Keep the sandbox's own key where its user finds it."""
    path = folder / SANDBOX_KEY_FILE
    write_private(path, key.encode() + b"\n")
    return path


def write_private(path: Path, body: bytes) -> None:
    """Write all or nothing, readable by the owner alone, durable before it has its name."""
    temporary = path.with_suffix(".new")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, body)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
