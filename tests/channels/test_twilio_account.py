"""What Twilio says of an account, as its own client reads it and as the doctor tells it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from twilio.rest import Client

from tests.contract.providers import played
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.simulating_http import HttpSimulating, Instead
from tocsin.channels.twilio_played import ACCOUNT_SID, AUTH_TOKEN
from tocsin.ports.self_check import SelfCheck


async def test_twilios_client_asks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        played("twilio") as vendor,
        vendor_proxy(tmp_path, {"api.twilio.com": vendor.simulator.port}) as proxy,
    ):
        proxy.lead(monkeypatch)
        account = Client(ACCOUNT_SID, AUTH_TOKEN).api.accounts(ACCOUNT_SID)
        said = await asyncio.to_thread(account.fetch)
        assert (said.sid, said.status) == (ACCOUNT_SID, "active")


@pytest.mark.parametrize("name", ["twilio", "twilio_voice"])
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b'{"status": "suspended"}', "the account is suspended"),
        (200, b'{"status": "active", "type": "Trial"}', "on trial"),
        (200, b"<html>", "cannot be read"),
        (401, b'{"code": 20003}', "credentials, configuration or billing"),
    ],
)
async def test_what_stands_in_the_way_is_said(
    name: str, status: int, body: bytes, words: str
) -> None:
    async with played(name) as vendor:
        assert isinstance(vendor.simulator, HttpSimulating)
        vendor.simulator.answer_instead(Instead(status, body))
        assert isinstance(vendor.provider, SelfCheck)
        (finding,) = await vendor.provider.check()
        assert finding.weight == "problem"
        assert words in finding.says
        assert finding.do
