"""What providers see of themselves without sending anything: beside what the contract asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.channels.vendor_bench import Bench, bench
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.aws_played import KEY_ID, REGION, SECRET
from tocsin.ports.self_check import Finding, SelfCheck, Weight
from tocsin.ports.simulator import Faults

FINE, ADVICE, PROBLEM = Weight.FINE, Weight.ADVICE, Weight.PROBLEM


async def look(vendor: Bench) -> Sequence[Finding]:
    assert isinstance(vendor.provider, SelfCheck)
    found = await vendor.provider.check()
    assert not vendor.simulator.calls
    return found


async def weights(vendor: Bench) -> list[Weight]:
    return [each.weight for each in await look(vendor)]


@pytest.mark.parametrize("api", ["sns", "sms-voice"])
async def test_amazon_says_whether_only_verified_numbers_are_reached(api: str) -> None:
    async with bench("sns", api=api) as vendor:
        assert await weights(vendor) == [FINE]
        vendor.simulator.sandboxed = True
        (found,) = await look(vendor)
        assert found.weight is PROBLEM
        assert "sandbox" in found.says
    async with bench("sns", api=api, secret_access_key="another") as vendor:
        (found,) = await look(vendor)
        assert found.weight is PROBLEM
        assert "SignatureDoesNotMatch" in found.says


@pytest.mark.parametrize("api", ["sns", "sms-voice"])
async def test_keys_that_may_only_send_are_no_problem(api: str) -> None:
    async with bench("sns", api=api) as vendor:
        vendor.simulator.may_ask = False
        (found,) = await look(vendor)
        assert found.weight is ADVICE
        assert "providers test" in found.do


async def test_amazons_own_client_reads_what_the_simulator_says_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(name: str) -> Any:
        return boto3.client(name, REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET)

    async with bench("sns") as vendor:
        vendor.simulator.sandboxed = True
        port = vendor.simulator.port
        hosts = {f"{api}.{REGION}.amazonaws.com": port for api in ("sns", "sms-voice")}
        async with vendor_proxy(tmp_path, hosts) as proxy:
            proxy.lead(monkeypatch)
            said = await asyncio.to_thread(client("sns").get_sms_sandbox_account_status)
            assert said["IsInSandbox"] is True
            voice = client("pinpoint-sms-voice-v2")
            said = await asyncio.to_thread(voice.describe_account_attributes)
            assert said["AccountAttributes"] == [{"Name": "ACCOUNT_TIER", "Value": "SANDBOX"}]


async def test_meta_says_whether_it_knows_the_token_and_how_people_take_the_number() -> None:
    async with bench("whatsapp") as vendor:
        assert await weights(vendor) == [FINE]
        vendor.simulator.quality = "RED"
        assert await weights(vendor) == [FINE, ADVICE]
    async with bench("whatsapp", access_token="another") as vendor:
        (found,) = await look(vendor)
        assert found.weight is PROBLEM
        assert "190" in found.says
    async with bench("whatsapp", phone_number_id="999") as vendor:
        assert await weights(vendor) == [PROBLEM]


async def test_discord_has_no_account_but_answers_or_not() -> None:
    async with bench("discord") as vendor:
        assert await weights(vendor) == [FINE]
    async with bench("discord", public_key=None) as vendor:
        assert await weights(vendor) == [FINE, ADVICE]
        await vendor.simulator.set_faults(Faults(down=True))
        assert await weights(vendor) == [PROBLEM, ADVICE]


async def test_apple_says_of_each_app_whether_it_lets_us_in() -> None:
    async with bench("apns") as vendor:
        assert await weights(vendor) == [FINE, FINE]
    async with bench("apns", topics=["example.sandbox.app", "not.ours"]) as vendor:
        ours, other = await look(vendor)
        assert (ours.weight, other.weight) == (FINE, PROBLEM)
        assert "not.ours" in other.says
        assert "TopicDisallowed" in other.says
    async with bench("apns", key_id="ANOTHERKEY") as vendor:
        for each in await look(vendor):
            assert each.weight is PROBLEM
            assert "InvalidProviderToken" in each.says


@pytest.mark.parametrize("name", ["webhook", "teams", "webpush"])
async def test_what_only_an_address_shows_is_said_to_be_so(name: str) -> None:
    async with bench(name, relay_url=None) as vendor:
        # There is nobody whom it could ask.
        await vendor.simulator.set_faults(Faults(down=True))
        found = (await look(vendor))[-1]
        assert found.weight is ADVICE
        assert f"providers test {name}" in found.do
    async with bench(name) as vendor:
        assert set(await weights(vendor)) == {FINE}


async def test_unsigned_webhooks_are_worth_a_word() -> None:
    async with bench("webhook", secret=None) as vendor:
        assert await weights(vendor) == [FINE, ADVICE]
