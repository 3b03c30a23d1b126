"""Recipients over HTTP: profiles, addresses, devices, pages."""

from __future__ import annotations

import base64

import httpx2
import pytest

from tests.api.site import Site
from tocsin.app.callers import Scope

ANA = {
    "name": "Ana López",
    "email": "Ana@Example.ORG",
    "phone": "+34 612 345 678",
    "locale": "es_ES",
    "timezone": "Europe/Madrid",
    "attributes": {"plan": "gold"},
}


async def test_a_profile_is_created_read_and_replaced(admin: httpx2.AsyncClient) -> None:
    created = await admin.put("/v1/recipients/ana", json=ANA)
    again = await admin.get("/v1/recipients/ana")
    replaced = await admin.put("/v1/recipients/ana", json={"name": "Ana"})

    assert created.status_code == 201
    assert again.json() == created.json()
    assert again.json()["email"] == "Ana@example.org"
    assert again.json()["phone"] == "+34612345678"
    assert again.json()["locale"] == "es-ES"
    assert again.json()["attributes"] == {"plan": "gold"}
    assert replaced.status_code == 200
    assert replaced.json()["name"] == "Ana"
    assert replaced.json()["addresses"] == []
    assert replaced.json()["timezone"] is None
    assert replaced.json()["attributes"] == {}


async def test_patch_changes_only_what_it_holds(admin: httpx2.AsyncClient) -> None:
    await admin.put("/v1/recipients/ana", json=ANA)

    patched = await admin.patch("/v1/recipients/ana", json={"name": None, "locale": "en"})

    assert patched.json()["name"] is None
    assert patched.json()["locale"] == "en"
    assert patched.json()["email"] == "Ana@example.org"
    assert patched.json()["version"] == 2


@pytest.mark.parametrize("text", [b'"\xff"', b"1e", b"[" * 2_000 + b"]" * 2_000])
async def test_attributes_that_are_no_json_are_refused(
    admin: httpx2.AsyncClient, text: bytes
) -> None:
    body = b'{"attributes":{"plan":' + text + b"}}"
    sent = {"content-type": "application/json"}

    answer = await admin.put("/v1/recipients/ana", content=body, headers=sent)

    assert answer.status_code in {400, 422}
    assert (await admin.get("/v1/recipients/ana")).status_code == 404


async def test_every_wrong_field_is_named_and_no_value_repeated(admin: httpx2.AsyncClient) -> None:
    wrong = {"email": "canary@@x", "phone": "12", "timezone": "Mars/Base", "locale": "!"}

    answer = await admin.put("/v1/recipients/ana", json=wrong)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    found = {problem["pointer"]: problem["code"] for problem in answer.json()["errors"]}
    assert found == {
        "/email": "invalid_email",
        "/phone": "invalid_phone",
        "/timezone": "invalid_timezone",
        "/locale": "invalid_locale",
    }
    assert "canary" not in answer.text


async def test_an_unknown_field_is_refused_with_the_nearest_one(admin: httpx2.AsyncClient) -> None:
    answer = await admin.put("/v1/recipients/ana", json={"e_mail": "ana@example.org"})

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["pointer"] == "/e_mail"
    assert problem["code"] == "unknown_field"
    assert "email" in problem["detail"]


async def test_where_none_is_near_the_fields_are_named(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/v1/tokens", json={"recipient": "ana", "qqq": "canary"})

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert "recipient" in problem["detail"]
    assert "canary" not in answer.text


@pytest.mark.parametrize("id", ["user/1", "ana@example.org", "Zoë", "a b", "import", "..%2f"])
async def test_an_id_may_hold_what_people_put_into_ids(admin: httpx2.AsyncClient, id: str) -> None:
    path = "/v1/recipients/" + "".join(f"%{byte:02X}" for byte in id.encode())

    created = await admin.put(path, json={"name": "x"})
    found = await admin.get(path)

    assert created.status_code == 201
    assert found.json()["id"] == id


async def test_an_unknown_recipient_is_not_found(admin: httpx2.AsyncClient) -> None:
    for answer in (
        await admin.get("/v1/recipients/nobody"),
        await admin.patch("/v1/recipients/nobody", json={"name": "x"}),
        await admin.get("/v1/recipients/nobody/preferences"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_version_that_the_caller_has_is_not_sent_again(admin: httpx2.AsyncClient) -> None:
    await admin.put("/v1/recipients/ana", json=ANA)
    first = await admin.get("/v1/recipients/ana")
    tag = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}

    same = await admin.get("/v1/recipients/ana", headers=tag)
    await admin.patch("/v1/recipients/ana", json={"name": "Other"})
    changed = await admin.get("/v1/recipients/ana", headers=tag)

    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200


async def test_who_may_only_read_sees_masked_addresses(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    await admin.put("/v1/recipients/ana", json=ANA)
    async with site.client(await site.key("viewer")) as viewer:
        seen = (await viewer.get("/v1/recipients/ana")).json()

    assert seen["email"] == "A…@example.org"
    assert seen["phone"] == "+34…78"
    assert "345" not in str(seen["addresses"])


async def test_pages_hold_everyone_once(admin: httpx2.AsyncClient) -> None:
    for number in range(7):
        await admin.put(f"/v1/recipients/r{number}", json={})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get("/v1/recipients", params=query)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page.get("next")
        if cursor is None:
            break

    assert seen == [f"r{number}" for number in range(7)]


async def test_pages_hold_whose_id_begins_so_and_nobody_else(admin: httpx2.AsyncClient) -> None:
    for id in ("an", "ana", "ana-2", "anb", "a", "b", "Ana", "ana\U0001f600"):
        await admin.put(f"/v1/recipients/{id}", json={})
    pages: list[list[str]] = []
    cursor: str | None = None
    while len(pages) < 5:
        query = {"prefix": "ana", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get("/v1/recipients", params=query)).json()
        pages.append([one["id"] for one in page["items"]])
        cursor = page.get("next")
        if cursor is None:
            break

    assert pages == [["ana"], ["ana-2"], ["ana\U0001f600"], []]


@pytest.mark.parametrize(
    "query",
    [
        {"prefix": ""},
        {"limit": "0"},
        {"limit": "many"},
        {"cursor": "%%%"},
        {"page": "2"},
        {"cursor": "//79"},
    ],
)
async def test_a_wrong_query_is_refused(admin: httpx2.AsyncClient, query: dict[str, str]) -> None:
    assert (await admin.get("/v1/recipients", params=query)).status_code == 422


async def test_addresses_are_added_once_and_their_numbers_never_used_again(
    admin: httpx2.AsyncClient,
) -> None:
    await admin.put("/v1/recipients/ana", json={})
    path = "/v1/recipients/ana/addresses"
    mail = {"channel": "email", "address": "ana@example.org"}

    first = await admin.post(path, json=mail)
    same = await admin.post(path, json={**mail, "verified_at": "2030-01-01T00:00:00Z"})
    await admin.delete(f"{path}/{first.json()['number']}")
    other = await admin.post(path, json={"channel": "email", "address": "b@example.org"})

    assert first.status_code == 201
    assert same.json()["number"] == first.json()["number"]
    assert same.json()["verified_at"] == "2030-01-01T00:00:00.000Z"
    assert other.json()["number"] == first.json()["number"] + 1
    assert len((await admin.get(path)).json()["items"]) == 1


async def test_a_webhook_keeps_its_secret_to_itself(site: Site, admin: httpx2.AsyncClient) -> None:
    await admin.put("/v1/recipients/crm", json={})
    hook = {
        "channel": "webhook",
        "address": "https://crm.example.com/hooks?x=1",
        "secret": "whsec_" + "s" * 40,
    }

    made = await admin.post("/v1/recipients/crm/addresses", json=hook)

    assert made.json()["has_secret"] is True
    assert "whsec_" not in made.text
    one = await site.people.get("crm")
    assert site.people.book.open_secret(one, one.addresses[0]) == hook["secret"]


async def test_a_webhook_without_a_secret_is_given_one_and_told_once(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    await admin.put("/v1/recipients/crm", json={})
    path = "/v1/recipients/crm/addresses"
    hook = {"channel": "webhook", "address": "https://crm.example.com/hooks"}

    made = await admin.post(path, json=hook, headers={"idempotency-key": "once"})
    repeated = await admin.post(path, json=hook, headers={"idempotency-key": "once"})
    again = await admin.post(path, json=hook)

    secret = made.json()["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert repeated.json()["secret"] == secret
    assert again.status_code == 201
    assert "secret" not in again.json()
    assert secret not in (await admin.get(path)).text
    one = await site.people.get("crm")
    assert site.people.book.open_secret(one, one.addresses[0]) == secret

    both = "whsec_" + "n" * 40 + " " + secret
    changed = await admin.post(path, json={**hook, "secret": both})
    assert changed.json()["number"] == made.json()["number"]
    one = await site.people.get("crm")
    assert site.people.book.open_secret(one, one.addresses[0]) == both


@pytest.mark.parametrize(
    "secret", ["s" * 40, "whsec_short", "whsec_" + "?" * 40, "whsec_" + "s" * 400, "a b c"]
)
async def test_a_secret_that_no_receiver_could_use_is_refused(
    admin: httpx2.AsyncClient, secret: str
) -> None:
    await admin.put("/v1/recipients/crm", json={})
    hook = {"channel": "webhook", "address": "https://crm.example.com/", "secret": secret}
    refused = await admin.post("/v1/recipients/crm/addresses", json=hook)
    assert refused.status_code in {400, 422}
    assert secret not in refused.text


async def test_a_device_is_managed_with_the_recipients_own_token(site: Site) -> None:
    token = await site.token("ana", Scope.DEVICES)
    async with site.client(token) as phone:
        made = await phone.post(
            "/v1/recipients/ana/devices",
            json={"provider": "apns", "token": "AB" * 32, "app": "ios"},
        )
        listed = await phone.get("/v1/recipients/ana/devices")
        removed = await phone.delete(f"/v1/recipients/ana/devices/{made.json()['number']}")
        somebody = await phone.get("/v1/recipients/ben/devices")

    assert made.status_code == 201
    assert made.json()["address"] == "…abab"
    assert len(listed.json()["items"]) == 1
    assert removed.status_code == 204
    assert somebody.status_code == 404


@pytest.mark.parametrize(
    ("device", "code"),
    [
        ({"provider": "apns", "token": "zz"}, "at least 64 hexadecimal digits"),
        ({"provider": "fcm", "token": "z z"}, "at least 20 letters"),
        ({"provider": "fcm"}, "invalid_device"),
        (
            {
                "provider": "webpush",
                "subscription": {
                    "endpoint": "http://push.example.com/1",
                    "keys": {"p256dh": "a", "auth": "b"},
                },
            },
            "invalid_device",
        ),
    ],
)
async def test_a_device_that_cannot_be_reached_is_refused(
    admin: httpx2.AsyncClient, device: dict[str, object], code: str
) -> None:
    await admin.put("/v1/recipients/ana", json={})

    answer = await admin.post("/v1/recipients/ana/devices", json=device)

    assert answer.status_code == 422
    assert code in answer.text


async def test_changes_leave_a_trail_without_personal_values(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    await admin.put("/v1/recipients/canary-ana", json=ANA)
    await admin.patch("/v1/recipients/canary-ana/preferences", json={"channels": {"sms": False}})

    changes = await site.changes()

    assert [change.action for change in changes[-2:]] == [
        "recipient.put",
        "recipient.preferences",
    ]
    assert changes[-1].by.startswith("key:")
    assert "canary" not in str(changes)
    assert "ópez" not in str(changes)


@pytest.mark.parametrize("name", ["two\nlines", "nul\0", "bell\x07", "end\n", "line\u2028"])
async def test_a_name_holds_no_control_characters(admin: httpx2.AsyncClient, name: str) -> None:
    assert (await admin.put("/v1/recipients/ana", json={"name": name})).status_code == 422
    key = {"name": name, "roles": ["viewer"]}
    assert (await admin.post("/v1/keys", json=key)).status_code == 422
