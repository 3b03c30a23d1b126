"""Every provider of a sandbox, as operators see it: listed, well, tried for real."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.sandbox.site import REGISTRY, SandboxSite, sandbox
from tocsin.channels.registry import folders

INSTALLED = [spec for folder in folders() if (spec := getattr(folder, "SPEC", None)) is not None]


async def test_each_is_listed_and_well_and_shows_no_secret(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        listed = await site.client.get("/v1/providers")
        assert "canary" not in listed.text
        names = [each["name"] for each in listed.json()["items"]]
        assert sorted(names) == sorted(REGISTRY.specs)
        for name in names:
            looked = await site.call("GET", f"/v1/providers/{name}/doctor")
            assert looked["ok"], looked
            assert "canary" not in str(looked)


async def test_each_says_what_a_real_server_would_lack(tmp_path: Path) -> None:
    half = {"url": "http://pager.example", "key": "half"}
    async with sandbox(tmp_path / "data", pager=half) as site:
        listed = (await site.call("GET", "/v1/providers"))["items"]
        played = {each["name"]: each["played"] for each in listed}
        assert not played["twilio"]["configured"]
        assert "providers.twilio.auth_token is not set" in str(played["twilio"]["lacks"])
        assert played["pager"]["configured"]
        assert "providers.pager.callback_secret is not set" in str(played["pager"]["lacks"])
        looked = await site.call("GET", "/v1/providers/twilio/doctor")
        (do,) = [each["do"] for each in looked["findings"] if "nobody has" in each["says"]]
        assert "[providers.twilio]" in do
        said = str((await site.call("GET", "/v1/providers/pager/doctor"))["findings"])
        assert "for real: providers.pager.callback_secret is not set" in said


async def test_each_takes_a_real_test(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        said = {spec.name: await _tested(site, spec.name) for spec in INSTALLED}
        assert {name: each for name, each in said.items() if each != "accepted"} == {}


async def _tested(site: SandboxSite, name: str) -> str:
    simulator = site.played(name)
    body = {"address": simulator.address(1)}
    async with asyncio.timeout(30):
        said = await site.call("POST", f"/v1/providers/{name}/test", body)
    (message,) = simulator.messages()
    assert message.reference == said["reference"]
    assert "has not left this machine" in said["says"]
    return str(said["outcome"])
