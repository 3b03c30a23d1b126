"""The keys that encrypt secrets at rest: where they come from, and which ones a folder needs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import json
from msgspec.structs import replace

from tocsin.config import Config, Misconfigured
from tocsin.errors import Conflict
from tocsin.ports.system import Chance
from tocsin.wiring.folder import BIRTH_FILE, birth_of, write_private

SANDBOX_ENCRYPTION_FILE: Final = "sandbox-encryption.key"
KEY_BYTES: Final = 32
KEYS_MAX: Final = 16
_FILE_SETTING: Final = "keys.encryption_key_file: "


def admitted_keys(config: Config, folder: Path, chance: Chance) -> tuple[Sequence[bytes], str]:
    """Return the keys, having checked that the folder can do with them, and where they are from."""
    keys, place = encryption_keys(config, folder, chance), key_place(config, folder)
    admit(folder, keys, place)
    return keys, place


def encryption_keys(config: Config, folder: Path, chance: Chance) -> Sequence[bytes]:
    """
    Return the keys of 32 bytes that encrypt secrets at rest, the newest first.

    A real installation brings them from outside the folder. A sandbox, where nothing is worth
    protecting, makes one beside the data, so that the first minute needs no setting.
    """
    brought = brought_keys(config)
    if brought is not None:
        return brought
    path = folder / SANDBOX_ENCRYPTION_FILE
    if not path.exists():
        write_private(path, base64.b64encode(chance.bytes(KEY_BYTES)))
    return decoded(path.read_text(), str(path))


def brought_keys(config: Config) -> Sequence[bytes] | None:
    """
    Return the keys that the configuration names, None when a sandbox is to make its own.

    Raises `Misconfigured` when they cannot be read, are none, or are missing although needed.
    """
    keys = config.keys
    if keys.encryption_key is not None:
        return decoded(keys.encryption_key.reveal(), "keys.encryption_key")
    if keys.encryption_key_file is not None:
        place = f"{_FILE_SETTING}{keys.encryption_key_file}"
        try:
            text = Path(keys.encryption_key_file).read_bytes().decode("ascii", "replace")
        except OSError as error:
            raise Misconfigured([f"{place} cannot be read: {error.strerror}"]) from None
        return decoded(text, place)
    if config.mode == "real":
        need = (
            "keys.encryption_key_file: a real installation needs it, a file outside the data folder"
        )
        raise Misconfigured(
            [f"{need} with 32 random bytes in base64: head -c 32 /dev/urandom | base64 > KEYFILE"]
        )
    return None


def key_file(config: Config, folder: Path) -> Path | None:
    """Return the file that the keys are read from, None when they come from a setting."""
    if config.keys.encryption_key is not None:
        return None
    named = config.keys.encryption_key_file
    return folder / SANDBOX_ENCRYPTION_FILE if named is None else Path(named)


def key_place(config: Config, folder: Path) -> str:
    """Return where the keys come from, for people."""
    path = key_file(config, folder)
    if path is None:
        return "keys.encryption_key"
    return str(path) if config.keys.encryption_key_file is None else f"{_FILE_SETTING}{path}"


def decoded(text: str, place: str) -> Sequence[bytes]:
    """Return the keys that are written in *text* with white space between them."""
    try:
        keys = [base64.b64decode(word, validate=True) for word in text.split()]
    except ValueError:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise Misconfigured(
            [f"{place} must hold {KEY_BYTES} bytes in base64, or several such keys, newest first"]
        )
    if len(keys) > KEYS_MAX or len(set(keys)) < len(keys):
        raise Misconfigured([f"{place} must hold each key once, and at most {KEYS_MAX}"])
    return keys


def admit(folder: Path, keys: Sequence[bytes], place: str) -> None:
    """
    Check that *keys*, from *place*, hold all that the folder needs, and note which one seals.

    With another first key no address could be found again, and whoever is on the suppression list
    would not be found there. A folder that has none yet keeps by what this one is known again.
    Raises `Conflict`. When this returns, the folder durably needs the newest key, too.
    """
    if not (folder / BIRTH_FILE).exists():
        return
    born = birth_of(folder)
    ids = [known_by(key) for key in keys]
    first = born.key or ids[-1]
    _check(ids, first, born.sealing, f"{place}:", folder)
    sealing = born.sealing or (first,)
    if ids[0] not in sealing:
        sealing = (ids[0], *sealing)
    elif ids[0] != sealing[0]:
        sealing = (ids[0], *(id for id in sealing if id != ids[0]))
    noted = replace(born, key=first, sealing=() if sealing == (first,) else sealing)
    if noted != born:
        write_private(folder / BIRTH_FILE, json.encode(noted))


def needs_others(folder: Path, newest: bytes) -> bool:
    """Return whether something may be sealed with another key than the *newest*."""
    if not (folder / BIRTH_FILE).exists():
        return False
    born = birth_of(folder)
    return (born.sealing or (born.key,)) != (known_by(newest),)


def needs_only(folder: Path, newest: bytes) -> None:
    """Note durably that nothing is sealed with another key than the *newest*."""
    born, id = birth_of(folder), known_by(newest)
    sealing = () if id == born.key else (id,)
    write_private(folder / BIRTH_FILE, json.encode(replace(born, sealing=sealing)))


def _check(
    ids: Sequence[str], first: str, sealing: Sequence[str], place: str, folder: Path
) -> None:
    if first not in ids and len(ids) == 1:
        raise Conflict(
            f"{place} this is another key than the one that {folder} was made with, which its"
            " addresses and secrets need; put that one back, or use another folder"
        )
    if ids[-1] != first:
        raise Conflict(
            f"{place} the key that {folder} was made with must be there, as the last one: its"
            " addresses are found by it"
        )
    missing = [id for id in sealing if id not in ids]
    if missing:
        raise Conflict(
            f"{place} of the keys that values in {folder} are sealed with {len(missing)} cannot be"
            " found; put back what was taken out, before the last one"
        )


def known_by(key: bytes) -> str:
    """Return by what a key is known again, which says nothing about it."""
    return derived(key, b"tocsin folder key id", 8).hex()


def derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    """Return what follows from the key for one *purpose* (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)
