"""What is given on a command line is one step of a path, whatever it holds."""

from __future__ import annotations

from tocsin.cli.client import api_path


def test_a_name_stays_one_step() -> None:
    assert api_path("keys", "a b/c?d=é") == "/v1/keys/a%20b%2Fc%3Fd%3D%C3%A9"
    assert (
        api_path("workflows", "order.shipped", "publish") == "/v1/workflows/order.shipped/publish"
    )
