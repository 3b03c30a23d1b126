"""The file with the encryption keys, looked at while the process runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from tocsin.adapters.sealing import AesSealer
from tocsin.config import Misconfigured
from tocsin.errors import Conflict, StorageFull
from tocsin.wiring.encryption_keys import admit, decoded, needs_only, needs_others

LOOK_EVERY_S: Final = 10.0

logger = structlog.get_logger(__name__)

Rest = Callable[[float], Awaitable[None]]


class KeyWatch:
    """
    Takes what the file holds when it has changed; what cannot be used changes nothing.

    The folder says durably that it needs a key before anything is sealed with it, so no start
    without that key can come after. Nothing that is logged holds what is in the file.
    """

    def __init__(
        self,
        sealer: AesSealer,
        folder: Path,
        path: Path | None,
        place: str,
        keys: Sequence[bytes],
        rest: Rest = asyncio.sleep,
    ) -> None:
        """*keys* are those in use; without a *path* nothing is looked at."""
        self._sealer = sealer
        self._folder = folder
        self._path = path
        self._place = place
        self._rest = rest
        self._taken = _mark(keys)
        self._newest = keys[0]
        self._warned = b""

    async def run(self, seal_anew: Callable[[], Awaitable[bool]]) -> None:
        """
        Look every ten seconds of real time, until cancelled.

        While something may lie under an older key *seal_anew* is called, which returns whether
        nothing does any more.
        """
        while True:
            await self.renew(seal_anew)
            await self._rest(LOOK_EVERY_S)
            if self._path is not None:
                # A file on a share that is away must not hold up the loop.
                await asyncio.to_thread(self.look, self._path)

    async def renew(self, seal_anew: Callable[[], Awaitable[bool]]) -> None:
        """Have everything sealed anew if need be, and note that older keys can go."""
        newest = self._newest
        if not needs_others(self._folder, newest):
            return
        try:
            if await seal_anew() and self._newest == newest:
                needs_only(self._folder, newest)
                logger.info("nothing_under_older_encryption_keys", place=self._place)
        except StorageFull as error:
            logger.warning("sealing_anew_waits", code=error.code)
        except OSError as error:
            # That older keys can go is said later: until then they are asked for, which is safe.
            logger.warning("sealing_anew_waits", code=error.strerror)

    def look(self, path: Path) -> bool:
        """Return whether other keys were taken. Blocks."""
        try:
            body = path.read_bytes()
        except OSError as error:
            self._warn(f"{self._place} cannot be read: {error.strerror}")
            return False
        try:
            keys = decoded(body.decode("ascii", "replace"), self._place)
            if _mark(keys) == self._taken:
                return False
            admit(self._folder, keys, self._place)
        except Misconfigured as refused:
            self._warn("; ".join(refused.problems), body)
            return False
        except Conflict as refused:
            self._warn(refused.detail, body)
            return False
        except OSError as error:
            self._warn(f"{self._folder} cannot be written: {error.strerror}", body)
            return False
        self._sealer.take(keys)
        self._taken = _mark(keys)
        self._newest = keys[0]
        logger.info("encryption_keys_taken", keys=len(keys))
        return True

    def _warn(self, said: str, body: bytes = b"") -> None:
        """Say once for each change what is wrong with it."""
        mark = hashlib.sha256(said.encode() + body).digest()
        if mark != self._warned:
            self._warned = mark
            logger.warning("encryption_keys_not_taken", detail=said)


def _mark(keys: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(keys)).digest()
