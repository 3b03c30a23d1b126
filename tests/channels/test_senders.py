"""Who carries a text, and how fast: by the country, and by the kind of sender."""

from __future__ import annotations

import pytest

from tests.contract.providers import REGISTRY
from tocsin.channels.registry import loaded
from tocsin.config import Outbound, RawTable
from tocsin.ports.message import Message
from tocsin.ports.provider import BySender, InParts, Provider, ProviderTools, Sender
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

LONG, FREE, CODE, NAME, ABROAD = "+12065550100", "+18445550100", "12345", "TOCSIN", "+447700900000"
SENDERS = {"+1": LONG, "+12": FREE, "+49": NAME, "+44": ABROAD, "+33": CODE}


async def made(name: str, **values: object) -> Provider:
    spec = REGISTRY.spec(name)
    simulator = loaded(spec.simulator)()
    table = RawTable(name, {}, {}).with_values({**await simulator.start(), **values}, "test")
    await simulator.close()
    transport = open_clients(Outbound()).ordinary
    provider = build_provider(spec, table, ProviderTools(name, transport, lambda: 0)).provider
    await transport.close()
    return provider


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("twilio", {"+1415": (LONG, 1.0), "+1206": (FREE, 3.0), "+44": (ABROAD, 10.0)}),
        ("twilio", {"+49": (NAME, 10.0), "+33": (CODE, 100.0)}),
        ("vonage", {"+1415": (LONG, 1.0), "+1206": (FREE, 3.0), "+44": None, "+49": None}),
        ("sns", {"+1415": (LONG, 1.0), "+44": None, "+33": None}),
        ("twilio_voice", {"+1415": None}),
    ],
)
async def test_a_sender_has_the_rate_of_its_kind(
    name: str, rates: dict[str, tuple[str, float] | None]
) -> None:
    provider = await made(name, sender=None, senders=SENDERS, sender_rates={})
    assert isinstance(provider, BySender)
    for prefix, wanted in rates.items():
        found = provider.sender_of(f"{prefix}5550001")
        assert (None if found is None else (found.name, found.rate_per_second)) == wanted


@pytest.mark.parametrize("name", ["twilio", "vonage", "sns"])
async def test_carriers_count_the_parts_of_a_text(name: str) -> None:
    provider = await made(name)
    assert isinstance(provider, InParts)
    for body, parts in (("x" * 160, 1), ("x" * 161, 2), ("ж" * 71, 2)):
        content = REGISTRY.channels["sms"].shape({"body": body})
        assert provider.parts_of(Message("dlv_1", "+1", content)) == parts


@pytest.mark.parametrize("name", ["twilio", "vonage", "sns", "twilio_voice"])
async def test_a_rate_that_is_set_is_stronger(name: str) -> None:
    provider = await made(name, sender=None, senders=SENDERS, sender_rates={LONG: 40.0})
    assert isinstance(provider, BySender)
    assert provider.sender_of("+14155550001") == Sender(LONG, 40.0, 40)
    assert provider.sender_of("+8123456789") is None
