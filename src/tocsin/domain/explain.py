"""
Why a recipient got something, or did not: one true sentence, and the data behind it.

What was recorded is what happened. The trace of the gates is computed again from the versions that
the record names; where the two differ, the explanation says so rather than choosing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.domain.decision import Decision, GateResult
from tocsin.domain.delivery import EDITED, DeliveryReason
from tocsin.domain.durations import format_duration
from tocsin.domain.inbox import ItemState
from tocsin.domain.instants import show_instant
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Attempt, Settled

CLAIM_RULE: Final = "cancel"
"""The rule of a decision that lost its claim row to a cancel."""


class AudienceStep(msgspec.Struct, frozen=True):
    """
    Whether the recipient was meant, and by what.

    ``by`` is recipient | path | group | object | everyone | fanout, ``rule`` names the place (a
    group's key, a path and its value), ``member`` what held then.
    """

    member: bool
    by: str
    rule: str
    detail: str = ""
    excluded: bool = False


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: its decision, the gates computed again, and what it came to."""

    delivery: bytes
    decision: Decision
    decided_ms: int
    state: str
    reason: str
    at_ms: int
    gates: Sequence[GateResult] = ()
    recomputed_differs: bool = False
    """The gates, computed again from what is stored, do not give the recorded decision."""
    waits_until_ms: int | None = None
    pause: str = ""
    """The rule of the pause that it waits for: who and why (`tocsin.domain.pauses`)."""
    trail: Sequence[Attempt | Settled] = ()
    engagement: ItemState | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """
    The interval that a run has come to.

    ``unless`` is empty for a delay. ``until_ms`` is None while a wait's time does not run yet,
    because something that it looks at has not settled.
    """

    unless: str
    for_ms: int
    until_ms: int | None
    next: str
    """The name of the step that follows."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow of the event, for this recipient."""

    workflow: str
    version: int
    lane: str
    outcome: str
    """routed | alias | not_in_audience | waiting | paused | aborted."""
    audience: Sequence[AudienceStep] = ()
    audience_differs: bool = False
    """The audience, looked up again as of then, is not the one that was recorded."""
    profile_version: int | None = None
    notification: bytes | None = None
    fanout: bytes | None = None
    alias_of: bytes | None = None
    deliveries: Sequence[Delivery] = ()
    detail: str = ""
    facts_away: Sequence[str] = ()
    """What could not be read when it was decided, so that the last known of it counted."""
    waiting: Waiting | None = None
    """What the rest of the run waits for."""


_WHY: Final[dict[str, str]] = {
    Reason.WORKFLOW_INACTIVE: "the workflow was switched off",
    Reason.INVALID_DATA: "the event's data does not fit the workflow's schema",
    Reason.RENDER_FAILED: "its text could not be rendered",
    Reason.UNKNOWN_RECIPIENT: "there was no such recipient and the event asked for known ones only",
    Reason.ERASED: "the recipient was erased",
    Reason.EXPIRED: "it had expired",
    Reason.CANCELLED: "it was cancelled",
    Reason.SUPPRESSION_LIST: "the recipient is on the suppression list",
    Reason.OPTED_OUT: "the recipient has switched it off",
    Reason.OFF_BY_DEFAULT: "it is off unless a recipient switches it on",
    Reason.CHANNEL_NOT_CONFIGURED: "the channel has no provider",
    Reason.NO_ADDRESS: "the recipient has no address there",
    Reason.ADDRESS_UNVERIFIED: "the address is not verified",
    Reason.ADDRESS_DEAD: "a provider said that the address is dead",
    Reason.ADDRESS_DISABLED: "its endpoint had failed for too long and is not called any more",
    Reason.IN_QUIET_HOURS: "the recipient has quiet hours",
    Reason.DO_NOT_DISTURB: "the recipient asked not to be disturbed",
    Reason.NOT_NEEDED: "an earlier channel had done it",
    Reason.PAUSED: "it is paused",
}


def differs(decision: Decision, gates: Sequence[GateResult]) -> bool:
    """
    Return whether the gates, computed again, give another answer than the one that was recorded.
    """
    return bool(gates) and gates[-1].reason is not decision.reason


def with_rule(decision: Decision, gates: Sequence[GateResult]) -> Decision:
    """
    Return *decision* with the rule that decided.

    What a fan-out decided is stored as a reason for many at once; the rule is that of the gate
    which gives the same reason again.
    """
    if decision.rule or not gates or differs(decision, gates):
        return decision
    return msgspec.structs.replace(decision, rule=gates[-1].rule)


def why(reason: str, rule: str = "") -> str:
    """Return a reason code as a clause, with the rule that decided."""
    clause = _WHY.get(reason, reason.replace("_", " "))
    return f"{clause} [{rule}]" if rule else clause


def delivery_clause(delivery: Delivery) -> str:
    """Return what became of one delivery, as a clause that follows the recipient's name."""
    channel = delivery.decision.channel
    at = show_instant(delivery.at_ms)
    match delivery.state:
        case "sent" | "delivered":
            return _arrived(delivery, channel, at)
        case "deferred" if delivery.reason == Reason.PAUSED:
            since = show_instant(delivery.at_ms)
            return f"has not got it by {channel} yet: it is paused since {since} [{delivery.pause}]"
        case "deferred":
            return _deferred(delivery, channel)
        case "pending" | "sending":
            return f"has not got it by {channel} yet: it is {delivery.state} since {at}"
        case "failed":
            return f"did not get it by {channel}: it failed at {at} ({_plain(delivery.reason)})"
        case "expired":
            late = f"did not get it by {channel}: it had expired at {at}"
            own = delivery.reason == Reason.EXPIRED
            return late if own else f"{late} because {_because(delivery)}"
        case "cancelled":
            return f"did not get it by {channel}: it was cancelled at {at}"
        case _:
            return f"did not get it by {channel} because {_because(delivery)}"


def _deferred(delivery: Delivery, channel: str) -> str:
    """Without a timer its time has come, and it waits for its turn at the provider."""
    until_ms = delivery.waits_until_ms or delivery.decision.until_ms
    if delivery.reason == DeliveryReason.RINGING:
        again = "" if until_ms is None else f" (it is made again after {show_instant(until_ms)})"
        return f"has not taken the call by {channel} yet{again}"
    if until_ms is None:
        return f"will get it by {channel} as soon as it can go because {_because(delivery)}"
    return f"will get it by {channel} after {show_instant(until_ms)} because {_because(delivery)}"


def waiting_clause(waiting: Waiting) -> str:
    """Return what a run waits for, as a clause that follows the recipient's name."""
    if waiting.until_ms is None:
        until = f"for {format_duration(waiting.for_ms)} from when what was sent has settled"
    else:
        until = f"until {show_instant(waiting.until_ms)}"
    unless = f", unless it is {waiting.unless} before" if waiting.unless else ""
    return f"waits for the step {waiting.next} {until}{unless}"


def _arrived(delivery: Delivery, channel: str, at: str) -> str:
    verb = "got" if delivery.state == "delivered" or channel == "inbox" else "was sent"
    place = f" {EDITED}" if any(_is_edit(record) for record in delivery.trail) else ""
    clause = f"{verb} it by {channel} at {at}{_carried(delivery)}{place}"
    state = delivery.engagement
    if state is None:
        return clause
    steps = (
        ("received", state.received_ms),
        ("saw", state.seen_ms),
        ("read", state.read_ms),
        ("acknowledged", state.acknowledged_ms),
        ("archived", state.archived_ms),
    )
    done = [f"{verb} it at {show_instant(ms)}" for verb, ms in steps if ms is not None]
    return f"{clause} ({_list(done) if done else 'not seen yet'})"


def _is_edit(record: Attempt | Settled) -> bool:
    return isinstance(record, Settled) and EDITED in record.detail


_PASSED: Final = {
    "open": "failed and was left alone",
    "paused": "was paused",
    "not_taken": "had not taken it",
}


def _carried(delivery: Delivery) -> str:
    """Return who carried it and why, where there was a choice."""
    attempts = [each for each in delivery.trail if isinstance(each, Attempt)]
    if not attempts or not attempts[-1].considered:
        return ""
    last = attempts[-1]
    before: list[str] = []
    for name, why, percent in last.considered:
        if why == "chosen":
            return f", through {name} ({percent} % of {last.route}{''.join(before)})"
        before.append(f"; {name} {_PASSED.get(why, why)}")
    return ""


def _because(delivery: Delivery) -> str:
    if delivery.reason == Reason.NOT_NEEDED and delivery.decision.rule:
        return f"it was {delivery.decision.rule}"
    rule = delivery.decision.rule if delivery.reason == delivery.decision.reason else ""
    return why(delivery.reason, rule)


def _plain(code: str) -> str:
    return code.replace("_", " ")


def run_sentence(who: str, run: Run) -> str:
    """Return one run's part of the sentence."""
    what = f"{run.workflow} (version {run.version})"
    match run.outcome:
        case "alias":
            return f"{what} did not run again: another event with the same source and id owns it"
        case "not_in_audience":
            return f"{who} was not in the audience of {what}: {_audience_clause(run)}"
        case "waiting" | "paused" | "aborted":
            return f"{what} has not reached {who}: {run.detail}"
        case _:
            clauses = [delivery_clause(each) for each in run.deliveries]
            if run.waiting is not None:
                clauses.append(waiting_clause(run.waiting))
            meant = _audience_clause(run)
            return f"{who} {_list(clauses)}: {what}, {meant}{_away_clause(run)}"


def _away_clause(run: Run) -> str:
    if not run.facts_away:
        return ""
    away = _list(run.facts_away)
    return f", decided by the last known {away} because the store could not be read then"


def _audience_clause(run: Run) -> str:
    out = next((step for step in run.audience if step.excluded), None)
    if out is not None and run.outcome == "not_in_audience":
        return f"the call excluded them by {_named(out)}"
    inside = next((step for step in run.audience if step.member and not step.excluded), None)
    if inside is not None:
        return f"in the audience by {_named(inside)}"
    if not run.audience:
        return "neither the call nor the workflow names an audience"
    looked = [f"{_named(step)}{': ' + step.detail if step.detail else ''}" for step in run.audience]
    return f"the audience was {_list(looked)}"


def _named(step: AudienceStep) -> str:
    return f"{step.by} {step.rule}".strip()


def _list(parts: Sequence[str]) -> str:
    if not parts:
        return "has no deliveries"
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(who: str, runs: Sequence[Run]) -> str:
    """Return the whole explanation as one sentence."""
    text = "; ".join(run_sentence(who, run) for run in runs)
    differing = any(
        run.audience_differs or any(each.recomputed_differs for each in run.deliveries)
        for run in runs
    )
    if differing:
        text += (
            "; what is stored now gives another answer than the one recorded, which is what"
            " happened"
        )
    return text + "."


def summary_outcome(runs: Sequence[Run]) -> str:
    """Return one word for all of it: the first of the deliveries' states that says most."""
    states = {each.state for run in runs for each in run.deliveries}
    for state in (
        "delivered",
        "sent",
        "sending",
        "pending",
        "deferred",
        "failed",
        "expired",
        "cancelled",
        "suppressed",
    ):
        if state in states:
            return state
    outcomes = [run.outcome for run in runs]
    for outcome in ("waiting", "paused", "aborted", "alias"):
        if outcome in outcomes:
            return outcome
    return "not_in_audience"
