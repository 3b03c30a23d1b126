"""Providers made anew when the files that hold their credentials were replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from tocsin.app.delivering.providers import Digests, Source, Wired
from tocsin.config import Misconfigured
from tocsin.ports.system import Clock

EVERY_MS: Final = 10_000
"""How often files are looked at."""

logger = structlog.get_logger(__name__)


class Renewing:
    """
    Looks at files, and puts a new provider in the place of one whose files hold something else.

    What cannot be used changes nothing but what is said of the provider: a secret that is being
    written, or was written wrongly, must not stop what works. Each change is tried, and told, once.
    """

    def __init__(
        self, providers: Iterable[Wired], renewed: Callable[[str], None], clock: Clock
    ) -> None:
        """*renewed* is told the name of each provider that has another in its place."""
        self._watched = [
            _Watched(wired, wired.source) for wired in providers if wired.source is not None
        ]
        self._renewed = renewed
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled; returns at once where there is nothing to look at."""
        while self._watched:
            await self._clock.pause(EVERY_MS)
            for each in self._watched:
                if await each.look():
                    self._renewed(each.wired.name)
                await each.wired.sweep()


class _Watched:
    """One provider, and what its files held when it was made and when they were last looked at."""

    def __init__(self, wired: Wired, source: Source) -> None:
        self.wired = wired
        self._source = source
        self._used: Digests = source.digests
        self._seen: Digests = source.digests

    async def look(self) -> bool:
        """Return whether another provider took the place."""
        found = await asyncio.to_thread(self._source.look)
        if found == self._seen:
            return False
        before, self._seen = self._seen, found
        if found == self._used:
            self.wired.outdated = None
            return False
        files = sorted(name for name in found if found[name] != before.get(name))
        wrong = self._exchange()
        self.wired.outdated = wrong
        if wrong is not None:
            logger.warning(
                "credentials_unusable", provider=self.wired.name, files=files, detail=wrong
            )
            return False
        self._used = found
        logger.info("credentials_taken", provider=self.wired.name, files=files)
        return True

    def _exchange(self) -> str | None:
        """Put a new one in place, or return why there is none."""
        try:
            self.wired.replace(self._source.make())
        except Misconfigured as refused:
            return "; ".join(refused.problems)
        except Exception as error:  # noqa: BLE001  # whatever a folder makes of it, the old one works
            # Not its words, which may hold a part of the credential.
            return f"reading them failed inside: {type(error).__name__}"
        return None
