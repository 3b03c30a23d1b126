"""Reading, checking and showing the steps of a document that let time pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.domain.durations import format_duration
from tocsin.domain.intervals import CONDITIONS, Condition, DelayStep, IntervalStep, WaitStep
from tocsin.domain.reading import Notes, Reader, step_into

_OF_MAX: Final = 20


def interval_kind(value: object) -> bool:
    """Return whether a step of the document is an interval, well-formed or not."""
    return isinstance(value, dict) and ("delay" in value or "wait" in value)


def read_interval(value: object, pointer: str, notes: Notes) -> IntervalStep | None:
    """Read a step that `interval_kind` knows; None after a note."""
    if isinstance(value, dict) and "delay" in value:
        reader = Reader(value, pointer, notes, {"delay"})
        for_ms = reader.duration_ms("delay")
        if for_ms is None:
            reader.text("delay", required=True)
            return None
        return DelayStep(for_ms)
    outer = Reader(value, pointer, notes, {"wait"})
    return _read_wait(Reader(outer.get("wait"), outer.at("wait"), notes, {"for", "unless", "of"}))


def _read_wait(reader: Reader) -> WaitStep | None:
    for_ms = reader.duration_ms("for")
    if reader.get("for") is None:
        reader.note("for", "missing", "say how long to wait, like 30s")
    unless = _condition(reader)
    of = reader.items("of", count_max=_OF_MAX)
    if reader.get("of") == []:
        reader.note("of", "empty", "leave it out to look at all earlier channel steps")
    for number, name in enumerate(of):
        if not isinstance(name, str):
            place = step_into(reader.at("of"), number)
            reader.notes.add(place, "wrong_type", "the name of an earlier channel step is needed")
    if for_ms is None or unless is None:
        return None
    return WaitStep(for_ms, unless, tuple(dict.fromkeys(map(str, of))))


def _condition(reader: Reader) -> Condition | None:
    text = reader.text("unless", required=True)
    for known in CONDITIONS:
        if text == known:
            return known
    if text is not None:
        reader.note("unless", "invalid_value", f"the conditions are {', '.join(CONDITIONS)}")
    return None


def check_intervals(
    names: Sequence[str | None],
    intervals: Mapping[int, IntervalStep],
    expires_in_ms: int | None,
    place: str,
    notes: Notes,
) -> None:
    """
    Note intervals that could do nothing.

    *names* are those of the document's steps in order, None for an interval; *intervals* are by their
    places among them.
    """
    if intervals and max(intervals) == len(names) - 1:
        detail = "nothing follows: leave this step out, or say what comes after it"
        notes.add(step_into(place, len(names) - 1), "nothing_follows", detail)
    for number, step in intervals.items():
        if isinstance(step, WaitStep):
            earlier = [name for name in names[:number] if name is not None]
            _check_of(step, earlier, step_into(step_into(place, number), "wait"), notes)
    total_ms = sum(step.for_ms for step in intervals.values())
    if expires_in_ms is not None and intervals and total_ms >= expires_in_ms:
        detail = (
            f"delays and waits take {format_duration(total_ms)} together, and expires_in is "
            f"{format_duration(expires_in_ms)}: what comes last would always be too late"
        )
        notes.add(step_into(place, max(intervals)), "longer_than_expiry", detail)


def _check_of(step: WaitStep, earlier: Sequence[str], pointer: str, notes: Notes) -> None:
    if not earlier:
        notes.add(pointer, "nothing_before", "a wait looks at channel steps that come before it")
        return
    for number, name in enumerate(step.of):
        if name not in earlier:
            detail = f"no earlier channel step is called {name!r}; there are {', '.join(earlier)}"
            notes.add(step_into(step_into(pointer, "of"), number), "unknown_step", detail)


def show_interval(step: IntervalStep) -> dict[str, object]:
    """Return the JSON that `read_interval` reads as *step*."""
    if isinstance(step, DelayStep):
        return {"delay": format_duration(step.for_ms)}
    wait: dict[str, object] = {"for": format_duration(step.for_ms), "unless": step.unless}
    if step.of:
        wait["of"] = list(step.of)
    return {"wait": wait}
