"""Which plans a reader expands, and what it says of those that are out of order."""

from __future__ import annotations

import pytest

from tocsin.app.project import take
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Plan
from tocsin.ports.log import Batch


def plan(position: int, previous: int) -> Plan:
    return Plan(1, position, previous, b"k" * 16, b"k" * 16, 0, Outcome.NO_WORKFLOW)


@pytest.mark.parametrize(
    ("plans", "mark", "repeats", "gaps"),
    [
        pytest.param([(0, -1), (1, 0), (2, 1)], 2, set(), 0, id="in order"),
        pytest.param([(0, -1), (1, 0), (0, -1), (1, 0), (2, 1)], 2, {12, 13}, 0, id="a repeat"),
        pytest.param([(0, -1), (5, 4), (6, 5)], 6, set(), 1, id="beyond a gap"),
        pytest.param([(0, -1), (4, 0), (5, 4)], 5, set(), 0, id="a hole that the input log has"),
    ],
)
def test_a_plan_counts_once(
    plans: list[tuple[int, int]], mark: int, repeats: set[int], gaps: int
) -> None:
    batch = Batch("plans.bulk", 0, 10, [plan(*each) for each in plans])
    assert take(-1, batch) == (mark, repeats, gaps)
