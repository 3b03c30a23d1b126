"""What the engine logs, kept as lines: nobody reads them but the checker."""

from __future__ import annotations

import sys
from typing import Any

import structlog
from structlog.typing import EventDict

_FROM = 0


def keep_logs(lines: list[str]) -> None:
    """Let every logger of the process add to *lines*, errors with what was raised."""

    def keep(_logger: Any, _name: str, event: EventDict) -> EventDict:
        raised = sys.exc_info()[1] if event.get("exc_info") else None
        lines.append(f"{event} {raised!r}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(_FROM)
    )
