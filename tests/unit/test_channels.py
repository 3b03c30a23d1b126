"""Channels are found in their folders; the inbox is one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import toy
from tests.support.toy.settings import PagerSettings
from tocsin.channels.inbox import CHANNEL
from tocsin.channels.registry import Registry, folders
from tocsin.config import Misconfigured, decode_table, load
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.items import BODY_CHARACTERS_MAX, LINK_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from tocsin.errors import RequestRefused
from tocsin.wiring.channels import check_providers, provider_rows, without_providers

REGISTRY = Registry([*folders(), toy])
FILE = """
[providers.pager]
url = "http://pager.test"
key = "canary-in-the-file"
call_timeout = "5s"
"""


@pytest.mark.parametrize("name", list(REGISTRY.channels))
def test_a_channels_fields_are_the_products(name: str) -> None:
    assert REGISTRY.channels[name].content_fields() <= CHANNEL_FIELDS[name]


def test_only_a_channel_that_needs_no_provider_is_configured_without_one() -> None:
    facts = without_providers().facts()
    assert facts["inbox"].configured
    assert not facts["inbox"].interrupts
    assert {name for name, each in facts.items() if each.configured} == {
        name for name, channel in REGISTRY.channels.items() if not channel.needs_provider
    }


def test_the_inbox_cuts_to_what_can_be_shown() -> None:
    link = "https://shop.test/" + "x" * LINK_CHARACTERS_MAX
    shaped = CHANNEL.shape({"title": "t" * 900, "body": "b" * 9_000, "url": link, "image": "i"})
    assert (len(shaped.title), shaped.title[-1]) == (TITLE_CHARACTERS_MAX, "…")
    assert (len(shaped.body), shaped.body[-1]) == (BODY_CHARACTERS_MAX, "…")
    assert shaped.fields == {"image": "i"}
    fits = CHANNEL.shape({"title": "t" * TITLE_CHARACTERS_MAX, "body": ""})
    assert fits.title == "t" * TITLE_CHARACTERS_MAX


def test_the_inbox_has_no_addresses() -> None:
    with pytest.raises(RequestRefused):
        CHANNEL.check_address("ana")


def test_a_table_comes_from_file_and_environment_and_hides_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text(FILE)
    env = {"TOCSIN_PROVIDERS__PAGER__CALLBACK_SECRET": "canary-of-the-environment"}
    config = load(path, env).config
    assert "canary" not in repr(config)
    settings = decode_table(config.providers["pager"], "providers", PagerSettings)
    assert (settings.url, settings.call_timeout_ms) == ("http://pager.test", 5_000)
    assert settings.key.reveal() == "canary-in-the-file"
    assert settings.callback_secret.reveal() == "canary-of-the-environment"
    assert "canary" not in repr(settings)
    check_providers(config, REGISTRY)


def test_everything_that_is_wrong_with_tables_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    tables = '[providers.pagr]\n[providers.pager]\nurll = "canary"\nkey = 3\n'
    path.write_text(f'mode = "real"\n{tables}')
    with pytest.raises(Misconfigured) as refused:
        check_providers(load(path, {}).config, REGISTRY)
    text = "\n".join(refused.value.problems)
    assert "providers.pagr is not a provider; did you mean pager?" in text
    assert "did you mean url?" in text
    assert "providers.pager.callback_secret is not set" in text
    assert "TOCSIN_PROVIDERS__PAGER__CALLBACK_SECRET" in text
    assert "canary" not in text


def test_a_sandbox_needs_no_credentials_and_still_no_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text("[providers.twilio]\nsegments_max = 3\n")
    config = load(path, {}).config
    check_providers(config)
    shown = {name: value for name, value, _ in provider_rows(config)}
    assert shown["providers.twilio.segments_max"] == "3"
    assert shown["providers.twilio.account_sid"] is None
    path.write_text('mode = "real"\n[providers.twilio]\nsegments_max = 3\n')
    with pytest.raises(Misconfigured, match="account_sid is not set"):
        check_providers(load(path, {}).config)
    path.write_text("[providers.twilio]\nsegments_max = 0\n")
    with pytest.raises(Misconfigured, match="segments_max"):
        check_providers(load(path, {}).config)


def test_a_provider_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text('[providers]\npager = "http://pager.test"\n')
    with pytest.raises(Misconfigured, match=r"must be a table: \[providers.<name>\]"):
        load(path, {})
