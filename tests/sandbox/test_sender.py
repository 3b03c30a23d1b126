"""A sandbox takes the sender that somebody has set; all that leads to a vendor is its own."""

from __future__ import annotations

from tocsin.channels.registry import Registry, folders
from tocsin.config import RawTable
from tocsin.wiring.sandbox_providers import led

REGISTRY = Registry(folders())
LEADS = {"smtp": {"host": "127.0.0.1", "port": 4_025, "from_address": "tocsin@sandbox.test"}}


def values(said: dict[str, object]) -> dict[str, object]:
    tables = {"smtp": RawTable("smtp", said, dict.fromkeys(said, "file"))}
    return {key: value for key, value, _ in led(tables, REGISTRY, LEADS)["smtp"].items()}


def test_the_sender_is_whose_it_was_set_to() -> None:
    found = values({"host": "mail.example.com", "from_address": "shop@example.com"})
    assert found == {"host": "127.0.0.1", "port": 4_025, "from_address": "shop@example.com"}


def test_without_one_the_played_vendor_has_its_own() -> None:
    assert values({})["from_address"] == "tocsin@sandbox.test"
