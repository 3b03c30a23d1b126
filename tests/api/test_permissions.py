"""Every route as every kind of caller, against the table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.api.site import Site
from tocsin.api.permissions import PERMISSIONS, Route, permissions_as_markdown
from tocsin.app.callers import LOCAL, ROLES, TOKEN_SCOPES, Scope

ROUTES_SERVED_ELSEWHERE = {
    ("POST", "/v1/events"),
    ("POST", "/v1/workflows/{key}/trigger"),
    ("POST", "/v1/send"),
    ("POST", "/v1/cancel"),
    ("GET", "/v1/cancels/{id}"),
    ("GET", "/v1/inbox"),
    ("GET", "/v1/inbox/counts"),
    ("POST", "/v1/inbox/{id}/{change}"),
    ("POST", "/v1/inbox/{change}"),
    ("POST", "/v1/deliveries/{id}/received"),
    ("POST", "/v1/deliveries/{id}/clicked"),
    ("POST", "/v1/deliveries/{id}/acknowledged"),
    ("GET", "/v1/events/{id}"),
    ("GET", "/v1/notifications"),
    ("GET", "/v1/notifications/{id}"),
    ("GET", "/v1/explain"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/audit/repair"),
    ("GET", "/v1/fanouts/{id}"),
    ("POST", "/v1/fanouts/{id}/pause"),
    ("POST", "/v1/fanouts/{id}/resume"),
    ("POST", "/v1/fanouts/{id}/abort"),
    ("GET", "/v1/dead-letters"),
    ("GET", "/v1/dead-letters/{id}"),
    ("POST", "/v1/dead-letters/{id}/replay"),
    ("POST", "/v1/dead-letters/{id}/discard"),
    ("POST", "/v1/dead-letters/replay"),
    ("POST", "/v1/dead-letters/discard"),
    ("GET", "/v1/pauses"),
    ("POST", "/v1/pauses"),
    ("DELETE", "/v1/pauses/{id}"),
    ("GET", "/v1/providers"),
    ("POST", "/v1/providers/{name}/test"),
    ("GET", "/v1/providers/{name}/doctor"),
    ("GET", "/v1/status-webhooks"),
    ("GET", "/v1/status-webhooks/{key}"),
    ("PUT", "/v1/status-webhooks/{key}"),
    ("DELETE", "/v1/status-webhooks/{key}"),
    ("DELETE", "/v1/recipients/{id}"),
    ("GET", "/v1/erasures/{id}"),
    ("GET", "/v1/callbacks/{provider}"),
    ("POST", "/v1/callbacks/{provider}"),
    ("GET", "/push/worker.js"),
    ("GET", "/push/tocsin-push.js"),
    ("GET", "/push/key"),
    ("GET", "/inbox/v1/bell.js"),
    ("GET", "/inbox/v1/tabs.js"),
    ("GET", "/inbox/v1/choices.js"),
    ("GET", "/inbox/v1/dom.js"),
    ("GET", "/inbox/v1/tocsin-inbox.js"),
    ("GET", "/inbox/v1/client.js"),
    ("GET", "/inbox/v1/style.js"),
    ("GET", "/u/{token}"),
    ("POST", "/u/{token}"),
    ("GET", "/v1/sandbox/clock"),
    ("POST", "/v1/sandbox/clock"),
    ("GET", "/v1/t/{token}"),
    ("GET", "/v1/sandbox/messages"),
    ("GET", "/v1/sandbox/messages/{id}"),
    ("POST", "/v1/sandbox/messages/{id}/{action}"),
    ("GET", "/v1/sandbox/vendors"),
    ("GET", "/sandbox"),
    ("GET", "/sandbox/{file}"),
    ("GET", "/sandbox/letters/{proof}"),
    ("GET", "/v1/sandbox/faults/{provider}"),
    ("PUT", "/v1/sandbox/faults/{provider}"),
}
"""Routes of the table whose handlers the whole server adds (`ApiParts.endpoints`)."""

HERE = sorted(set(PERMISSIONS) - ROUTES_SERVED_ELSEWHERE)
NOBODY = ("anonymous", "nonsense", "revoked", "expired")
WHO = (*NOBODY, *ROLES, *(f"token:{scope}" for scope in TOKEN_SCOPES), "token:none")


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("permissions"))
    await site.open()
    yield site
    site.close()


@pytest.fixture(scope="module")
async def credentials(site: Site) -> dict[str, str | None]:
    """A credential for each kind of caller."""
    made: dict[str, str | None] = {"anonymous": None, "nonsense": "tcs_" + "0" * 55}
    for role in ROLES:
        made[role] = await site.key(role)
    made["expired"] = await site.key("admin", expires_ms=site.clock.now_ms() + 1_000)
    site.clock.advance(site.clock.now_ms() + 1_000)
    key, text = await site.keys.create(LOCAL, "gone", ["admin"])
    await site.keys.revoke(LOCAL, key.id)
    made["revoked"] = text
    for scope in TOKEN_SCOPES:
        made[f"token:{scope}"] = await site.token("x", scope)
    made["token:none"] = await site.token("x")
    return made


def expected(route: Route, who: str) -> set[int]:
    """Return which statuses the table allows; whoever is let in gets anything but 401 and 403."""
    permission = PERMISSIONS[route]
    if permission.public:
        return set()
    if who in NOBODY:
        return {401}
    if who.startswith("token:"):
        allowed = permission.token is not None and who == f"token:{permission.token}"
    else:
        allowed = bool(ROLES[who] & permission.scopes)
    return set() if allowed else {403}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", HERE, ids=" ".join)
async def test_each_caller_reaches_what_the_table_says(
    site: Site, credentials: dict[str, str | None], route: Route, who: str
) -> None:
    method, template = route
    path = re.sub(r"\{\w+\}", "x", template)
    # An address for each cell: wrong keys from one address are soon answered with 429.
    async with site.client(credentials[who], address=f"{who} {method} {path}") as client:
        answer = await client.request(method, path)

    refused = expected(route, who)
    if refused:
        assert answer.status_code in refused
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert answer.status_code not in {401, 403}
        assert answer.status_code < 500


@pytest.mark.parametrize("method", ["HEAD", "TRACE", "PURGE"])
@pytest.mark.parametrize(
    "path",
    # GET and HEAD of this one ask for the recipient whose id is "import".
    sorted({path for _, path in HERE} - {"/v1/recipients/import"}),
)
async def test_no_other_method_opens_a_route(site: Site, path: str, method: str) -> None:
    async with site.client() as client:
        answer = await client.request(method, re.sub(r"\{\w+\}", "x", path))

    get = PERMISSIONS.get(("GET", path))
    if method == "HEAD" and get is not None:
        assert answer.status_code == (200 if get.public else 401)
    else:
        assert answer.status_code == 405
        assert "OPTIONS" in answer.headers["allow"]
    assert method != "HEAD" or answer.content == b""


def test_every_row_of_the_table_is_served_and_every_route_has_a_row(site: Site) -> None:
    served = {(endpoint.method, endpoint.path) for endpoint in site.api.endpoints}

    assert served == set(HERE)
    assert set(PERMISSIONS) >= ROUTES_SERVED_ELSEWHERE


async def test_the_openapi_document_lists_exactly_the_routes(site: Site) -> None:
    async with site.client() as client:
        document = (await client.get("/openapi.json")).json()

    listed = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert listed == set(HERE)


async def test_a_recipients_token_reaches_only_its_own_recipient(
    site: Site, credentials: dict[str, str | None]
) -> None:
    await site.people.ensure(["x", "other"])
    async with site.client(credentials["token:preferences"]) as client:
        own = await client.get("/v1/recipients/x/preferences")
        other = await client.get("/v1/recipients/other/preferences")
        nobody = await client.get("/v1/recipients/nobody/preferences")

    assert own.status_code == 200
    assert other.status_code == nobody.status_code == 404
    assert other.json()["detail"] == nobody.json()["detail"]


async def test_no_other_spelling_of_a_path_reaches_a_route(site: Site) -> None:
    async with site.client(await site.key("admin")) as admin:
        for path in ("/v1/KEYS", "/v1/keys/", "//v1/keys", "/v1/%6Beys", "/v1/./x/../keyz"):
            assert (await admin.get(path)).status_code == 404, path


def test_no_role_holds_a_recipients_scope() -> None:
    for scopes in ROLES.values():
        assert scopes.isdisjoint(TOKEN_SCOPES)
    assert ROLES["admin"] == set(Scope) - set(TOKEN_SCOPES)


def test_the_table_for_the_reference_has_a_row_for_each_route() -> None:
    lines = permissions_as_markdown().splitlines()

    assert len(lines) == len(PERMISSIONS) + 2
    assert "| `POST /v1/events` | yes | yes |  |  |  | yes |  |" in lines
