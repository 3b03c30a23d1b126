"""Requests are signed as the vendor's own client signs them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tocsin.channels.aws_signing import AwsKeys, AwsSigner
from tocsin.config import Secret

NOW_MS = 1_772_200_000_000
URL = "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
TYPE = "application/json"


def theirs(method: str, url: str, body: bytes, token: str | None, at: datetime) -> str:
    """Return the header ``authorization`` of botocore's signature, made at that time."""
    request: Any = AWSRequest(method, url, headers={"content-type": TYPE}, data=body)
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    auth: Any = SigV4Auth(Credentials("AKIA0", "secret", token), "ses", "eu-west-1")
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("token", [None, "lent-for-a-while"])
@pytest.mark.parametrize("query", ["", "?b=2&a=1%2F1&c"])
def test_it_is_the_signature_of_the_vendors_client(token: str | None, query: str) -> None:
    keys = AwsKeys("AKIA0", Secret("secret"), None if token is None else Secret(token))
    signer = AwsSigner(keys, "eu-west-1", "ses")
    for n in (0, 1):
        now_ms = NOW_MS + n * 86_400_000
        at = datetime.fromtimestamp(now_ms / 1_000, UTC)
        lines = signer.headers("POST", URL + query, b'{"a": 1}', TYPE, now_ms)
        wanted = theirs("POST", URL + query, b'{"a": 1}', token, at)
        assert f"authorization: {wanted}" in lines


def test_keys_are_not_shown() -> None:
    keys = AwsKeys("AKIA0", Secret("canary"))
    assert "canary" not in repr(keys) + repr(AwsSigner(keys, "eu-west-1", "ses"))
