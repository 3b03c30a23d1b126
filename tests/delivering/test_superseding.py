"""A later message of the same collapse key edits the earlier one, in both layouts."""

from __future__ import annotations

from collections.abc import Mapping

from tests.delivering.site import Site
from tocsin.domain.delivery import EDITED
from tocsin.domain.records import Settled
from tocsin.ports.simulator import Dial
from tocsin.ports.state.standings import KEPT_MS

WORKFLOW: Mapping[str, object] = {
    "key": "alarm",
    "steps": [
        {
            "channel": "chat",
            "title": "Disk",
            "body": "{{ data.n }}",
            "collapse_key": "disk-{{ data.disk }}",
        }
    ],
}


def edits(site: Site) -> list[tuple[str, str | None]]:
    """Return what each page said, and which one it took the place of."""
    return [(each.text, each.supersedes) for each in site.simulator.taken]


async def test_a_later_message_edits_the_earlier_one(site: Site) -> None:
    await site.publish(WORKFLOW)
    ana = await site.person("ana", "ana-pager")
    bo = await site.person("bo", "bo-pager")
    event = b""
    for n, (person, disk) in enumerate([(ana, "a"), (ana, "a"), (ana, "b"), (bo, "a"), (ana, "a")]):
        event = await site.send(person.id, n, data={"n": n, "disk": disk})
        await site.until_settled(event, person, "sent")
    assert edits(site) == [
        ("Disk 0", None),
        ("Disk 1", "page-1"),
        ("Disk 2", None),
        ("Disk 3", None),
        ("Disk 4", "page-1"),
    ]
    (outcome,) = (r for r in await site.history(event, ana) if isinstance(r, Settled))
    assert outcome.detail == EDITED
    told = (await site.services.history.explainer(event, "ana")).sentence
    assert f"was sent it by chat at {told.split(' at ')[1].split()[0]} {EDITED}" in told


async def test_without_a_collapse_key_nothing_is_edited(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    for n in range(2):
        await site.until_settled(await site.send("ana", n), ana, "sent")
    assert [before for _, before in edits(site)] == [None, None]


async def test_a_message_whose_answer_was_lost_is_not_edited_by_its_own_repeat(site: Site) -> None:
    await site.publish(WORKFLOW)
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1, data={"n": 1, "disk": "a"})
    await site.until_settled(event, ana, "deferred")
    await site.pass_time(60_000)
    await site.until_settled(event, ana, "sent")
    assert [before for _, before in edits(site)] == [None, None]


async def test_what_is_too_old_is_left_alone(site: Site) -> None:
    await site.publish(WORKFLOW)
    ana = await site.person("ana", "ana-pager")
    await site.until_settled(await site.send("ana", 1, data={"n": 1, "disk": "a"}), ana, "sent")
    await site.pass_time(KEPT_MS)
    await site.until_settled(await site.send("ana", 2, data={"n": 2, "disk": "a"}), ana, "sent")
    assert [before for _, before in edits(site)] == [None, None]


async def test_another_address_has_a_message_of_its_own(site: Site) -> None:
    await site.publish(WORKFLOW)
    ana = await site.person("ana", "ana-pager")
    await site.until_settled(await site.send("ana", 1, data={"n": 1, "disk": "a"}), ana, "sent")
    ana = await site.readdress(ana, "ana-new-pager")
    event = await site.send("ana", 2, data={"n": 2, "disk": "a"})
    await site.until(lambda: _taken(site, 2))
    assert event
    assert [before for _, before in edits(site)] == [None, None]


async def _taken(site: Site, count: int) -> bool:
    return len(site.simulator.taken) == count
