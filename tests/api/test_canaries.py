"""Names, addresses, tokens and keys must not show in logs, problems, the trail or reprs."""

from __future__ import annotations

from structlog.testing import capture_logs

from tests.api.site import Site
from tocsin.api.keys import KeyAnswer
from tocsin.app.callers import Scope
from tocsin.app.importing import ImportRow
from tocsin.app.profile import AddressInput, ProfileInput
from tocsin.app.token_desk import Minted

CANARY = "canary"
PERSON = {
    "name": "canary-name",
    "email": "canary@example.org",
    "phone": "+34612345678",
    "attributes": {"secret": "canary-attribute"},
}


async def test_nothing_personal_is_logged_or_answered_in_a_problem(site: Site) -> None:
    key = await site.key("admin")
    token = await site.token("canary-id", Scope.PREFERENCES)
    problems = []
    with capture_logs() as logs:
        async with site.client(key) as admin:
            await admin.put("/v1/recipients/canary-id", json=PERSON)
            await admin.get("/v1/recipients/canary-id")
            await admin.post(
                "/v1/suppressions", json={"channel": "email", "address": PERSON["email"]}
            )
            path = "/v1/recipients/canary-id"
            problems += [
                await admin.put(path, json={"name": ["canary"]}),
                await admin.put(path, json={"email": "canary"}),
                await admin.put(path, json={"locale": "canary canary"}),
            ]
            problems.append(await admin.get("/v1/recipients/canary-other"))
            problems.append(
                await admin.post("/v1/recipients/canary-id/addresses", json={"channel": "canary"})
            )
        async with site.client(token) as person:
            await person.get("/v1/recipients/canary-id/preferences")
            problems.append(await person.get("/v1/recipients/canary-2/preferences"))
        async with site.client(token + "x") as person:
            problems.append(await person.get("/v1/recipients/canary-id/preferences"))

    said = str(logs)
    for secret in (CANARY, "612345678", key, key[4:], token, token[4:]):
        assert secret not in said
    for problem in problems:
        assert problem.status_code >= 400
        assert CANARY not in problem.text
    assert CANARY not in str(await site.changes())


async def test_the_store_holds_no_address_in_the_clear(site: Site) -> None:
    async with site.client(await site.key("admin")) as admin:
        await admin.put("/v1/recipients/x", json=PERSON)
    await site.stores.settled()
    site.stores.close()

    stored = b"".join(
        path.read_bytes() for path in site.stores.path.parent.iterdir() if path.is_file()
    )
    assert b"canary-name" in stored, "the store was looked at"
    assert b"canary@example.org" not in stored
    assert b"612345678" not in stored
    await site.stores.open()


def test_no_repr_shows_a_person_or_a_secret() -> None:
    key = KeyAnswer(
        id="k1",
        name="n",
        roles=[],
        workflows=[],
        categories=[],
        sources=[],
        lanes=[],
        rate_per_s=None,
        created_at=None,
        expires_at=None,
        revoked_at=None,
        key="canary",
    )
    values = (
        ProfileInput(name="canary", email="canary"),
        ImportRow(id="canary", name="canary"),
        AddressInput(channel="email", address="canary", secret="canary"),
        key,
        Minted("canary", (), 0),
    )
    for value in values:
        assert CANARY not in repr(value)
