"""Credentials that stand in the settings, or in a file that the settings name."""

from __future__ import annotations

from pathlib import Path

from tocsin.config import Misconfigured, Secret


def credential(setting: str, given: Secret | None, file: str | None) -> str | None:
    """
    Return the credential of the setting of that whole name; None where there is none.

    Raises `Misconfigured` for both at once, and for a file that cannot be read.
    """
    if file is None:
        return None if given is None else given.reveal()
    if given is not None:
        raise Misconfigured([f"{setting} and {setting}_file exclude each other"])
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured([f"{setting}_file cannot be read: {type(error).__name__}"]) from None


def needed(setting: str, given: Secret | None, file: str | None) -> str:
    """Return the credential, without which nothing works."""
    found = credential(setting, given, file)
    if found is None:
        raise Misconfigured([f"{setting} or {setting}_file is needed"])
    return found
