"""Decide: recipient x workflow x facts x now -> one verdict per step and address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.domain.case import Case, Target, target, targets
from tocsin.domain.decision import Decision, GateResult
from tocsin.domain.gates import GATES
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.workflow import CompiledStep

_JUDGES: Final = tuple(gate.judge for gate in GATES)
_SEND: Final = (Verdict.SEND, Reason.SEND)


def decide(case: Case) -> tuple[Decision, ...]:
    """
    Decide the steps before the first interval; each has a decision per address, or one with address 0.
    """
    return decide_steps(case, case.workflow.opening)


def decide_steps(case: Case, steps: Sequence[CompiledStep]) -> tuple[Decision, ...]:
    """Decide some of the workflow's steps, in order, like `decide`."""
    decisions: list[Decision] = []
    for step in steps:
        decisions += map(decide_target, targets(case, step))
    return tuple(decisions)


def leave_steps(
    case: Case, steps: Sequence[CompiledStep], verdict: Verdict, reason: Reason, rule: str
) -> tuple[Decision, ...]:
    """Return one decision for each delivery that these steps would have had, looking at no gate."""
    return tuple(
        Decision(step.index, step.channel, each.number, verdict, reason, rule)
        for step in steps
        for each in targets(case, step)
    )


def decide_one_step(case: Case, step: int) -> tuple[Decision, ...]:
    """Decide one step of the workflow, for all of its addresses."""
    return tuple([decide_target(each) for each in targets(case, case.workflow.steps[step])])


def decide_step(case: Case, step: int, address: int) -> Decision:
    """Decide one delivery anew in full, as after a hold; *address* 0: the step has none."""
    return decide_target(target(case, case.workflow.steps[step], address))


def decide_target(delivery: Target) -> Decision:
    """Decide one delivery in full, by all gates in their order."""
    step = delivery.step
    for judge in _JUDGES:
        no = judge(delivery)
        if no is not None:
            return Decision(
                step.index,
                step.channel,
                delivery.number,
                no.verdict,
                no.reason,
                no.rule,
                no.until_ms,
            )
    return Decision(step.index, step.channel, delivery.number, *_SEND)


def trace(case: Case, step: int, address: int) -> list[GateResult]:
    """
    Return what each gate looked at, up to the first that says no, by the gates of `decide`.

    The last result has the reason of the decision; it is ``send`` when all gates let it pass.
    """
    delivery = target(case, case.workflow.steps[step], address)
    results = []
    for gate in GATES:
        no = gate.judge(delivery)
        inputs = gate.inputs(delivery)
        if no is not None:
            results.append(GateResult(gate.name, False, inputs, no.rule, no.reason, no.until_ms))
            return results
        results.append(GateResult(gate.name, True, inputs))
    results.append(GateResult("send", True, {}, reason=Reason.SEND))
    return results
