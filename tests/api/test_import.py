"""Import by stream: what is right gets in, what is wrong is named by its line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.api.site import Site
from tocsin.app.importing import BATCH_ROWS, PROBLEMS_MAX
from tocsin.app.lines import LINE_BYTES_MAX

PATH = "/v1/recipients/import"
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


async def load(
    client: httpx2.AsyncClient, body: bytes, headers: dict[str, str] = NDJSON, chunk: int = 1_000
) -> httpx2.Response:
    """Send *body* in pieces, so that lines are cut anywhere."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), chunk):
            yield body[start : start + chunk]

    return await client.post(PATH, content=pieces(), headers=headers)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def test_good_lines_get_in_and_bad_ones_are_named(admin: httpx2.AsyncClient) -> None:
    body = (
        lines(
            {
                "id": "a",
                "name": "A",
                "email": "a@example.org",
                "preferences": {"channels": {"sms": False}},
            }
        )
        + b"\n{broken\n"
        + lines(
            {"id": "b", "email": "canary"},
            {"name": "no id"},
            {"id": "c", "nmae": "x"},
            {
                "id": "d",
                "addresses": [
                    {"channel": "email", "address": "d@x.org"},
                    {"channel": "fax", "address": "1"},
                ],
            },
            {"id": "e", "preferences": {"channels": {"fax": True}}},
            {"id": "f", "phone": "+34612345678", "attributes": {"n": 1}},
        )
    )

    answer = await load(admin, body, chunk=7)

    result = answer.json()
    assert answer.status_code == 200
    assert (result["read"], result["created"], result["failed"]) == (8, 2, 6)
    found = {
        problem["line"]: (problem["pointer"], problem["code"]) for problem in result["problems"]
    }
    assert found == {
        3: ("", "malformed"),
        4: ("/email", "invalid_email"),
        5: ("/id", "required"),
        6: ("/nmae", "unknown_field"),
        7: ("/addresses/1/address", "unknown_channel"),
        8: ("/preferences/channels/fax", "unknown_field"),
    }
    assert "canary" not in answer.text
    assert (await admin.get("/v1/recipients/f")).json()["attributes"] == {"n": 1}
    assert (await admin.get("/v1/recipients/d")).status_code == 404


async def test_the_same_file_again_changes_nothing(site: Site, admin: httpx2.AsyncClient) -> None:
    body = lines(
        {
            "id": "a",
            "email": "a@example.org",
            "addresses": [{"channel": "email", "address": "a@example.org"}],
        }
    )

    await load(admin, body)
    again = (await load(admin, body)).json()

    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)
    assert (await site.people.get("a")).version == 1


async def test_a_line_leaves_alone_what_it_does_not_hold(admin: httpx2.AsyncClient) -> None:
    await load(admin, lines({"id": "a", "name": "A", "email": "a@example.org"}))

    await load(admin, lines({"id": "a", "name": "B"}))

    one = (await admin.get("/v1/recipients/a")).json()
    assert (one["name"], one["email"]) == ("B", "a@example.org")


async def test_two_lines_about_one_recipient_count_in_their_order(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    result = (
        await load(admin, lines({"id": "a", "name": "A"}, {"id": "a", "locale": "es"}))
    ).json()

    one = await site.people.get("a")
    assert (one.name, one.locale, one.version) == ("A", "es", 1)
    assert (result["created"], result["updated"]) == (1, 1)


async def test_batches_follow_each_other_and_problems_are_capped(
    admin: httpx2.AsyncClient,
) -> None:
    good = [{"id": f"r{number}"} for number in range(BATCH_ROWS + 10)]
    bad = [{"id": ""} for _ in range(PROBLEMS_MAX + 10)]

    result = (await load(admin, lines(*good, *bad), chunk=65_536)).json()

    assert result["created"] == BATCH_ROWS + 10
    assert result["failed"] == PROBLEMS_MAX + 10
    assert len(result["problems"]) == PROBLEMS_MAX
    assert result["problems"][0]["line"] == BATCH_ROWS + 11


async def test_a_line_without_an_end_does_not_fill_the_memory(admin: httpx2.AsyncClient) -> None:
    body = b"x" * (3 * LINE_BYTES_MAX) + b"\n" + lines({"id": "after"}) + b'{"id": "last"}'

    result = (await load(admin, body, chunk=65_536)).json()

    assert (result["read"], result["created"]) == (3, 2)
    assert result["problems"][0]["line"] == 1


async def test_csv_with_quotes_newlines_and_empty_fields(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    body = (
        "\ufeffid,name,email,attributes\r\n"
        'a,"Ana ""the first""",ana@example.org,"{""n"":\n1}"\r\n'
        "b,,,\r\n"
        "c,too,few\r\n"
        "d,,nonsense,\r\n"
    ).encode()

    result = (await load(admin, body, CSV, chunk=5)).json()

    assert (result["read"], result["created"], result["failed"]) == (4, 2, 2)
    assert [problem["line"] for problem in result["problems"]] == [5, 6]
    one = await site.people.get("a")
    assert one.name == 'Ana "the first"'
    assert one.attributes == b'{"n":\n1}'


async def test_a_csv_field_cannot_add_others_to_its_line(
    site: Site, admin: httpx2.AsyncClient
) -> None:
    body = b'id,attributes\na,"{},""id"":""b"""\n'

    result = (await load(admin, body, CSV)).json()

    (problem,) = result["problems"]
    assert (problem["line"], problem["pointer"], problem["code"]) == (2, "/attributes", "malformed")
    assert not await site.people.known(["a", "b"])


@pytest.mark.parametrize("head", ["name,email", "id,id", "id,e-mail", ""])
async def test_csv_must_say_what_its_columns_are(admin: httpx2.AsyncClient, head: str) -> None:
    answer = await load(admin, f"{head}\nx,y\n".encode(), CSV)

    assert answer.status_code in {400, 422}


async def test_an_imported_opt_out_is_journalled(site: Site, admin: httpx2.AsyncClient) -> None:
    await load(admin, lines({"id": "a", "preferences": {"channels": {"sms": False}}}, {"id": "b"}))
    entries: list[bytes] = []

    async def keep(found: object) -> None:
        assert isinstance(found, list | tuple)
        entries.extend(found)

    await site.journal.replay(keep)
    assert len(entries) == 1
