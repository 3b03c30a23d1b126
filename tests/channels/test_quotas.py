"""Vendors that let only so much through to each chat, webhook or device."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.channels.vendor_bench import NOW_MS, bench
from tocsin.channels.quotas import Quota, Quotas
from tocsin.ports.outcomes import Accepted, ProviderReason, TryLater


def test_what_was_used_comes_back_evenly() -> None:
    quotas = Quotas(Quota(5, 2_000))
    assert [quotas.take("a", 0) for _ in range(6)] == [0] * 5 + [400]
    assert quotas.take("b", 0) == 0
    assert quotas.take("a", 399) == 1
    assert quotas.take("a", 400) == 0
    assert quotas.take("a", 400) == 400
    assert (quotas.left("a", 10_000), quotas.full_in_ms("a", 1_400)) == (5, 1_000)


@pytest.mark.parametrize(
    ("name", "burst", "after_ms"),
    [("telegram", 3, 1_000), ("slack", 3, 1_000), ("discord", 5, 401), ("fcm", 240, 1_000)],
)
async def test_one_place_is_told_to_wait_and_others_are_not(
    name: str, burst: int, after_ms: int
) -> None:
    async with bench(name) as vendor:
        for _ in range(burst):
            (outcome,) = await vendor.provider.send([vendor.message(1)])
            assert isinstance(outcome, Accepted)
        (outcome,) = await vendor.provider.send([vendor.message(1)])
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.after_ms) == (ProviderReason.THROTTLED, after_ms)
        assert outcome.address_only
        (outcome,) = await vendor.provider.send([vendor.message(2)])
        assert isinstance(outcome, Accepted)
        assert len(vendor.simulator.taken) == burst + 1


async def test_telegram_lets_twenty_a_minute_into_a_group_and_thirty_a_second_in_all() -> None:
    now_ms = NOW_MS
    async with bench("telegram", now_ms=lambda: now_ms) as vendor:

        async def sent(chat: str) -> TryLater | None:
            message = replace(vendor.message(1), address=chat)
            (outcome,) = await vendor.provider.send([message])
            assert isinstance(outcome, Accepted | TryLater)
            return outcome if isinstance(outcome, TryLater) else None

        for _ in range(20):
            assert await sent("-1001") is None
            assert await sent("1001") is None
            now_ms += 1_000
        # One comes back every three seconds.
        for _ in range(9):
            assert await sent("-1001") is None
            now_ms += 1_000
        full = await sent("-1001")
        assert full is not None
        assert (full.reason, full.after_ms) == (ProviderReason.THROTTLED, 1_000)
        assert await sent("1001") is None
        now_ms += 60_000
        for n in range(30):
            assert await sent(str(2_000 + n)) is None
        busy = await sent("2999")
        assert busy is not None
        assert busy.after_ms == 1_000


async def test_the_quota_of_a_firebase_project_is_for_all_devices() -> None:
    async with bench("fcm") as vendor:
        vendor.simulator.project = Quotas(Quota(2, 60_000))
        # What is refused counts, too.
        vendor.simulator.project.take("sandbox-project", NOW_MS)
        assert isinstance((await vendor.provider.send([vendor.message(1)]))[0], Accepted)
        assert await vendor.provider.send([vendor.message(2)]) == [
            TryLater(ProviderReason.THROTTLED, after_ms=30_000, detail="QUOTA_EXCEEDED")
        ]


async def test_a_device_has_an_hour_beside_its_minute() -> None:
    now_ms = NOW_MS
    async with bench("fcm", now_ms=lambda: now_ms) as vendor:
        vendor.simulator.hourly = Quotas(Quota(2, 3_600_000))
        for _ in range(2):
            assert isinstance((await vendor.provider.send([vendor.message(1)]))[0], Accepted)
        now_ms += 60_000
        (full,) = await vendor.provider.send([vendor.message(1)])
        assert full == TryLater(
            ProviderReason.THROTTLED,
            after_ms=1_740_000,
            detail="DEVICE_QUOTA_EXCEEDED",
            address_only=True,
        )
        assert isinstance((await vendor.provider.send([vendor.message(2)]))[0], Accepted)
        now_ms += 1_740_000
        assert isinstance((await vendor.provider.send([vendor.message(1)]))[0], Accepted)
