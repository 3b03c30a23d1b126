"""The installation that every run begins with: workflows, people, a group; and what is expected."""

from __future__ import annotations

from typing import Any

from tests.simulation.calls import request
from tests.simulation.engine import Life
from tests.simulation.vendor import CHANNEL, address_of

LEAVER = "leaver"
"""Who is erased; nobody else sends to her, and no inbox shows anything of it."""
PEOPLE = ("p0", "p1", "p2", "p3", "p4")
TEAM = ("p0", "p1")

_SCHEMA = {"type": "object", "required": ["token"]}


def _document(key: str, lane: str, **more: Any) -> dict[str, Any]:
    # The title is the event's token, by which the checker knows what it came from.
    step = {"channel": "inbox", "title": "{{ data.token }}", "body": "{{ data.note }}"}
    return {"key": key, "lane": lane, "schema": _SCHEMA, "steps": [step], **more}


WORKFLOWS = (
    _document("order", "transactional", on=["order"], category="orders"),
    _document("copy", "bulk", on=["order"], category="promotions"),
    _document("alert", "critical", on=["alert"], category="alerts"),
    _document("calm", "transactional", on=["calm"], category="calm"),
    _document("path", "bulk", on=["path"], category="orders", audience={"path": "data.who"}),
    {
        **_document("hello", "bulk", on=["hello"], category="promotions"),
        "steps": [
            {"channel": "inbox", "title": "{{ data.token }}", "body": "Hello {{ recipient.name }}"}
        ],
    },
    {
        **_document("ring", "transactional", on=["ring"], category="orders"),
        "steps": [
            {"channel": "inbox", "title": "{{ data.token }}", "body": "{{ data.note }}"},
            {"channel": CHANNEL, "title": "{{ data.token }}", "body": "{{ data.note }}"},
        ],
    },
    {
        **_document("leave", "transactional", on=["leave"], category="orders"),
        "steps": [{"channel": CHANNEL, "title": "{{ data.token }}", "body": "bye"}],
    },
    {
        **_document("follow", "transactional", on=["follow"], category="calm"),
        "steps": [
            {"channel": "inbox", "title": "{{ data.token }}", "body": "{{ data.note }}"},
            {"channel": CHANNEL, "title": "{{ data.token }}", "body": "{{ data.note }}"},
            {"wait": {"for": "20m", "unless": "delivered", "of": [CHANNEL]}},
            {"channel": "push"},
        ],
    },
    {
        **_document("nudge", "bulk", on=["nudge"], category="orders"),
        "steps": [
            {"channel": "inbox", "title": "{{ data.token }}", "body": "{{ data.note }}"},
            {"wait": {"for": "20m", "unless": "read"}},
            {"channel": "push"},
            {"delay": "10m"},
            {"channel": "push", "name": "last"},
        ],
    },
)

TAKING = {
    event_type: tuple(sorted(str(w["key"]) for w in WORKFLOWS if event_type in w["on"]))
    for event_type in (
        "order",
        "alert",
        "calm",
        "path",
        "hello",
        "nudge",
        "ring",
        "follow",
        "nobody",
    )
}
"""Type of event → workflows that take it."""

LANE = {str(w["key"]): str(w["lane"]) for w in WORKFLOWS}
CATEGORY = {str(w["key"]): str(w["category"]) for w in WORKFLOWS}


async def furnish(life: Life) -> None:
    """Publish the workflows and create the people."""
    app = life.driving.api.local()
    for document in WORKFLOWS:
        path = f"/v1/workflows/{document['key']}"
        body = {name: value for name, value in document.items() if name != "key"}
        for call in (("PUT", path, body), ("POST", f"{path}/publish", None)):
            _check(await request(app, *call))
    for id in (*PEOPLE, LEAVER):
        _check(await request(app, "PUT", f"/v1/recipients/{id}", {"name": id.upper()}))
        where = {"channel": CHANNEL, "address": address_of(id)}
        _check(await request(app, "POST", f"/v1/recipients/{id}/addresses", where))
    _check(await request(app, "PUT", "/v1/groups/team", {"name": "Team"}))
    _check(await request(app, "PUT", "/v1/groups/team/members", {"recipients": list(TEAM)}))


def _check(reply: Any) -> None:
    if reply.status >= 300:
        raise AssertionError(f"the shop cannot be furnished: {reply}")
