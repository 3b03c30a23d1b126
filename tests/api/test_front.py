"""What holds for every request: limits, types, headers, repeats, draining, failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.api.site import LIMITS, Site
from tocsin.api.body import read_body
from tocsin.api.endpoint import Answer, Call, Endpoint, caller_of
from tocsin.api.parts import HttpLimits
from tocsin.app import callers

ORIGIN = "https://shop.example"


def limits(**changes: int) -> HttpLimits:
    """Return the usual limits with *changes*."""
    return replace(LIMITS, allowed_origins=(ORIGIN,), **changes)


async def opened(folder: Path, limits: HttpLimits, *endpoints: Endpoint) -> Site:
    """Return a site with further routes; the caller closes it."""
    site = Site(folder, limits=limits, endpoints=endpoints)
    await site.open()
    return site


async def test_every_answer_carries_the_safe_headers(admin: httpx2.AsyncClient) -> None:
    for path in ("/healthz", "/v1/keys", "/nothing"):
        headers = (await admin.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"].startswith("req_")


async def test_a_problem_names_its_request(admin: httpx2.AsyncClient) -> None:
    answer = await admin.get("/v1/recipients/nobody")

    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.json()["type"] == "urn:tocsin:problem:not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", "malformed", id="cut off"),
        pytest.param(b'{"name": NaN}', "malformed", id="no number of JSON"),
        pytest.param(b'{"name": "\\ud800"}', "malformed", id="a lone surrogate"),
        pytest.param(b'{"name": "\xff"}', "malformed", id="no UTF-8"),
        pytest.param(
            b'{"attributes": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "malformed", id="too deep"
        ),
        pytest.param(b"[]", "invalid", id="a list for an object"),
        pytest.param(b'{"attributes": ' + b'{"a":' * 9_000 + b"1", "malformed", id="deep inside"),
        pytest.param(b'{"attributes": [1]}', "invalid", id="attributes that are no object"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    admin: httpx2.AsyncClient, body: bytes, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await admin.put("/v1/recipients/ana", content=body, headers=headers)

    assert answer.status_code in {400, 422}
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_another_kind_of_body_is_refused(
    admin: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await admin.put("/v1/recipients/ana", content=b"{}", headers=headers)

    assert answer.status_code == 415


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_the_limit_is_not_read_to_its_end(
    site: Site, admin: httpx2.AsyncClient, declared: bool
) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    if declared:
        headers["Content-Length"] = "1000000"
    answer = await admin.put("/v1/recipients/ana", content=body(), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"


async def test_what_is_unknown_in_a_bodyless_call_is_refused(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/v1/workflows/a/publish", json={"version": 3})

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")


async def test_a_repeat_with_the_same_key_gets_the_same_answer(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    repeat = {"Idempotency-Key": "k1"}
    body = {"name": "shop", "roles": ["producer"]}

    first = await admin.post("/v1/keys", json=body, headers=repeat)
    again = await admin.post("/v1/keys", json=body, headers=repeat)
    other = await admin.post("/v1/keys", json={**body, "name": "b"}, headers=repeat)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await site.keys.list()) == 2
    # The answer holds a secret, and what is kept of it must not.
    assert first.json()["key"].encode() not in site.stores.path.read_bytes()


async def test_a_refusal_frees_its_key(admin: httpx2.AsyncClient) -> None:
    repeat = {"Idempotency-Key": "k1"}
    path = "/v1/recipients/ana/consents"
    consent = {"channel": "sms", "given": True, "source": "web"}

    refused = await admin.post(path, json=consent, headers=repeat)
    await admin.put("/v1/recipients/ana", json={})
    accepted = await admin.post(path, json=consent, headers=repeat)

    assert (refused.status_code, accepted.status_code) == (404, 201)


async def test_a_request_that_still_runs_is_a_conflict(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> Answer:
        begun.set()
        await go_on.wait()
        return Answer({"done": True})

    site = await opened(
        tmp_path, LIMITS, Endpoint("POST", "/v1/send", "Slow", slow, {200: dict[str, bool]})
    )
    repeat = {"Idempotency-Key": "k1"}
    async with site.client(await site.key("admin")) as client, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(client.post("/v1/send", headers=repeat))
        await begun.wait()
        second = await client.post("/v1/send", headers=repeat)
        go_on.set()
    site.close()

    assert second.status_code == 409
    assert (await first).json() == {"done": True}


async def test_a_key_that_no_header_should_hold_is_refused(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(
        "/v1/tokens", json={"recipient": "a"}, headers={"Idempotency-Key": "k" * 300}
    )

    assert answer.json()["code"] == "invalid_idempotency_key"


async def test_only_an_allowed_origin_may_read_and_only_what_a_token_reaches(site: Site) -> None:
    token = await site.token("ana", callers.Scope.PREFERENCES)
    path = "/v1/recipients/ana/preferences"
    async with site.client(token) as page:
        allowed = await page.get(path, headers={"Origin": ORIGIN})
        suffix = await page.get(path, headers={"Origin": ORIGIN + ".evil"})
        null = await page.get(path, headers={"Origin": "null"})
        other_route = await page.get("/v1/keys", headers={"Origin": ORIGIN})

    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    for answer in (suffix, null, other_route):
        assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_is_answered_without_a_credential(site: Site) -> None:
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    async with site.client() as page:
        granted = await page.options("/v1/recipients/ana/preferences", headers=ask)
        other = await page.options("/v1/recipients/ana", headers=ask)
        plain = await page.options("/v1/recipients/ana")
        nothing = await page.options("/v1/nothing")

    assert granted.status_code == 204
    assert granted.headers["access-control-allow-methods"] == "PATCH"
    assert "access-control-allow-origin" not in other.headers
    assert plain.headers["allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"
    assert nothing.status_code == 404


async def test_a_caller_is_held_to_its_rate(tmp_path: Path) -> None:
    site = await opened(tmp_path, limits(requests_per_s=1, requests_burst=3))
    async with site.client(await site.key("admin")) as client:
        answers = [await client.get("/v1/keys") for _ in range(4)]
        site.clock.advance(site.clock.now_ms() + 1_000)
        later = await client.get("/v1/keys")
    site.close()

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=1;w=1'
    assert answers[3].headers["retry-after"] == "1"
    assert answers[3].headers["ratelimit"] == '"default";r=0;t=1'
    assert later.status_code == 200


async def test_wrong_keys_are_soon_answered_with_429_and_a_good_one_still_counts(
    site: Site,
) -> None:
    async with site.client("tcs_wrong") as client:
        answers = [(await client.get("/v1/keys")).status_code for _ in range(30)]
    async with site.client(await site.key("admin")) as neighbour:
        good = await neighbour.get("/v1/keys")

    assert answers[0] == 401
    assert answers[-1] == 429
    assert good.status_code == 200


async def test_who_stops_takes_no_more_and_says_so(site: Site, admin: httpx2.AsyncClient) -> None:
    site.stopping = True

    refused = await admin.get("/v1/keys")
    alive = await admin.get("/healthz")
    ready = await admin.get("/readyz")

    assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
    assert refused.headers["connection"] == "close"
    assert refused.headers["retry-after"] == "1"
    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["checks"]["process"]) == (503, "stopping")


async def test_more_requests_than_the_limit_are_turned_away(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> Answer:
        begun.set()
        await go_on.wait()
        return Answer({})

    endpoint = Endpoint("POST", "/v1/send", "Slow", slow, {200: dict[str, bool]})
    site = await opened(tmp_path, limits(requests_max=1), endpoint)
    async with site.client(await site.key("admin")) as client, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(client.post("/v1/send"))
        await begun.wait()
        second = await client.get("/v1/keys")
        go_on.set()
    site.close()

    assert (second.status_code, second.json()["code"]) == (503, "unavailable")
    assert (await first).status_code == 200


async def test_what_fails_inside_is_a_500_without_its_reason(tmp_path: Path) -> None:
    async def broken(call: Call) -> Answer:
        raise RuntimeError("canary-secret")

    endpoint = Endpoint("POST", "/v1/send", "Broken", broken, {200: dict[str, bool]})
    site = await opened(tmp_path, LIMITS, endpoint)
    with capture_logs() as logs:
        async with site.client(await site.key("admin")) as client:
            answer = await client.post("/v1/send")
    site.close()

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "canary" not in answer.text
    assert logs[0]["event"] == "request failed"
    assert logs[0]["request_id"] == answer.json()["request_id"]


async def test_a_hot_route_is_plain_asgi_with_its_caller_checked(tmp_path: Path) -> None:
    async def hot(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import Headers

        body = await read_body(Headers(scope=scope), receive, 10)
        text = f"{caller_of(scope).producer} sent {len(body)}".encode()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": text})

    endpoint = Endpoint("POST", "/v1/events", "Send", None, {202: None}, asgi=hot)
    site = await opened(tmp_path, LIMITS, endpoint)
    with capture_logs() as logs:
        async with site.client(await site.key("producer")) as client:
            sent = await client.post("/v1/events", content=b"12345")
            too_large = await client.post("/v1/events", content=b"1" * 11)
            wrong = await client.get("/v1/events")
        async with site.client(await site.key("viewer")) as client:
            forbidden = await client.post("/v1/events", content=b"1")
    site.close()

    assert (sent.status_code, sent.text) == (202, "test sent 5")
    assert too_large.status_code == 413
    assert wrong.status_code == 405
    assert forbidden.status_code == 403
    assert [log["route"] for log in logs] == ["unmatched"], "a hot route is not logged"


@pytest.mark.parametrize(("quiet", "logged"), [(True, []), (False, ["/v1/sandbox/messages"])])
async def test_a_quiet_route_is_not_logged(quiet: bool, logged: list[str], tmp_path: Path) -> None:
    async def asked(call: Call) -> Answer:
        return Answer({"ok": True})

    path = "/v1/sandbox/messages"
    endpoint = Endpoint("GET", path, "Asked", asked, {200: dict[str, bool]}, quiet=quiet)
    site = await opened(tmp_path, LIMITS, endpoint)
    with capture_logs() as logs:
        async with site.client(await site.key("admin")) as client:
            answer = await client.get(path)
    site.close()

    assert answer.status_code == 200
    assert [log["route"] for log in logs] == logged


async def test_the_admin_socket_needs_no_key_and_a_given_one_still_counts(site: Site) -> None:
    async with site.client(local=True) as local:
        assert (await local.get("/v1/keys")).status_code == 200
    async with site.client(await site.key("viewer"), local=True) as viewer:
        assert (await viewer.get("/v1/keys")).status_code == 403


async def test_metrics_name_routes_and_never_ids(site: Site, admin: httpx2.AsyncClient) -> None:
    await admin.put("/v1/recipients/canary", json={})
    metrics = (await admin.get("/metrics")).text

    route = 'method="PUT",route="/v1/recipients/{id}",status="201"'
    assert f"tocsin_http_requests_total{{{route}}} 1.0" in metrics
    assert "canary" not in metrics


async def test_a_route_without_a_row_in_the_table_does_not_start(tmp_path: Path) -> None:
    async def handler(call: Call) -> Answer:
        return Answer({})

    site = Site(tmp_path, endpoints=[Endpoint("GET", "/v1/hidden", "x", handler, {200: None})])
    with pytest.raises(KeyError, match="hidden"):
        await site.open()
    site.close()
