"""What a run waits for now."""

from __future__ import annotations

from tocsin.app.history.finding import LaneEvent
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.explain import Waiting
from tocsin.domain.history import Note
from tocsin.domain.ids import NotificationKey, notification_parts
from tocsin.domain.instants import show_instant
from tocsin.domain.intervals import interval_key
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Event, PlannedRun
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Timers


class WaitingStep:
    """Finds the interval that no plan has answered yet."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    async def __call__(self, lane: LaneEvent, workflow: Workflow, note: Note) -> Waiting | None:
        """Return the interval that the rest of a recipient's run stands before, None without one."""
        index = notification_parts(NotificationKey(note.key)).workflow_index
        resting = [
            interval
            for _, run in lane.runs()
            if run.index == index
            for recipient, interval in run.waits
            if recipient == note.recipient and interval >= 0
        ]
        if not resting:
            return None
        key = interval_key(note.key, max(resting))
        if any(plan.input_key == interval_timer(key) for _, plan in lane.plans):
            return None
        interval = workflow.intervals[max(resting)]
        timers = await self._timers.waiting([key])
        return Waiting(
            unless=interval.unless or "",
            for_ms=interval.for_ms,
            until_ms=timers[0].due_ms if timers else None,
            next=workflow.steps[interval.before].name,
        )


def to_come(run: PlannedRun, event: Event) -> str:
    """Return when a run begins that has not begun; empty for any other."""
    if run.outcome is not Outcome.SCHEDULED or event.send_ms is None:
        return ""
    return f"it is to be sent at {show_instant(event.send_ms)}"
