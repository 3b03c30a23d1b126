"""The preferences document as the API takes and shows it."""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.instants import parse_instant, show_instant
from tocsin.domain.preferences import Choice, Preferences, QuietHours
from tocsin.domain.reading import KEY, Notes, Reader, step_into

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHOICES_MAX: Final = 500
WINDOWS_MAX: Final = 50
_FIELDS: Final = frozenset(
    {"channels", "categories", "workflows", "quiet_hours", "do_not_disturb_until", "tracking"}
)
_CLOCK: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d\Z", re.ASCII)


def read_preferences(value: object) -> Preferences:
    """Read the whole document; raises `RequestRefused` with every problem."""
    notes = Notes()
    reader = Reader(value, "", notes, _FIELDS)
    preferences = Preferences(
        channels=reader.flags("channels", CHANNEL_FIELDS),
        categories=_choices(reader, "categories"),
        workflows=_choices(reader, "workflows"),
        quiet_hours=_quiet_hours(reader),
        do_not_disturb_until_ms=_instant(reader, "do_not_disturb_until"),
        tracking=reader.flag("tracking"),
    )
    notes.finish("the preferences cannot be read")
    return preferences


def merge_preferences(before: Preferences | None, value: object) -> Preferences:
    """
    Lay a PATCH document over *before* (RFC 7396) and read the result.

    Null takes a choice back; ``quiet_hours`` is replaced as a whole. Raises `RequestRefused`.
    """
    if not isinstance(value, dict):
        return read_preferences(value)
    return read_preferences(_merge(show_preferences(before), _spell_out(value)))


def _merge(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _spell_out(patch: dict[str, Any]) -> dict[str, Any]:
    """Return *patch* with the short forms of choices written out, so that merging meets them."""
    plain = dict(patch)
    for name in ("categories", "workflows"):
        choices = plain.get(name)
        if isinstance(choices, dict):
            plain[name] = {key: _spell_out_choice(choice) for key, choice in choices.items()}
    return plain


def _spell_out_choice(choice: object) -> object:
    if isinstance(choice, bool):
        return {"on": choice}
    if not isinstance(choice, dict):
        return choice
    beside = {name: on for name, on in choice.items() if name in CHANNEL_FIELDS}
    rest = {name: on for name, on in choice.items() if name not in CHANNEL_FIELDS}
    if beside:
        channels = rest.get("channels")
        rest["channels"] = {**channels, **beside} if isinstance(channels, dict) else beside
    return rest


def _choices(reader: Reader, name: str) -> dict[str, Choice]:
    value = reader.get(name)
    if value is None:
        return {}
    inner = Reader(value, reader.at(name), reader.notes, None)
    if len(inner.fields) > CHOICES_MAX:
        reader.note(name, "too_many", f"at most {CHOICES_MAX} entries are allowed here")
        return {}
    return {key: read_choice(inner, key) for key in inner.fields}


def read_choice(reader: Reader, key: str) -> Choice:
    """Read true, false, or an object of channels, each beside ``on`` or below ``channels``."""
    if not KEY.match(key):
        reader.note(key, "invalid_key", "use letters, digits and . _ : -")
    value = reader.get(key)
    if isinstance(value, bool):
        return Choice(value)
    choice = Reader(value, reader.at(key), reader.notes, {"on", "channels", *CHANNEL_FIELDS})
    channels = choice.flags("channels", CHANNEL_FIELDS)
    beside = {name: choice.flag(name) for name in choice.fields if name in CHANNEL_FIELDS}
    for name, on in beside.items():
        if on is not None and channels.get(name, on) is not on:
            choice.note(name, "contradiction", f"channels says something else about {name}")
    channels.update({name: on for name, on in beside.items() if on is not None})
    return Choice(choice.flag("on"), channels)


def _quiet_hours(reader: Reader) -> tuple[QuietHours, ...]:
    items = reader.items("quiet_hours", count_max=WINDOWS_MAX)
    place = reader.at("quiet_hours")
    read = (_window(item, step_into(place, n), reader.notes) for n, item in enumerate(items))
    return tuple(window for window in read if window is not None)


def _window(value: object, pointer: str, notes: Notes) -> QuietHours | None:
    reader = Reader(value, pointer, notes, {"days", "from", "until"})
    days = reader.items("days", count_max=7)
    if not all(isinstance(day, str) and day in DAYS for day in days):
        reader.note("days", "invalid_value", f"days are {', '.join(DAYS)}")
        days = []
    begin, end = _minutes(reader, "from"), _minutes(reader, "until")
    if begin is None or end is None:
        return None
    return QuietHours(tuple(sorted({DAYS.index(str(day)) for day in days})), begin, end)


def _minutes(reader: Reader, name: str) -> int | None:
    text = reader.text(name, characters_max=5, required=True)
    if text is None:
        return None
    if _CLOCK.match(text) is None:
        reader.note(name, "invalid_value", "a time of day is written like 07:00 or 22:30")
        return None
    return int(text[:2]) * 60 + int(text[3:])


def _instant(reader: Reader, name: str) -> int | None:
    text = reader.text(name, characters_max=40)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as refusal:
        reader.note(name, "invalid_time", str(refusal))
        return None


def show_preferences(preferences: Preferences | None) -> dict[str, object]:
    """Return the API's document; `read_preferences` reads it as the same preferences."""
    chosen = preferences or Preferences()
    until_ms = chosen.do_not_disturb_until_ms
    shown: dict[str, object] = {
        "channels": dict(chosen.channels),
        "categories": {key: show_choice(choice) for key, choice in chosen.categories.items()},
        "workflows": {key: show_choice(choice) for key, choice in chosen.workflows.items()},
        "quiet_hours": [_show_window(window) for window in chosen.quiet_hours],
        "do_not_disturb_until": None if until_ms is None else show_instant(until_ms),
    }
    return shown if chosen.tracking is None else {**shown, "tracking": chosen.tracking}


def show_choice(choice: Choice) -> dict[str, object]:
    """Return a choice in its long form."""
    shown: dict[str, object] = {} if choice.on is None else {"on": choice.on}
    if choice.channels:
        shown["channels"] = dict(choice.channels)
    return shown


def _show_window(window: QuietHours) -> dict[str, object]:
    shown: dict[str, object] = {"days": [DAYS[day] for day in window.days]} if window.days else {}
    return {
        **shown,
        "from": f"{window.begin // 60:02d}:{window.begin % 60:02d}",
        "until": f"{window.end // 60:02d}:{window.end % 60:02d}",
    }
