"""What a person wants and does not want: the document."""

from __future__ import annotations

import msgspec


class QuietHours(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A weekly window of silence, half-open, in the recipient's zone; it may cross midnight.

    ``days`` are the days on which it begins, 0 = Monday; empty means every day. ``begin`` and
    ``end`` are minutes after midnight, 0 to 1,439; equal values mean the whole day.
    """

    days: tuple[int, ...]
    begin: int
    end: int


class Choice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A person's answer for a category or a workflow: for all of it, and for single channels."""

    on: bool | None = None
    channels: dict[str, bool] = {}


class Preferences(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that one person has chosen."""

    channels: dict[str, bool] = {}
    categories: dict[str, Choice] = {}
    workflows: dict[str, Choice] = {}
    quiet_hours: tuple[QuietHours, ...] = ()
    do_not_disturb_until_ms: int | None = None
    tracking: bool | None = None
    """False where letters may not tell that they were opened or followed."""


class Consent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the append-only list of consents; the newest for a place counts there."""

    channel: str
    category: str | None
    given: bool
    source: str
    wording: str | None
    at_ms: int
