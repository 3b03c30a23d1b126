"""What decide returns: one verdict per step and address, with the rule that decided."""

from __future__ import annotations

import msgspec

from tocsin.domain.reasons import Reason, Verdict


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One delivery's decision.

    ``rule`` names the setting or document place that decided, for example
    ``recipient.preferences.categories.orders`` or ``quiet_hours``; empty when every gate let it
    pass. ``until_ms`` is set when the verdict is `Verdict.DEFER`.
    """

    step: int
    channel: str
    address: int
    verdict: Verdict
    reason: Reason
    rule: str = ""
    until_ms: int | None = None
    content: int = -1
    """The place of the rendered inbox text in the run's ``contents``; -1: rendered later."""


class PlannedNotification(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One run of one workflow for one recipient, decided."""

    recipient: int
    recipient_id: str
    profile_version: int
    decisions: tuple[Decision, ...]


class GateResult(msgspec.Struct, frozen=True):
    """One gate as ``explain`` shows it: what it looked at, what it said, by which rule."""

    gate: str
    passed: bool
    inputs: dict[str, object]
    rule: str = ""
    reason: Reason | None = None
    until_ms: int | None = None
