"""Hundreds of runs of the engine on virtual time, and the bugs that they must find."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.simulation.invariants import INVARIANTS
from tests.simulation.plants import PLANTS
from tests.simulation.power import CarelessMachine, PowerMachine
from tests.simulation.run import Templates, memory_folder, simulate

SHARDS = 16
SEEDS = int(os.environ.get("TOCSIN_SIMULATION_SEEDS", "448"))
"""Of each kind: as many as four minutes on two cores allow. More find more."""
SEEDS_PER_SHARD = SEEDS // SHARDS
PLANTED_SEEDS = 60
POWER_SEEDS_PER_SHARD = SEEDS // SHARDS
CARELESS_SEEDS = 30
LIMIT_S = 900
"""A shard takes twelve seconds of a processor, and twenty times as long beside twenty others."""


@pytest.fixture(scope="module")
def templates() -> Iterator[Templates]:
    folder = memory_folder()
    yield Templates(folder)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_run_violates_an_invariant(templates: Templates, shard: int) -> None:
    for seed in range(shard * SEEDS_PER_SHARD, (shard + 1) * SEEDS_PER_SHARD):
        outcome = simulate(seed, templates)
        replay = f"to see it alone: python -m tests.simulation {seed}"
        assert not outcome.violations, "\n".join((replay, *outcome.violations))


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_the_same_seed_makes_the_same_run(templates: Templates) -> None:
    for seed in range(50):
        assert simulate(seed, templates).trace == simulate(seed, templates).trace, f"seed {seed}"


def test_every_invariant_has_a_bug_that_it_must_find() -> None:
    assert {name for plant in PLANTS.values() for name in plant.violates} == INVARIANTS.keys()


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_planted_bug_is_found(templates: Templates, name: str) -> None:
    plant = PLANTS[name]
    found: set[str] = set()
    for seed in range(PLANTED_SEEDS):
        outcome = simulate(seed, templates, plant)
        found |= {violation.partition(":")[0] for violation in outcome.violations}
        if plant.violates & found:
            return
    pytest.fail(f"{PLANTED_SEEDS} seeds found only {found}, not {sorted(plant.violates)}")


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_power_cut_takes_nothing_that_was_acknowledged(templates: Templates, shard: int) -> None:
    first = shard * POWER_SEEDS_PER_SHARD
    for seed in range(first, first + POWER_SEEDS_PER_SHARD):
        outcome = simulate(seed, templates, machine=PowerMachine)
        assert not outcome.violations, "\n".join((f"seed {seed}", *outcome.violations))


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_control_a_disk_that_is_not_waited_for_loses(templates: Templates) -> None:
    lost = [
        any(
            violation.startswith("I1 settles once")
            for violation in simulate(seed, templates, machine=CarelessMachine).violations
        )
        for seed in range(CARELESS_SEEDS)
    ]
    assert sum(lost) > CARELESS_SEEDS // 10
