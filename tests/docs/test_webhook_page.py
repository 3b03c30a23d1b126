"""The code that the page on webhooks gives its readers, run on what is really sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import pytest

from tests.docs.pages import ROOT
from tocsin.adapters.system import SystemClock
from tocsin.channels.webhook.http.settings import WebhookSettings
from tocsin.domain.webhook_signing import new_secret, signatures

Genuine = Callable[[str, dict[str, str], bytes], bool]
PAGE = (ROOT / "docs/howto/webhooks.md").read_text("utf-8")
SECRET = new_secret(b"0" * 32)
BODY = b'{"type": "notification"}'


@pytest.fixture
def genuine() -> Genuine:
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)
    names: dict[str, object] = {}
    exec(code, names)  # what the page tells its readers to run
    return cast(Genuine, names["genuine"])


def sent(secret: str, age_s: int = 0) -> dict[str, str]:
    stamp = SystemClock().now_ms() // 1_000 - age_s
    return {
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": signatures(secret, "dlv_1", stamp, BODY),
    }


def test_it_takes_what_is_genuine_and_nothing_else(genuine: Genuine) -> None:
    other = new_secret(b"1" * 32)
    assert genuine(SECRET, sent(SECRET), BODY)
    assert genuine(SECRET, sent(f"{other} {SECRET}"), BODY)
    assert not genuine(SECRET, sent(other), BODY)
    assert not genuine(SECRET, sent(SECRET), BODY + b" ")
    assert not genuine(SECRET, sent(SECRET, age_s=400), BODY)


def test_every_setting_of_its_own_is_on_the_page() -> None:
    for field in WebhookSettings.__annotations__:
        assert f"`{field}`" in PAGE
