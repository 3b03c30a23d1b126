"""
The gates that a delivery passes, in their order.

A gate is two functions of one delivery: ``judge`` says no, or None to let it pass; ``inputs`` says
what it looked at, for ``explain``. They are a tuple: a new gate is an entry at its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.case import Target
from tocsin.domain.choice import choose
from tocsin.domain.quiet_hours import held_until
from tocsin.domain.reasons import Reason, Verdict


class No(msgspec.Struct, frozen=True):
    """What a gate says that does not let a delivery pass."""

    verdict: Verdict
    reason: Reason
    rule: str
    until_ms: int | None = None


class Gate(NamedTuple):
    """One gate."""

    name: str
    judge: Callable[[Target], No | None]
    inputs: Callable[[Target], dict[str, object]]


def _no(reason: Reason, rule: str, verdict: Verdict = Verdict.SUPPRESS) -> No:
    return No(verdict, reason, rule)


_INACTIVE: Final = _no(Reason.WORKFLOW_INACTIVE, "workflow.active")
_INVALID: Final = _no(Reason.INVALID_DATA, "workflow.schema")
_UNKNOWN: Final = _no(Reason.UNKNOWN_RECIPIENT, "recipient")
_ERASED: Final = _no(Reason.ERASED, "recipient.erased")
_EXPIRED: Final = _no(Reason.EXPIRED, "expires_at", Verdict.EXPIRE)
_CANCELLED: Final = _no(Reason.CANCELLED, "cancellation_key", Verdict.CANCEL)
_NOT_CONFIGURED: Final = _no(Reason.CHANNEL_NOT_CONFIGURED, "channel.providers")
_NO_ADDRESS: Final = _no(Reason.NO_ADDRESS, "recipient.addresses")
_UNVERIFIED: Final = _no(Reason.ADDRESS_UNVERIFIED, "address.verified_at")
_DISABLED: Final = _no(Reason.ADDRESS_DISABLED, "address.disabled_at")
_DEAD: Final = _no(Reason.ADDRESS_DEAD, "address.dead_at")


def _judge_workflow(target: Target) -> No | None:
    if not target.case.facts.workflow_active:
        return _INACTIVE
    return None if target.case.data_valid else _INVALID


def _workflow_inputs(target: Target) -> dict[str, object]:
    case = target.case
    return {
        "workflow": case.workflow.key,
        "version": case.workflow.version,
        "active": case.facts.workflow_active,
        "data_valid": case.data_valid,
    }


def _judge_recipient(target: Target) -> No | None:
    recipient = target.case.recipient
    if recipient is None:
        return _UNKNOWN
    return _ERASED if recipient.erased else None


def _recipient_inputs(target: Target) -> dict[str, object]:
    recipient = target.case.recipient
    if recipient is None:
        return {"known": False}
    return {"known": True, "erased": recipient.erased, "profile_version": recipient.version}


def _judge_expiry(target: Target) -> No | None:
    expires_ms = target.case.expires_ms
    return _EXPIRED if expires_ms is not None and target.case.facts.now_ms >= expires_ms else None


def _expiry_inputs(target: Target) -> dict[str, object]:
    return {"now_ms": target.case.facts.now_ms, "expires_ms": target.case.expires_ms}


def _judge_cancel(target: Target) -> No | None:
    return _CANCELLED if target.case.cancelled else None


def _cancel_inputs(target: Target) -> dict[str, object]:
    return {"cancelled": target.case.cancelled}


def _judge_suppression(target: Target) -> No | None:
    facts = target.case.facts
    if facts.suppressed or facts.suppressed_digests:
        rule = _suppressed_by(target)
        if rule:
            return _no(Reason.SUPPRESSION_LIST, rule)
    return None


def _suppressed_by(target: Target) -> str:
    facts, recipient, name = target.case.facts, target.case.recipient, target.step.channel
    for channel, where in (("", ""), (name, f".{name}")):
        if recipient is not None and (recipient.number, channel) in facts.suppressed:
            return f"suppressions.recipient{where}"
        address = target.address
        said = None if address is None else facts.suppressed_digests.get((address.digest, channel))
        if said is not None:
            return f"suppressions.address{where}" + (f": {said}" if said else "")
    return ""


def _suppression_inputs(target: Target) -> dict[str, object]:
    return {"entry": _suppressed_by(target) or None}


def _judge_choice(target: Target) -> No | None:
    case = target.case
    if case.recipient is None:
        return _UNKNOWN
    facts = case.facts
    answer = choose(
        case.workflow,
        target.step.channel,
        case.recipient,
        category=facts.category,
        tenant=facts.tenant,
    )
    if answer.allowed:
        return None
    return _no(Reason.OPTED_OUT if answer.own else Reason.OFF_BY_DEFAULT, answer.rule)


def _choice_inputs(target: Target) -> dict[str, object]:
    case, facts = target.case, target.case.facts
    inputs: dict[str, object] = {
        "channel": target.step.channel,
        "category": case.workflow.category,
        "required": case.workflow.required,
    }
    if case.recipient is not None:
        answer = choose(
            case.workflow,
            target.step.channel,
            case.recipient,
            category=facts.category,
            tenant=facts.tenant,
        )
        inputs["decided_by"] = answer.rule
    return inputs


def _judge_reach(target: Target) -> No | None:
    channel, address = target.channel, target.address
    if not channel.configured:
        return _NOT_CONFIGURED
    if not channel.needs_address:
        return None
    if address is None:
        return _NO_ADDRESS
    if address.dead_ms is not None:
        return _DEAD
    if address.disabled_ms is not None:
        return _DISABLED
    return _UNVERIFIED if address.needs_verification and address.verified_ms is None else None


def _reach_inputs(target: Target) -> dict[str, object]:
    inputs: dict[str, object] = {
        "configured": target.channel.configured,
        "needs_address": target.channel.needs_address,
    }
    if target.address is not None:
        inputs |= {
            "address": target.number,
            "verified_ms": target.address.verified_ms,
            "dead_ms": target.address.dead_ms,
            "disabled_ms": target.address.disabled_ms,
        }
    return inputs


def can_be_held(target: Target) -> bool:
    """Return whether quiet hours and do-not-disturb concern this workflow on this channel."""
    if target.case.workflow.unstoppable:
        return False
    if target.channel.interrupts:
        return True
    category = target.case.facts.category
    held = category is not None and category.hold_email_in_quiet_hours
    return held and target.step.channel == "email"


def _judge_quiet(target: Target) -> No | None:
    case = target.case
    preferences = case.recipient.preferences if case.recipient is not None else None
    if preferences is None or not can_be_held(target):
        return None
    release_ms = case.facts.now_ms
    reason, rule = Reason.IN_QUIET_HOURS, "recipient.preferences.quiet_hours"
    undisturbed_ms = preferences.do_not_disturb_until_ms
    if undisturbed_ms is not None and undisturbed_ms > release_ms:
        release_ms = undisturbed_ms
        reason, rule = Reason.DO_NOT_DISTURB, "recipient.preferences.do_not_disturb_until"
    # The end of the one may lie in the other.
    held_ms = held_until(preferences.quiet_hours, _zone(target), release_ms)
    release_ms = release_ms if held_ms is None else held_ms
    if release_ms == case.facts.now_ms:
        return None
    if case.expires_ms is not None and release_ms >= case.expires_ms:
        return No(Verdict.EXPIRE, reason, rule)
    return No(Verdict.DEFER, reason, rule, release_ms)


def _zone(target: Target) -> str | None:
    if target.address is not None and target.address.timezone is not None:
        return target.address.timezone
    return target.case.recipient.timezone if target.case.recipient is not None else None


def _quiet_inputs(target: Target) -> dict[str, object]:
    recipient = target.case.recipient
    preferences = recipient.preferences if recipient is not None else None
    return {
        "concerned": can_be_held(target),
        "timezone": _zone(target) or "UTC",
        "windows": len(preferences.quiet_hours) if preferences is not None else 0,
        "do_not_disturb_until_ms": (
            preferences.do_not_disturb_until_ms if preferences is not None else None
        ),
    }


GATES: Final[tuple[Gate, ...]] = (
    Gate("workflow", _judge_workflow, _workflow_inputs),
    Gate("recipient", _judge_recipient, _recipient_inputs),
    Gate("expiry", _judge_expiry, _expiry_inputs),
    Gate("cancel", _judge_cancel, _cancel_inputs),
    Gate("suppression", _judge_suppression, _suppression_inputs),
    Gate("preference", _judge_choice, _choice_inputs),
    Gate("reach", _judge_reach, _reach_inputs),
    # Which data may leave on which channel (PII policy) is judged here.
    Gate("quiet_hours", _judge_quiet, _quiet_inputs),
    # Frequency caps and the attention budget are judged last: only what would be sent counts.
)
