"""What people choose, and that an opt-out survives a restored backup."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2
import pytest

from tests.api.site import Site
from tocsin.app.callers import LOCAL, Scope
from tocsin.domain.preferences_read import show_preferences

CHOICES = {
    "channels": {"sms": False},
    "categories": {"promotions": {"channels": {"push": False}, "email": True}},
    "workflows": {"order.shipped": True},
    "quiet_hours": [{"days": ["mon", "tue"], "from": "22:00", "until": "07:00"}],
    "do_not_disturb_until": None,
}


async def test_preferences_are_set_read_and_amended(admin: httpx2.AsyncClient) -> None:
    path = "/v1/recipients/ana/preferences"
    await admin.put("/v1/recipients/ana", json={})

    put = await admin.put(path, json=CHOICES)
    read = await admin.get(path)
    patched = await admin.patch(path, json={"channels": {"sms": None, "push": False}})

    assert put.status_code == 200
    assert read.json()["channels"] == {"sms": False}
    assert patched.json()["channels"] == {"push": False}
    assert patched.json()["workflows"] == read.json()["workflows"]
    assert read.headers["etag"]


async def test_a_person_sets_her_own_with_her_token(site: Site) -> None:
    async with site.client(await site.token("ana", Scope.PREFERENCES)) as ana:
        mine = await ana.patch("/v1/recipients/ana/preferences", json={"channels": {"sms": False}})
        hers = await ana.patch("/v1/recipients/ben/preferences", json={"channels": {"sms": False}})

    assert mine.status_code == 200
    assert hers.status_code == 404


async def test_a_person_sees_what_she_can_choose(site: Site, admin: httpx2.AsyncClient) -> None:
    await admin.put("/v1/categories/orders", json={"name": "Orders", "channels": {"sms": False}})
    await admin.put("/v1/categories/news", json={})
    await admin.put("/v1/recipients/ana", json={})
    await admin.put("/v1/recipients/ana/preferences", json={"categories": {"news": False}})
    async with site.client(await site.token("ana", Scope.PREFERENCES)) as ana:
        shown = await ana.get("/v1/preferences")

    assert shown.json()["recipient"] == "ana"
    assert shown.json()["channels"] == ["inbox", "email"]
    assert shown.json()["categories"] == [
        {"key": "news", "name": "news", "channels": {}},
        {"key": "orders", "name": "Orders", "channels": {"sms": False}},
    ]
    assert shown.json()["preferences"]["categories"]["news"]["on"] is False
    assert (await admin.get("/v1/preferences")).status_code == 403


async def test_consents_are_only_ever_added(site: Site, admin: httpx2.AsyncClient) -> None:
    path = "/v1/recipients/ana/consents"
    await admin.put("/v1/recipients/ana", json={})

    given = await admin.post(path, json={"channel": "sms", "given": True, "source": "web"})
    site.clock.advance(site.clock.now_ms() + 1)
    await admin.post(path, json={"channel": "sms", "given": False, "source": "call"})
    bad = await admin.post(path, json={"channel": "smoke", "given": True, "source": "x"})
    both = (await admin.get(path)).json()["items"]
    gone = await admin.delete(path)

    assert given.status_code == 201
    assert [consent["given"] for consent in both] == [True, False]
    assert both[0]["at"] < both[1]["at"]
    assert bad.status_code == 422
    assert gone.status_code == 405


async def backed_up(site: Site) -> Path:
    """Copy the store as it is now into a folder of its own."""
    await site.stores.settled()
    site.stores.close()
    backup = site.stores.path.parent / "backup"
    backup.mkdir()
    for path in site.stores.path.parent.glob("state.db*"):
        shutil.copy(path, backup)
    await site.open()
    return backup


async def restored(site: Site, backup: Path) -> int:
    """Put the backup in the place of the store, and lay the journal over it."""
    site.stores.close()
    for path in site.stores.path.parent.glob("state.db*"):
        path.unlink()
    shutil.copytree(backup, site.stores.path.parent, dirs_exist_ok=True)
    await site.open()
    return await site.optouts.restore(site.recipients, site.suppressions)


@pytest.fixture
async def left(site: Site) -> Site:
    """A site restored from a backup that was made before people left."""
    await site.people.ensure(["ana", "ben", "eve"])
    backup = await backed_up(site)
    site.clock.advance(site.clock.now_ms() + 1_000)
    async with site.client(await site.key("admin")) as admin:
        await admin.put("/v1/recipients/ana/preferences", json=CHOICES)
        consent = {"channel": "email", "given": False, "source": "link"}
        await admin.post("/v1/recipients/ben/consents", json=consent)
        await admin.post("/v1/suppressions", json={"recipient": "eve"})
        kept = await admin.post("/v1/suppressions", json={"recipient": "ben"})
        await admin.delete(f"/v1/suppressions/{kept.json()['id']}")
        await admin.put("/v1/recipients/new", json={})
        await admin.patch("/v1/recipients/new/preferences", json={"categories": {"ads": False}})
    await restored(site, backup)
    return site


async def test_an_opt_out_survives_a_restored_backup(left: Site) -> None:
    ana, ben, new = [await left.people.get(id) for id in ("ana", "ben", "new")]
    eve = await left.people.get("eve")

    assert ana.preferences is not None
    assert ana.preferences.channels == {"sms": False}
    assert ana.preferences.categories["promotions"].channels["push"] is False
    assert ana.preferences.workflows == {}, "what was switched on is asked for again"
    assert [consent.given for consent in ben.consents] == [False]
    assert show_preferences(new.preferences)["categories"]
    assert {e.recipient for e in await left.suppressions.page(None, 10)} == {eve.number}


async def test_a_journal_that_the_store_already_holds_changes_nothing(left: Site) -> None:
    await left.stores.settled()

    assert await left.optouts.restore(left.recipients, left.suppressions) == 0


async def test_a_later_yes_is_not_undone_at_the_next_start(site: Site) -> None:
    await site.people.ensure(["ana"])
    await site.people.set_preferences(LOCAL, "ana", {"channels": {"sms": False}})
    site.clock.advance(site.clock.now_ms() + 1)
    await site.people.set_preferences(LOCAL, "ana", {"channels": {"sms": True}})

    assert await site.optouts.restore(site.recipients, site.suppressions) == 0
    one = await site.people.get("ana")
    assert one.preferences is not None
    assert one.preferences.channels == {"sms": True}


async def test_suppressions_name_a_recipient_or_an_address(admin: httpx2.AsyncClient) -> None:
    path = "/v1/suppressions"
    person = await admin.post(path, json={"recipient": "ana", "channel": "sms"})
    again = await admin.post(path, json={"recipient": "ana", "channel": "sms"})
    address = await admin.post(path, json={"channel": "sms", "address": "+34 612 345 678"})
    both = await admin.post(path, json={"recipient": "a", "channel": "sms", "address": "+1"})
    bare = await admin.post(path, json={"address": "a@example.org"})
    listed = (await admin.get(path)).json()["items"]
    removed = await admin.delete(f"{path}/{person.json()['id']}")
    gone = await admin.delete(f"{path}/{person.json()['id']}")

    assert person.status_code == again.status_code == 201
    assert person.json()["id"] == again.json()["id"]
    assert address.json()["address"] == "+34…78"
    assert both.status_code == bare.status_code == 422
    assert {entry["recipient"] for entry in listed} == {"ana", None}
    assert (removed.status_code, gone.status_code) == (204, 404)


async def test_an_address_is_suppressed_under_the_digest_that_recipients_have(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    await admin.put("/v1/recipients/ana", json={"phone": "+34612345678"})
    await admin.post("/v1/suppressions", json={"channel": "voice", "address": "+34 612 34 56 78"})
    one = await site.people.get("ana")

    (found,) = await site.suppressions.matching([], [one.addresses[0].digest])
    assert found.channel == "voice"


async def test_groups_are_filled_in_bulk(admin: httpx2.AsyncClient) -> None:
    group, members = "/v1/groups/vip", "/v1/groups/vip/members"
    created = await admin.put(group, json={"name": "Very important"})
    added = await admin.put(members, json={"recipients": [f"m{n}" for n in range(5)]})
    again = await admin.put(members, json={"recipients": ["m1", "m9"]})
    left_ = await admin.request("DELETE", members, json={"recipients": ["m0", "nobody"]})
    pages, cursor = [], None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get(members, params=query)).json()
        pages.append(page["items"])
        cursor = page.get("next")
    counted = await admin.get(group)
    ended = await admin.delete(group)
    missing = await admin.get(members)

    assert created.status_code == 201
    assert added.json() == {"changed": 5}
    assert again.json() == {"changed": 1}
    assert left_.json() == {"changed": 1}
    assert pages == [["m1", "m2"], ["m3", "m4"], ["m9"]]
    assert counted.json() == {"key": "vip", "name": "Very important", "members": 5}
    assert (ended.status_code, missing.status_code) == (204, 404)


async def test_objects_are_watched_under_a_condition(admin: httpx2.AsyncClient) -> None:
    path = "/v1/objects/products/p%2F42/subscriptions"
    when = {"all": [{"variable": "data.price", "operator": "<=", "argument": 80}]}

    watched = await admin.put(path, json={"recipient": "ana", "when": when})
    wrong = await admin.put(path, json={"recipient": "ana", "when": {"all": [{"x": 1}]}})
    listed = (await admin.get(path)).json()["items"]
    ended = await admin.request("DELETE", path, json={"recipient": "ana"})
    gone = await admin.request("DELETE", path, json={"recipient": "ana"})

    assert watched.json()["when"] == when
    assert wrong.status_code == 422
    assert [entry["recipient"] for entry in listed] == ["ana"]
    assert (ended.status_code, gone.status_code) == (204, 404)


async def test_categories_and_tenants_are_kept(admin: httpx2.AsyncClient) -> None:
    category = {"name": "Orders", "channels": {"sms": False}}

    put = await admin.put("/v1/categories/orders", json=category)
    wrong = await admin.put("/v1/categories/orders", json={"nmae": "x"})
    await admin.put("/v1/tenants/acme", json={"name": "Acme"})

    assert put.json()["channels"] == {"sms": False}
    assert wrong.status_code == 422
    assert (await admin.get("/v1/categories/orders")).json() == put.json()
    assert len((await admin.get("/v1/categories")).json()["items"]) == 1
    assert (await admin.get("/v1/tenants/acme")).json()["name"] == "Acme"
    assert (await admin.get("/v1/tenants/none")).status_code == 404
