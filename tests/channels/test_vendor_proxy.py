"""Vendors' clients that hard-code a host reach what plays it, and nothing else."""

from __future__ import annotations

import asyncio
import urllib.error
from pathlib import Path

import boto3
import pytest
import sendgrid
import slack_sdk
import twilio.rest
from httpx import AsyncClient

from tests.support.authority import Authority
from tests.support.receiver import answer, receiver
from tests.support.vendor_proxy import Behind, vendor_proxy

ACCOUNT = "AC" + "0" * 32


async def test_a_client_of_requests_is_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        receiver() as there,
        vendor_proxy(tmp_path, {"api.twilio.com": there.port}) as proxy,
    ):
        proxy.lead(monkeypatch)
        there.say([answer(201, "Content-Type: application/json", body=b'{"sid": "SM1"}')])
        messages = twilio.rest.Client(ACCOUNT, "token").messages
        sent = await asyncio.to_thread(messages.create, to="+1", from_="+2", body="hello")
        assert sent.sid == "SM1"
        assert proxy.asked == ["api.twilio.com:443"]
        assert there.seen[0].headers["host"] == "api.twilio.com"
        assert b"Body=hello" in there.seen[0].body


async def test_a_client_of_urllib_is_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        receiver() as there,
        vendor_proxy(tmp_path, {"api.sendgrid.com": there.port, "slack.com": there.port}) as proxy,
    ):
        proxy.lead(monkeypatch)
        there.say([answer(202), answer(200, "Content-Type: application/json", body=b'{"ok":true}')])
        grid = sendgrid.SendGridAPIClient("key")
        said = await asyncio.to_thread(grid.client.mail.send.post, request_body={"subject": "x"})
        assert said.status_code == 202
        slack = slack_sdk.WebClient("token")
        assert (await asyncio.to_thread(slack.chat_postMessage, channel="C1", text="x"))["ok"]
        assert proxy.asked == ["api.sendgrid.com:443", "slack.com:443"]


async def test_a_client_of_botocore_is_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = "sns.eu-west-1.amazonaws.com"
    body = b"<R><PublishResult><MessageId>m1</MessageId></PublishResult></R>"
    async with receiver() as there, vendor_proxy(tmp_path, {host: there.port}) as proxy:
        proxy.lead(monkeypatch)
        there.say([answer(200, "Content-Type: text/xml", body=body)])
        sns = boto3.client(
            "sns", "eu-west-1", aws_access_key_id="id", aws_secret_access_key="secret"
        )
        said = await asyncio.to_thread(sns.publish, PhoneNumber="+1", Message="x")
        assert said["MessageId"] == "m1"
        assert proxy.asked == [f"{host}:443"]


async def test_a_vendor_that_speaks_tls_itself_is_spoken_to_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Authority(tmp_path, "own").issue("127.0.0.1").server_context("http/1.1")
    async with (
        receiver(own) as there,
        vendor_proxy(tmp_path, {"push.example": Behind(there.port, tls=True)}) as proxy,
    ):
        proxy.lead(monkeypatch)
        async with AsyncClient() as client:
            said = await client.post("https://push.example/x", content=b"hello")
        assert said.status_code == 204
        assert there.seen[0].body == b"hello"


async def test_other_hosts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor_proxy(tmp_path, {}) as proxy:
        proxy.lead(monkeypatch)
        grid = sendgrid.SendGridAPIClient("key")
        with pytest.raises(urllib.error.URLError, match="403"):
            await asyncio.to_thread(grid.client.mail.send.post, request_body={})
        assert proxy.asked == ["api.sendgrid.com:443"]
