"""Workflows as documents, keys and tokens."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.site import Site
from tocsin.app.callers import LOCAL
from tocsin.app.workflows import TAKING_MAX

TOML = """
on = ["order.shipped"]
category = "orders"
audience = { path = "data.customer_id" }

[[steps]]
channel = "inbox"
title = "Order {{ data.order }} is on its way"
body = "Soon."

[[steps]]
channel = "email"
subject = "On its way"
html = "<p>{{ data.order }}</p>"
"""
SHIPPED = "/v1/workflows/order.shipped"


async def put_toml(client: httpx2.AsyncClient, path: str, text: str) -> httpx2.Response:
    return await client.put(path, content=text, headers={"Content-Type": "application/toml"})


async def test_a_draft_is_published_as_the_next_version(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    draft = await put_toml(admin, SHIPPED, TOML)
    before = site.registry.taking("order.shipped")
    first = await admin.post(SHIPPED + "/publish")
    running = site.registry.taking("order.shipped")
    await put_toml(admin, SHIPPED, TOML.replace("Soon.", "Very soon."))
    second = await admin.post(SHIPPED + "/publish")

    assert draft.json()["version"] == 0
    assert before == ()
    assert first.json()["version"] == 1
    assert "email" in str(first.json()["warnings"])
    assert [w.version for w in running] == [1]
    assert second.json()["version"] == 2
    assert site.registry.get("order.shipped", 1) is running[0], "a run keeps its version"
    versions = (await admin.get(SHIPPED + "/versions")).json()["items"]
    assert [version["version"] for version in versions] == [2, 1]


async def test_a_document_reads_the_same_in_toml_and_json(admin: httpx2.AsyncClient) -> None:
    toml = await put_toml(admin, SHIPPED, TOML)
    json = await admin.put(SHIPPED, json=toml.json()["document"])

    assert json.json()["document"] == toml.json()["document"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("steps = [", 400, id="no TOML"),
        pytest.param('key = "other"\n' + TOML, 422, id="another key"),
        pytest.param(TOML + '[[steps]]\nchannel = "fax"\n', 422, id="an unknown channel"),
        pytest.param(TOML + '[[steps]]\ndelay = { for = "1h" }\n', 422, id="not built yet"),
    ],
)
async def test_a_document_that_cannot_run_is_refused(
    admin: httpx2.AsyncClient, text: str, status: int
) -> None:
    answer = await put_toml(admin, SHIPPED, text)

    assert answer.status_code == status
    assert (await admin.get(SHIPPED)).status_code == 404


async def test_publishing_takes_a_draft(admin: httpx2.AsyncClient) -> None:
    assert (await admin.post(SHIPPED + "/publish")).status_code == 404


async def test_a_workflow_is_switched_off_and_on(site: Site, admin: httpx2.AsyncClient) -> None:
    await put_toml(admin, SHIPPED, TOML)
    await admin.post(SHIPPED + "/publish")

    await admin.post(SHIPPED + "/deactivate")
    off = (site.registry.active("order.shipped"), len(site.registry.taking("order.shipped")))
    await admin.post(SHIPPED + "/activate")

    assert off == (False, 1), "its events are still taken, to be suppressed with a reason"
    assert site.registry.active("order.shipped")
    assert (await admin.post("/v1/workflows/none/activate")).status_code == 404


async def test_one_type_is_taken_by_a_limited_number(admin: httpx2.AsyncClient) -> None:
    answers = []
    for number in range(TAKING_MAX + 1):
        await put_toml(admin, f"/v1/workflows/w{number}", TOML)
        answers.append(await admin.post(f"/v1/workflows/w{number}/publish"))

    assert [answer.status_code for answer in answers] == [200] * TAKING_MAX + [422]
    assert answers[-1].json()["errors"][0]["pointer"] == "/on/0"


async def test_an_old_version_is_loaded_when_a_run_needs_it(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    for _ in range(2):
        await put_toml(admin, SHIPPED, TOML)
        await admin.post(SHIPPED + "/publish")
    await site.open()
    await site.registry.refresh()

    assert site.registry.get("order.shipped", 1) is None
    loaded = await site.registry.load("order.shipped", 1)
    assert loaded is not None
    assert site.registry.get("order.shipped", 1) is loaded
    assert await site.registry.load("order.shipped", 7) is None


async def test_a_designers_key_reaches_the_workflows_it_is_limited_to(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    key = await site.key("designer", workflows=["order.shipped"], categories=["orders"])
    async with site.client(key) as designer:
        own = await put_toml(designer, SHIPPED, TOML)
        other = await put_toml(designer, "/v1/workflows/other", TOML)
        category = await put_toml(designer, SHIPPED, TOML.replace('"orders"', '"ads"'))

    assert (own.status_code, other.status_code, category.status_code) == (200, 403, 403)


async def test_a_key_is_shown_once_and_gone_when_revoked(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    body = {"name": "shop", "roles": ["viewer"], "lanes": ["bulk"]}
    made = (await admin.post("/v1/keys", json=body)).json()
    listed = (await admin.get("/v1/keys")).text
    async with site.client(made["key"]) as viewer:
        before = await viewer.get("/v1/workflows")
        await admin.delete(f"/v1/keys/{made['id']}")
        after = await viewer.get("/v1/workflows")

    assert made["id"] in listed
    assert made["key"] not in listed
    assert (before.status_code, after.status_code) == (200, 401)


async def test_the_last_admin_key_cannot_be_revoked(site: Site, admin: httpx2.AsyncClient) -> None:
    (only,) = await site.keys.list()
    soon = await admin.post(
        "/v1/keys",
        json={"name": "soon", "roles": ["admin"], "expires_at": "2030-03-17T17:46:41Z"},
    )
    kept = await admin.delete(f"/v1/keys/{soon.json()['id']}")
    last = await admin.delete(f"/v1/keys/{only.id}")

    assert soon.status_code == 201
    assert kept.status_code == 204
    assert (last.status_code, last.json()["code"]) == (409, "last_admin_key")


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": ["king"]},
        {"roles": []},
        {"roles": ["viewer"], "lanes": ["fast"]},
        {"roles": ["viewer"], "expires_at": "2001-01-01T00:00:00Z"},
        {"roles": ["viewer"], "expires_at": "tomorrow"},
        {"roles": ["viewer"], "digest": "x"},
    ],
)
async def test_a_key_that_cannot_be_meant_is_refused(
    admin: httpx2.AsyncClient, wrong: dict[str, object]
) -> None:
    assert (await admin.post("/v1/keys", json={"name": "k", **wrong})).status_code == 422


async def test_a_revocation_by_another_process_is_seen_at_the_next_reading(site: Site) -> None:
    key, text = await site.keys.create(LOCAL, "shop", ["viewer"])
    await site.key_store.revoke(key.id, site.clock.now_ms())

    await site.access.refresh()
    async with site.client(text) as client:
        assert (await client.get("/v1/workflows")).status_code == 401


async def test_a_backend_gets_tokens_for_its_people(site: Site) -> None:
    async with site.client(await site.key("backend")) as backend:
        minted = await backend.post(
            "/v1/tokens", json={"recipient": "ana", "scopes": ["preferences"], "expires_in": "15m"}
        )
        forever = await backend.post("/v1/tokens", json={"recipient": "ana", "expires_in": "90d"})
        wrong = await backend.post("/v1/tokens", json={"recipient": "ana", "scopes": ["admin"]})
    async with site.client(minted.json()["token"]) as ana:
        path = "/v1/recipients/ana/preferences"
        before = await ana.get(path)
        site.clock.advance(site.clock.now_ms() + 15 * 60_000)
        after = await ana.get(path)

    assert minted.status_code == 201
    assert minted.json()["scopes"] == ["preferences"]
    assert (forever.status_code, wrong.status_code) == (422, 422)
    assert (before.status_code, after.status_code) == (200, 401)
