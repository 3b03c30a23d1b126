"""The audit that runs by itself: each minute what was accepted since, and what did not balance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from tocsin.app.auditing.audit import Auditor
from tocsin.domain.audit import SETTLING_MS, Audit
from tocsin.errors import Stopping, Unavailable
from tocsin.ports.system import Clock

EVERY_MS: Final = 60_000
LOOK_AGAIN_MS: Final = 3_600_000
"""A window that did not balance is looked at again for so long, or until it does."""

logger = structlog.get_logger(__name__)


class AuditWatch:
    """
    Audits window after window, each once it has settled, and tells how many violations there are.

    Auditing an hour each minute would count every event sixty times.
    """

    def __init__(self, auditor: Auditor, clock: Clock, tell: Callable[[int], None]) -> None:
        self._auditor = auditor
        self._clock = clock
        self._tell = tell
        self._begin_ms = clock.now_ms() - SETTLING_MS
        self._unequal: list[tuple[int, int]] = []

    async def run(self) -> None:
        """Look once a minute until cancelled."""
        while True:
            await self._clock.pause(EVERY_MS)
            try:
                await self.look()
            except Stopping:
                return
            except Unavailable as error:
                logger.warning("audit_waits", code=error.code)

    async def look(self) -> int:
        """Audit what has settled since the last look; return the violations that stand."""
        now_ms = self._clock.now_ms()
        windows = [w for w in self._unequal if w[0] > now_ms - LOOK_AGAIN_MS]
        settled_ms = now_ms - SETTLING_MS
        if settled_ms > self._begin_ms:
            windows.append((self._begin_ms, settled_ms))
        found = [await self._auditor(*window) for window in windows]
        self._begin_ms = max(self._begin_ms, settled_ms)
        self._unequal = [audit.window[:2] for audit in found if not audit.balanced]
        violations = sum(audit.violations for audit in found)
        self._tell(violations)
        if violations:
            logger.error("audit_unequal", violations=violations, missing=_names(found))
        return violations


def _names(audits: list[Audit]) -> list[str]:
    return [each.id for audit in audits for each in audit.missing][:10]
