"""Credentials that stand in the settings, or in a file that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tocsin.config import Misconfigured, Secret


class Credential(NamedTuple):
    """A credential, and the setting that it comes from: what is wrong with it is named so."""

    text: str
    said: str

    def __repr__(self) -> str:
        return f"Credential({self.said})"


def credential(setting: str, given: Secret | None, file: str | None) -> Credential | None:
    """
    Return the credential of the setting of that whole name; None where there is none.

    Raises `Misconfigured` for both at once, for a file that cannot be read, and for nothing in it.
    """
    if file is None:
        return None if given is None else _some(given.reveal(), setting)
    if given is not None:
        raise Misconfigured([f"{setting} and {setting}_file exclude each other"])
    said = f"{setting}_file"
    try:
        # Some editors put a mark before the first character.
        return _some(Path(file).read_text("utf-8-sig"), said)
    except OSError as error:
        raise Misconfigured([f"{said} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise Misconfigured([f"{said} holds what is no text"]) from None


def needed(setting: str, given: Secret | None, file: str | None) -> Credential:
    """Return the credential, without which nothing works."""
    found = credential(setting, given, file)
    if found is None:
        raise Misconfigured([f"{setting} or {setting}_file is needed"])
    return found


def _some(text: str, said: str) -> Credential:
    plain = text.strip()
    if not plain:
        raise Misconfigured([f"{said} is empty"])
    return Credential(plain, said)
