"""What cancels asked for: kept so that their status can be looked up, ended and erased."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.keeping import Cut
from tocsin.errors import NotFound
from tocsin.ports.cache import Blobs
from tocsin.ports.keeping import Leaver
from tocsin.ports.system import Chance

_FOLDER: Final = "cancels"
_DAY_MS: Final = 86_400_000
_ID_DIGITS: Final = 32
_TIME_BYTES: Final = 6
_SLICE: Final = 500


class Cancel(msgspec.Struct, frozen=True, array_like=True):
    """What was asked for."""

    key: str
    recipients: tuple[str, ...] | None
    at_ms: int
    until_ms: int


class KeptCancels:
    """
    Cancels by id, for a day after they have ceased to hold.

    An id begins with that time, so that those which end are found without being read. Fills
    `tocsin.ports.keeping.Forgets` and `tocsin.ports.keeping.Erases`.
    """

    name = "asked cancels"

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def keep(self, cancel: Cancel, chance: Chance) -> str:
        """Store *cancel*, durably; returns its id."""
        begin = cancel.until_ms.to_bytes(_TIME_BYTES, "big")
        id = (begin + chance.bytes(_ID_DIGITS // 2 - _TIME_BYTES)).hex()
        await self._blobs.put(f"{_FOLDER}/{id}", msgspec.msgpack.encode(cancel))
        return id

    async def get(self, id: str) -> Cancel:
        """Return one; raises `NotFound`, also for one whose time is over."""
        if len(id) != _ID_DIGITS or not id.isalnum() or not id.isascii():
            raise NotFound("there is no such cancel")
        return await self._read(f"{_FOLDER}/{id}")

    async def forget(self, cut: Cut) -> int | None:
        """Remove the oldest of those that have ended."""
        names = await self._blobs.names(_FOLDER)
        ended = [name for name in names if _until_ms(name) + _DAY_MS <= cut.now_ms][:_SLICE]
        await self._blobs.delete(ended)
        return len(ended) or None

    async def erase(self, leaver: Leaver) -> int:
        """
        Leave her out of those that name others, too, and remove the rest.

        Killed between the two steps of one, its status is gone; what it holds goes on.
        """
        done = 0
        for name in await self._blobs.names(_FOLDER):
            try:
                cancel = await self._read(name)
            except NotFound:
                continue
            if leaver.id not in (cancel.recipients or ()):
                continue
            others = tuple(each for each in cancel.recipients or () if each != leaver.id)
            await self._blobs.delete([name])
            if others:
                left = msgspec.structs.replace(cancel, recipients=others)
                await self._blobs.put(name, msgspec.msgpack.encode(left))
            done += 1
        return done

    async def _read(self, name: str) -> Cancel:
        return msgspec.msgpack.decode(await self._blobs.get(name), type=Cancel)


def _until_ms(name: str) -> int:
    return int(name.rpartition("/")[2][: 2 * _TIME_BYTES], 16)
