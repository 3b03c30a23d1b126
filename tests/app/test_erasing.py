"""Erasure: nothing is sent any more, nothing is left of a person, and a backup brings nothing back."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.app.town import LAYOUTS, Town, opened
from tests.support.waiting import awaited
from tocsin.adapters.sqlite.writer import Writer
from tocsin.app.accepting.warnings import CallWarnings
from tocsin.app.callers import LOCAL
from tocsin.app.cancels import Cancel, KeptCancels
from tocsin.app.inbox import Reader
from tocsin.app.optouts import OptOuts
from tocsin.app.people import People
from tocsin.app.profile import AddressInput, ProfileInput
from tocsin.app.sending import Sending
from tocsin.app.trail import Notes
from tocsin.domain.audience import Subscription
from tocsin.domain.by_hand import SEND_KEY
from tocsin.errors import Conflict, NotFound, Unauthenticated
from tocsin.ports.state import Erasure, StoredAnswer, Tombstone
from tocsin.wiring.erasing import Erasing, build_erasing
from tocsin.wiring.keeping import build_keeper

CANARY = "tocsin-canary"
DAY_MS = 86_400_000
HER = f"{CANARY}-id@example.org"
POINTS = ("erase-let-go", "erase-history", "erase-inbox", "erase-answers")

WELCOME = {
    "key": "welcome",
    "on": ["welcome"],
    "category": "news",
    "lane": "bulk",
    "steps": [{"channel": "inbox", "title": "Hello {{ recipient.name }}", "body": "{{ data.w }}"}],
}


class Killed(Exception):
    """Stands for a process that ends here."""


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


@dataclass
class Site:
    """A town where people may go."""

    town: Town
    erasing: Erasing
    people: People
    optouts: OptOuts

    async def rounds(self) -> None:
        """Let the background step come to its end."""

        async def ended() -> None:
            while await self.erasing.step.once():  # noqa: ASYNC110  # a round tells nobody
                await asyncio.sleep(0)

        await awaited("erased", ended())

    async def send(self, *recipients: object, word: str = f"{CANARY}-data") -> bytes:
        (key,) = await self.town.send(
            {"type": "welcome", "recipients": list(recipients), "data": {"w": word}, "subject": HER}
        )
        await self.town.routed()
        return key

    async def by_hand(self) -> bytes:
        """Send her a message that says all that one can say."""
        services = self.town.services
        warnings = CallWarnings(services.stores.audiences, lambda: ("inbox",))
        fields = ("title", "body", "html", "url", "image")
        content = {name: f"{CANARY}-{name}" for name in fields}
        action = {"label": f"{CANARY}-label", "url": f"{CANARY}-action"}
        body = {
            "recipients": [HER],
            "channels": ["inbox", "email", "push"],
            "content": {**content, "actions": [action]},
        }
        sending = Sending(services.accept, services.registry, warnings)
        sent = await sending.by_hand(LOCAL, msgspec.json.encode(body), None)
        await self.town.routed()
        return sent.taken.key

    async def erase(self) -> Erasure:
        """Erase her, whole."""
        id = await self.erasing.desk.erase(LOCAL, HER)
        await self.rounds()
        return await self.erasing.desk.get(id)


@asynccontextmanager
async def site_of(folder: Path, layout: str, crash: str | None = None) -> AsyncIterator[Site]:
    def end(point: str) -> None:
        if point == crash:
            raise Killed(point)

    _make(folder)
    async with opened(folder, layout) as town:
        await town.publish(WELCOME)
        services, stores = town.services, town.services.stores
        optouts = OptOuts(stores.journal, stores.sealer)
        await optouts.restore(stores.recipients, stores.suppressions)
        erasing = build_erasing(
            services.config,
            services.storage,
            stores,
            town.clock,
            services.chance,
            _at_once,
            end,
        )
        await erasing.desk.restore()
        notes = Notes(stores.trail, town.clock)
        people = People(
            stores.recipients, stores.erasures, optouts, notes, services.book, town.clock
        )
        town.start()
        yield Site(town, erasing, people, optouts)


async def _live(site: Site) -> int:
    """Let her do all that leaves a trace; returns her number."""
    town, stores = site.town, site.town.services.stores
    profile = ProfileInput(
        name=f"{CANARY}-name",
        email=f"{CANARY}-mail@example.org",
        attributes=msgspec.Raw(f'{{"note":"{CANARY}-attribute"}}'.encode()),
    )
    one, _ = await site.people.replace(LOCAL, HER, profile)
    await site.people.amend(LOCAL, HER, ProfileInput(name=f"{CANARY}-second"))
    await site.people.set_preferences(LOCAL, HER, {"categories": {"ads": {"inbox": False}}})
    await site.people.add_address(
        LOCAL, HER, AddressInput(channel="email", address=f"{CANARY}-two@example.org")
    )
    await site.send(HER)
    await site.send({"id": HER, "name": f"{CANARY}-inline", "data": {"w": f"{CANARY}-own"}})
    await site.by_hand()
    await site.send(HER, word=f"{CANARY}-long " * 8_000)
    await stores.audiences.put_group("g", None, town.clock.now_ms())
    await stores.audiences.change_members("g", add=[one.number], remove=[], now_ms=1)
    await stores.audiences.subscribe(
        Subscription(one.number, "p", "1", None, town.clock.now_ms()), town.clock.now_ms()
    )
    until_ms = town.clock.now_ms() + DAY_MS
    await stores.claims.put_tombstone(Tombstone("k", (HER, "bob"), town.clock.now_ms(), until_ms))
    answer = StoredAnswer(200, f'{{"id":"{HER}"}}'.encode(), "application/json")
    await stores.idempotency.begin("s", "k", b"f", town.clock.now_ms())
    await stores.idempotency.finish("s", "k", answer, town.clock.now_ms())
    inbox = town.services.storage.inbox
    items = await inbox.items(one.number, before=None, limit=1)
    await town.services.inbox.change(Reader(one.number, HER), "read", [items[0].key])
    await town.followed()
    return one.number


def _make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)


def _found(folder: Path, what: str = CANARY) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and what.encode() in path.read_bytes():
            yield path.name


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_no_file_holds_anything_of_her(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        number = await _live(site)
        assert list(_found(tmp_path))
        done = await site.erase()
        assert done.done_ms is not None
        assert list(_found(tmp_path)) == []
        assert number in site.town.services.stores.gone
    assert list(_found(tmp_path)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_what_others_were_told_stays_until_its_date_and_goes_then(
    tmp_path: Path, layout: str
) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        await _live(site)
        await site.send(HER, "bob", word=f"{CANARY}-shared")
        done = await site.erase()
        assert done.shared_until_ms == site.town.clock.now_ms() + 90 * DAY_MS
        assert "others were told" in done.proof.decode()
        services = site.town.services
        bob = (await services.stores.recipients.by_id(["bob"]))["bob"]
        (item,) = await services.storage.inbox.items(bob.number, before=None, limit=5)
        assert f"{CANARY}-shared".encode() in item.body
        assert list(_found(tmp_path, HER)) == []
        site.town.clock.advance(done.shared_until_ms + 1)
        keeper = build_keeper(
            services.config, services.storage, services.stores, site.town.clock, _at_once
        )
        await keeper.once()
        for writer in services.storage.writers.values():
            await awaited("nobody reads the WAL", _cut(writer))
        assert list(_found(tmp_path)) == []


async def _cut(writer: Writer) -> None:
    while not await writer.cut_wal(50):
        continue


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_cancel_that_named_her_names_the_others_alone(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        await _live(site)
        services = site.town.services
        kept, now_ms = KeptCancels(services.stores.blobs), site.town.clock.now_ms()
        alone, both = [
            await kept.keep(Cancel("k", who, now_ms, now_ms + DAY_MS), services.chance)
            for who in ((HER,), ("bob", HER))
        ]
        assert [path.parent.name for path in (tmp_path / "d").rglob(both)] == ["cancels"]
        await site.erase()
        assert list(_found(tmp_path)) == []
        assert (await kept.get(both)).recipients == ("bob",)
        with pytest.raises(NotFound):
            await kept.get(alone)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_nothing_is_sent_to_her_any_more(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        number = await _live(site)
        services = site.town.services
        before = await services.storage.inbox.items(number, before=None, limit=50)
        await site.erasing.desk.erase(LOCAL, HER)
        # An event that names her, before and after everything is gone.
        key = await site.send(HER)
        await site.rounds()
        later = await site.send({"id": HER, "name": "again"})
        assert len(await services.storage.inbox.items(number, before=None, limit=50)) == len(before)
        for each in (key, later):
            told = await services.history.explainer(each, HER)
            assert told.outcome == "suppressed"
            assert told.runs[0].deliveries[0].reason == "erased"
        assert (await services.stores.recipients.by_id([HER]))[HER].number == number
        assert (await services.history.auditor(0)).violations == 0


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_what_was_sent_by_hand_can_still_be_explained(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        await _live(site)
        key = await site.by_hand()
        await site.erase()
        told = await site.town.services.history.explainer(key, HER)
        assert told.runs[0].workflow == SEND_KEY


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_who_comes_back_is_somebody_new(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        number = await _live(site)
        await site.erasing.desk.erase(LOCAL, HER)
        with pytest.raises(NotFound):
            await site.people.get(HER)
        with pytest.raises(Conflict):
            await site.people.replace(LOCAL, HER, ProfileInput(name="too soon"))
        with pytest.raises(NotFound):
            await site.erasing.desk.erase(LOCAL, HER)
        await site.rounds()
        one, new = await site.people.replace(LOCAL, HER, ProfileInput(name="new"))
        assert new
        assert one.number != number
        await site.send(HER)
        items = await site.town.services.storage.inbox.items(one.number, before=None, limit=5)
        assert len(items) == 1
        # And may go again.
        assert (await site.erase()).done_ms is not None
        assert list(_found(tmp_path)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_her_tokens_end(tmp_path: Path, layout: str) -> None:
    async with site_of(tmp_path / "d", layout) as site:
        number = await _live(site)
        tokens = site.town.services.tokens
        token, _ = tokens.mint(number, HER, (), lives_ms=DAY_MS)
        assert tokens.verify(token).recipient == number
        await site.erasing.desk.erase(LOCAL, HER)
        with pytest.raises(Unauthenticated):
            tokens.verify(token)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_killed_at_any_point_it_is_done_by_the_next(
    tmp_path: Path, layout: str, point: str
) -> None:
    folder = tmp_path / "d"
    async with site_of(folder, layout, point) as site:
        await _live(site)
        id = await site.erasing.desk.erase(LOCAL, HER)
        with pytest.raises(Killed):
            await site.erasing.step.once()
    async with site_of(folder, layout) as site:
        await site.rounds()
        assert (await site.erasing.desk.get(id)).done_ms is not None
        assert list(_found(tmp_path)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_restored_backup_does_not_bring_her_back(tmp_path: Path, layout: str) -> None:
    folder, backup = tmp_path / "d", tmp_path / "backup"
    async with site_of(folder, layout) as site:
        await _live(site)
    shutil.copytree(folder, backup)
    async with site_of(folder, layout) as site:
        id = await site.erasing.desk.erase(LOCAL, HER)
        await site.rounds()
    shutil.copy(folder / "optouts.journal", backup / "optouts.journal")
    shutil.rmtree(folder)
    async with site_of(backup, layout) as site:
        with pytest.raises(NotFound):
            await site.people.get(HER)
        await site.rounds()
        assert (await site.erasing.desk.get(id)).done_ms is not None
        assert list(_found(backup)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_backup_from_before_she_came_does_not_let_events_make_her(
    tmp_path: Path, layout: str
) -> None:
    folder, backup = tmp_path / "d", tmp_path / "backup"
    async with site_of(folder, layout):
        pass
    shutil.copytree(folder, backup)
    async with site_of(folder, layout) as site:
        await _live(site)
        await site.erase()
    shutil.copy(folder / "optouts.journal", backup / "optouts.journal")
    async with site_of(backup, layout) as site:
        key = await site.send(HER)
        told = await site.town.services.history.explainer(key, HER)
        assert told.outcome == "suppressed"


async def test_the_proof_is_signed_and_cannot_be_changed(tmp_path: Path) -> None:
    async with site_of(tmp_path / "d", "joint") as site:
        await _live(site)
        done = await site.erase()
        key = Ed25519PublicKey.from_public_bytes(site.town.services.stores.prover.public_key)
        key.verify(done.signature, done.proof)
        with pytest.raises(InvalidSignature):
            key.verify(done.signature, done.proof.replace(b'"inbox":', b'"inbox" :'))
        said = msgspec.json.decode(done.proof)
        assert said["removed"]["inbox"] >= 3
        assert said["removed"]["history"] >= 6
        assert said["removed"]["journal"] >= 1
        assert base64.b64encode(done.signature)
        assert CANARY.encode() not in done.proof


async def test_the_trail_says_that_it_was_done_and_not_who_she_was(tmp_path: Path) -> None:
    async with site_of(tmp_path / "d", "joint") as site:
        number = await _live(site)
        await site.erase()
        trail = site.town.services.stores.trail
        said = [change async for change in trail.entries(0)]
        assert [c.target for c in said if c.action == "recipient.erase"] == [f"recipient/{number}"]
        assert CANARY not in str(said)
        assert await trail.verify() is None
