"""Routes as the configuration says them: what is understood, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import toy
from tests.support.toy import spare
from tocsin.channels.registry import Registry, folders
from tocsin.config import Misconfigured, load, show_route
from tocsin.domain.provider_routes import ProviderRoute
from tocsin.wiring.provider_routes import read_routes

REGISTRY = Registry([*folders(), toy, spare])


def read(folder: Path, text: str, mode: str = "sandbox") -> dict[str, list[ProviderRoute]]:
    path = folder / "tocsin.toml"
    path.write_text(f'mode = "{mode}"\n{text}')
    config = load(path, {}).config
    return {name: list(routes) for name, routes in read_routes(config, REGISTRY).items()}


def refused(folder: Path, text: str, mode: str = "sandbox") -> str:
    with pytest.raises(Misconfigured) as caught:
        read(folder, text, mode)
    return str(caught.value)


def test_routes_are_read_in_their_order(tmp_path: Path) -> None:
    text = """
        [[channels.email.routes]]
        domains = ["Example.org", "*.example.org"]
        tenants = ["acme"]
        providers = ["smtp"]

        [[channels.chat.routes]]
        weights = { pager = 3, beeper = 0 }
    """
    found = read(tmp_path, text)
    assert found == {
        "email": [
            ProviderRoute(
                name="email.routes[0]",
                providers=("smtp",),
                domains=("example.org", "*.example.org"),
                tenants=("acme",),
            )
        ],
        "chat": [
            ProviderRoute(name="chat.routes[0]", providers=("pager", "beeper"), weights=(3, 0))
        ],
    }
    assert show_route(found["email"][0]) == (
        '{ domains = ["example.org","*.example.org"], tenants = ["acme"], providers = ["smtp"] }'
    )
    assert show_route(found["chat"][0]) == "{ weights = { pager = 3, beeper = 0 } }"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[channels.emial]", "channels.emial is not a channel; did you mean email?"),
        ("[channels.inbox]", "channels.inbox is not a channel; there are:"),
        ("[channels]\nemail = 3", "channels.email (file"),
        ("[channels.email]\nroute = []", "channels.email.route (file"),
        ("[channels.email]\nroutes = 3", "must be a list of tables, 1000 at most"),
        ("[channels.email]\nroutes = [3]", "channels.email.routes[0] must be a table"),
        (
            '[[channels.email.routes]]\ndomain = ["a.org"]\nproviders = ["smtp"]',
            "channels.email.routes[0].domain is not a setting; did you mean domains?",
        ),
        (
            '[[channels.email.routes]]\nprefixes = ["+49"]\nproviders = ["smtp"]',
            "prefixes says nothing on the channel email; it is for sms and voice",
        ),
        (
            '[[channels.email.routes]]\ndomains = "a.org"\nproviders = ["smtp"]',
            "channels.email.routes[0].domains must be a list of domains of addresses",
        ),
        (
            '[[channels.chat.routes]]\nproviders = ["pagr"]',
            "channels.chat.routes[0]: pagr is not a provider; did you mean pager?",
        ),
        (
            '[[channels.chat.routes]]\nproviders = ["smtp"]',
            "channels.chat.routes[0]: smtp is a provider of email, not of chat",
        ),
        (
            '[[channels.chat.routes]]\nproviders = ["pager", "pager"]',
            "channels.chat.routes[0].providers must be a list of names, each once",
        ),
        (
            '[[channels.chat.routes]]\nproviders = ["pager"]\nweights = { pager = 1 }',
            "channels.chat.routes[0] needs providers, in order, or weights, and not both",
        ),
        ("[[channels.chat.routes]]\n", "needs providers, in order, or weights, and not both"),
        (
            "[[channels.chat.routes]]\nweights = { pager = 0 }",
            "a table of names with whole numbers from 0 to 1000000, one of them above 0",
        ),
        (
            "[[channels.chat.routes]]\nweights = { pager = true }",
            "a table of names with whole numbers",
        ),
        (
            (
                '[[channels.chat.routes]]\nproviders = ["pager"]\n'
                '[[channels.chat.routes]]\ntenants = ["a"]\nproviders = ["pager"]'
            ),
            "channels.chat.routes[1] is never reached: chat.routes[0] takes everything",
        ),
    ],
)
def test_what_is_wrong_is_said_precisely(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_number_begins_with_a_plus(tmp_path: Path) -> None:
    text = '[[channels.sms.routes]]\nprefixes = ["49"]\nproviders = ["twilio"]'
    assert 'prefixes must begin with + and go on with digits, such as "+49"' in refused(
        tmp_path, text
    )


def test_a_real_server_needs_the_table_of_each_provider(tmp_path: Path) -> None:
    text = '[[channels.chat.routes]]\nproviders = ["pager"]'
    assert refused(tmp_path, text, "real") == (
        "channels.chat.routes[0]: pager is not configured; add [providers.pager]"
    )


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = '[channels.nowhere]\n[[channels.chat.routes]]\nproviders = ["pagr"]'
    assert len(refused(tmp_path, text).splitlines()) == 2
