"""Which providers a sandbox sends by where nobody has said it."""

from __future__ import annotations

import pytest

from tests.support import toy
from tests.support.toy import spare
from tocsin.channels import chat
from tocsin.channels.registry import Registry, folders
from tocsin.config import Misconfigured, RawTable
from tocsin.ports.provider import ProviderSettings, ProviderSpec
from tocsin.wiring.sandbox_providers import led, on_request


class _Folder:
    def __init__(self, name: str, channel: str, preference: int) -> None:
        self.SPEC = ProviderSpec(
            name=name,
            channel=channel,
            settings=ProviderSettings,
            build="none:none",
            simulator="none:none",
            preference=preference,
        )


REGISTRY = Registry(
    [
        chat,
        toy,
        spare,
        _Folder("zeta", "chat", -20),
        _Folder("alpha", "chat", -10),
        _Folder("yeti", "chat", 100),
    ]
)
LEADS = {name: {"url": f"http://127.0.0.1/{name}"} for name in REGISTRY.specs}


def test_one_provider_of_a_channel_carries_what_names_none_the_preferred() -> None:
    assert on_request((), REGISTRY, LEADS) == {"alpha", "beeper", "pager", "yeti"}


def test_of_equals_the_first_by_name() -> None:
    leads = {name: LEADS[name] for name in ("yeti", "beeper")}
    assert on_request((), REGISTRY, leads) == {"yeti"}


def test_who_is_configured_carries_it_and_the_preferred_one_does_not() -> None:
    assert on_request(("pager", "alpha"), REGISTRY, LEADS) == {"beeper", "yeti", "zeta"}


def test_all_are_led_to_where_they_are_played_those_configured_first() -> None:
    tables = {"pager": RawTable("pager", {}, {})}
    found = led(tables, REGISTRY, LEADS)
    assert list(found) == ["pager", *(name for name in LEADS if name != "pager")]


def test_who_is_not_played_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"providers\.zeta: it is not played in this sandbox"):
        led({"zeta": RawTable("zeta", {}, {})}, REGISTRY, {"pager": {}})


def test_email_goes_by_smtp_whoever_else_is_played() -> None:
    registry = Registry(folders())
    assert "smtp" not in on_request((), registry, {name: {} for name in registry.specs})
