"""``tocsin sms count``: what a text costs, before it is sent."""

from __future__ import annotations

import json

import pytest

from tocsin.cli import exits, main


def test_a_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sms", "count", "Order 42 has left."]) == exits.DONE
    assert capsys.readouterr().out == "1 part, GSM-7: 18 of 160 units.\n"


def test_what_forces_the_other_encoding_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sms", "count", "It\u2019s " + "a" * 100]) == exits.DONE
    assert capsys.readouterr().out == (
        "2 parts, UCS-2: 105 of 134 units.\n\u2019 needs UCS-2; without, it would be 1 in GSM-7.\n"
    )


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sms", "count", "--json", "€" * 81]) == exits.DONE
    assert json.loads(capsys.readouterr().out) == {
        "encoding": "GSM-7",
        "units": 162,
        "parts": 2,
        "room": 306,
        "forcing": "",
    }
