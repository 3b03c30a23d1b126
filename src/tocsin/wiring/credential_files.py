"""Which files a provider's table names, and whether they hold something else than before."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tocsin.app.delivering.providers import Digests
from tocsin.config.settings import section_of
from tocsin.ports.provider import ProviderSettings

_BYTES_MAX: Final = 4_194_304
"""What is read of a file; the certificates of all authorities are 200 kB."""
_ENDINGS: Final = ("_file", "_files")


def files_of(settings: ProviderSettings) -> Sequence[str]:
    """Return the files that *settings* name: in those whose name ends in ``_file`` or ``_files``."""
    return sorted(set(_named(settings)))


def _named(settings: ProviderSettings) -> Iterator[str]:
    for setting in section_of("", type(settings)).settings:
        if setting.key.endswith(_ENDINGS):
            value = getattr(settings, setting.attribute)
            if isinstance(value, str):
                yield value
            elif value is not None:
                yield from value


def digests(files: Sequence[str]) -> Digests:
    """Return what tells whether *files* hold the same as before; raises nothing."""
    return {name: _digest(Path(name)) for name in files}


def _digest(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe gives what it holds once, and reading on would wait for ever.
            return "no file"
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_BYTES_MAX)).hexdigest()
    except (OSError, ValueError) as error:
        return type(error).__name__
