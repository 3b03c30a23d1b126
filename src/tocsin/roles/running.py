"""A process that has started: its tasks, how it is told to stop, and what made it fail."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from tocsin.wiring.services import Services

logger = structlog.get_logger(__name__)


class Running:
    """What runs, and whether it should go on."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.stopping = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *work* and hold it until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def fail(self, error: BaseException) -> None:
        """Stop the process: nothing more may be acknowledged."""
        self.failure = self.failure or error
        self.stopping.set()

    def amiss(self) -> str | None:
        """Return what an operator should know when a role has failed, for readiness."""
        return None if self.failure is None else "a role has failed; the process is stopping"

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A role that fails ends the process: half a program would look healthy, doing nothing."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logger.exception("role_failed")
            self.fail(error)

    async def settle(self) -> None:
        """Return when what was spawned is done."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
