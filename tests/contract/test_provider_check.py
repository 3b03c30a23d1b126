"""What a provider that can look whether it works says, and what it must not do for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast, get_type_hints

import pytest

from tests.contract.providers import CANARY, Vendor, of_those, played
from tocsin.channels.registry import loaded
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.self_check import Finding, SelfCheck, Weight
from tocsin.ports.simulator import Faults


def looks_by_itself(spec: ProviderSpec) -> bool:
    return issubclass(get_type_hints(loaded(spec.build))["return"], SelfCheck)


@pytest.fixture(params=of_those(looks_by_itself))
async def checking(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    async with played(cast(str, request.param)) as one:
        yield one


async def look(vendor: Vendor) -> list[Finding]:
    assert isinstance(vendor.provider, SelfCheck)
    return list(await vendor.provider.check())


async def test_all_is_well_at_a_vendor_that_is_and_nothing_is_sent(checking: Vendor) -> None:
    found = await look(checking)
    assert found
    assert {each.weight for each in found} == {Weight.FINE}
    assert not checking.simulator.calls


async def test_a_vendor_that_is_away_is_a_problem_with_advice(checking: Vendor) -> None:
    await checking.simulator.set_faults(Faults(down=True))
    problems = [each for each in await look(checking) if each.weight is Weight.PROBLEM]
    assert problems
    assert all(each.do for each in problems)
    assert CANARY not in repr(problems)
