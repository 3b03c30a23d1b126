"""The data folder: who holds it, what it was born as, and the keys that belong to it."""

from __future__ import annotations

import base64
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tocsin.adapters.sqlite.folder import FolderLock
from tocsin.config import Config, Misconfigured
from tocsin.domain.instants import parse_begin, show_instant
from tocsin.errors import Conflict
from tocsin.ports.system import Chance

BIRTH_FILE: Final = "birth.json"
SANDBOX_KEY_FILE: Final = "sandbox.key"
SANDBOX_ENCRYPTION_FILE: Final = "sandbox-encryption.key"
ADMIN_SOCKET: Final = "admin.sock"
ADDRESS_FILE: Final = "address"
"""Where the server listens, for local commands that need its port: sockets are not on the other."""
KEY_BYTES: Final = 32


class Birth(msgspec.Struct, frozen=True):
    """What the folder was made as; it stays that."""

    mode: str
    layout: str
    partitions: int
    born_ms: int
    clock_ms: int | None = None
    """Where the clock of a sandbox began, if that was said."""
    key: str | None = None
    """By what the encryption key is known again; None until it was first used here."""


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


def encryption_key(config: Config, folder: Path, chance: Chance) -> bytes:
    """
    Return the 32 bytes that encrypt secrets at rest.

    A real installation brings the key from outside the folder. A sandbox, where nothing is worth
    protecting, makes one beside the data, so that the first minute needs no setting.
    """
    brought = brought_key(config)
    if brought is not None:
        return brought
    path = folder / SANDBOX_ENCRYPTION_FILE
    if not path.exists():
        write_private(path, base64.b64encode(chance.bytes(KEY_BYTES)))
    return _decoded(path.read_text().strip(), str(path))


def check_key(folder: Path, secret: bytes, place: str) -> None:
    """
    Raise `Conflict` when *secret*, from *place*, is another key than the folder's first one.

    With another key no address could be read, and whoever is on the suppression list would not be
    found there. A folder that has none yet keeps by what this one is known again.
    """
    if not (folder / BIRTH_FILE).exists():
        return
    born = birth_of(folder)
    known_by = derived(secret, b"tocsin folder key id", 8).hex()
    if born.key is None:
        write_private(
            folder / BIRTH_FILE, msgspec.json.encode(msgspec.structs.replace(born, key=known_by))
        )
    elif born.key != known_by:
        raise Conflict(
            f"{place}: this is another key than the one that {folder} was made with, which its"
            " addresses and secrets need; put that one back, or use another folder"
        )


def derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    """Return what follows from the key for one *purpose* (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)


def key_place(config: Config, folder: Path) -> str:
    """Return where the encryption key comes from, for people."""
    keys = config.keys
    if keys.encryption_key is not None:
        return "keys.encryption_key"
    if keys.encryption_key_file is not None:
        return f"keys.encryption_key_file: {keys.encryption_key_file}"
    return str(folder / SANDBOX_ENCRYPTION_FILE)


def brought_key(config: Config) -> bytes | None:
    """
    Return the key that the configuration names, None when a sandbox is to make its own.

    Raises `Misconfigured` when it cannot be read, is no key, or is missing although it is needed.
    """
    keys = config.keys
    if keys.encryption_key is not None:
        return _decoded(keys.encryption_key.reveal(), "keys.encryption_key")
    if keys.encryption_key_file is not None:
        place = f"keys.encryption_key_file: {keys.encryption_key_file}"
        try:
            text = Path(keys.encryption_key_file).read_text("ascii")
        except OSError as error:
            raise Misconfigured([f"{place} cannot be read: {error.strerror}"]) from None
        except UnicodeDecodeError:
            text = ""
        return _decoded(text.strip(), place)
    if config.mode == "real":
        need = (
            "keys.encryption_key_file: a real installation needs it, a file outside the data folder"
        )
        raise Misconfigured(
            [f"{need} with 32 random bytes in base64: head -c 32 /dev/urandom | base64 > KEYFILE"]
        )
    return None


def write_address(folder: Path, url: str) -> None:
    """Keep the address of the running server."""
    write_private(folder / ADDRESS_FILE, f"{url}\n".encode())


def write_sandbox_key(folder: Path, key: str) -> Path:
    """Keep the sandbox's own key where its user finds it."""
    path = folder / SANDBOX_KEY_FILE
    write_private(path, key.encode() + b"\n")
    return path


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Misconfigured([f"{place} must hold {KEY_BYTES} bytes in base64"])
    return key


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
