"""What must hold for the server to be ready for work."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import apsw

from tocsin.adapters.sqlite.writer import Writer
from tocsin.api.system import Check
from tocsin.app.workflows import WorkflowRegistry
from tocsin.errors import TocsinError

_FRESH_S: Final = 1.0
_COMMIT_S: Final = 2.0


def build_checks(
    writers: Mapping[str, Writer],
    log_file: str,
    registry: WorkflowRegistry,
    folder: Path,
    *,
    free_bytes_min: int,
    failure: Callable[[], str | None],
    now_s: Callable[[], float],
) -> dict[str, Check]:
    """Return the checks by name; each answers None when all is well."""

    async def workflows() -> str | None:
        broken = sorted(registry.broken)
        return f"cannot be read: {', '.join(broken[:3])}" if broken else None

    async def disk() -> str | None:
        free = shutil.disk_usage(folder).free
        if free >= free_bytes_min:
            return None
        return f"{free} bytes are free, below store.free_bytes_min; make room"

    async def roles() -> str | None:
        return failure()

    async def commits() -> str | None:
        full = [name for name, writer in writers.items() if writer.full]
        return f"no room for {', '.join(full)}" if full else await _commits(writers[log_file])

    return {
        "log": Recent(commits, now_s),
        "disk": disk,
        "workflows": workflows,
        "roles": roles,
    }


class Recent:
    """A check whose answer counts for a second, however many ask."""

    def __init__(self, check: Check, now_s: Callable[[], float]) -> None:
        self._check = check
        self._now_s = now_s
        self._turn = asyncio.Lock()
        self._said: str | None = None
        self._until_s = float("-inf")

    async def __call__(self) -> str | None:
        """Return the answer, at most a second old."""
        async with self._turn:
            if self._now_s() >= self._until_s:
                self._said = await self._check()
                self._until_s = self._now_s() + _FRESH_S
            return self._said


async def _commits(writer: Writer) -> str | None:
    try:
        async with asyncio.timeout(_COMMIT_S):
            await asyncio.shield(writer.submit(_touch))
    except TimeoutError:
        return f"a commit takes longer than {_COMMIT_S:g} s"
    except TocsinError as error:
        return error.detail
    return None


def _touch(connection: apsw.Connection) -> None:
    # Writes a page without changing it: an empty transaction would not ask the disk.
    connection.execute("UPDATE log_meta SET incarnation = incarnation")
