"""A log that is locked for a moment, as on a busy machine or a disk that was just full."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from tocsin.errors import Unavailable
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


class Locked:
    """Stands before the log, which is locked for the first commit of each group."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()

    def around(self, storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        locked: Any = _LockedLog(storage.log, self.met)
        return replace(storage, log=locked), stores

    @property
    def again(self) -> set[str]:
        """The groups that have tried again."""
        return {group for group, times in self.met.items() if times > 1}


class _LockedLog:
    def __init__(self, log: Any, met: Counter[str]) -> None:
        self._log = log
        self._met = met

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def commit(self, step: Any, *more: Any) -> Any:
        group = step.sources[0].group
        self._met[group] += 1
        if self._met[group] == 1:
            raise Unavailable("the store is locked; nothing of this was stored")
        return await self._log.commit(step, *more)
