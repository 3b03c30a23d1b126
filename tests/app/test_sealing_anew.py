"""A new key: what older ones have sealed lies under it in the end, whatever comes in between."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.app.town import LAYOUTS, Town, opened
from tocsin.adapters.sealing import AesSealer
from tocsin.adapters.system import SystemChance
from tocsin.app.addresses import AddressBook
from tocsin.app.optouts import OptOuts
from tocsin.app.sealing_anew import SealingAnew
from tocsin.app.status_webhooks.teller import open_secret, secret_place
from tocsin.domain.preferences import Consent
from tocsin.domain.recipient import Recipient
from tocsin.domain.status_webhook import StatusWebhook, Told
from tocsin.ports.state import Erasure
from tocsin.wiring.encryption_keys import SANDBOX_ENCRYPTION_FILE
from tocsin.wiring.upkeep import build_sealing

NEW = b"n" * 32
COUNT = 450
CHANGED = 30


class Killed(Exception):
    """Stands for a process that ends here."""


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


class Site:
    """A town with people and an endpoint under its first key."""

    def __init__(self, town: Town) -> None:
        self.town, self.stores = town, town.services.stores
        self.book = town.services.book
        text = (town.folder / SANDBOX_ENCRYPTION_FILE).read_text()
        self.keys = [NEW, base64.b64decode(text)]
        self.optouts = OptOuts(self.stores.journal, self.stores.sealer)

    async def fill(self) -> None:
        """Put everybody, some twice, an endpoint, and a refusal in the journal."""
        people = [self.person(n) for n in range(COUNT)]
        stored = list(await self.stores.recipients.put(people))
        consents = (Consent("sms", None, False, "page", None, 1),)
        changed = [replace(r, version=2, changed_ms=1, consents=consents) for r in stored[:CHANGED]]
        await self.optouts.note(zip(stored, changed, strict=False))
        await self.stores.recipients.put(changed)
        sealed = self.stores.sealer.seal("whsec", place=secret_place("crm"))
        webhook = StatusWebhook(key="crm", url="https://crm.example", sealed_secret=sealed)
        await self.stores.status_webhooks.put(webhook, Told((), version=1, at_ms=1))
        await self.stores.recipients.durable()

    def person(self, n: int) -> Recipient:
        """Return somebody with a letter box and an endpoint of her own."""
        id = f"r{n}"
        mail = self.book.make(id, 1, "email", f"{id}@example.org")
        hook = self.book.make(id, 2, "webhook", f"https://{id}.example", secret=f"secret of {id}")
        return Recipient(0, id, addresses=(mail, hook))

    def sealing(self, killed_at: int | None = None) -> SealingAnew:
        """Return what seals anew, killed after so many slices."""
        slices = 0

        def crash(_point: str) -> None:
            nonlocal slices
            slices += 1
            if slices == killed_at:
                raise Killed

        services = self.town.services
        return build_sealing(services.storage, self.stores, services.clock, _at_once, crash)

    async def left(self) -> int:
        """Return how many rows a run has to write: 0 when nothing is under an older key."""
        rows = [n async for n in self.stores.recipients.reseals().reseal()]
        return sum(rows)

    async def check(self, keys: list[bytes]) -> None:
        """Open everything, with *keys* alone."""
        sealer = AesSealer(keys, SystemChance())
        book = AddressBook(sealer)
        numbers = range(1, COUNT + 1)
        people = list((await self.stores.recipients.by_number(numbers)).values())
        for n in range(1, CHANGED + 1):
            old = await self.stores.recipients.version(n, 1)
            assert old is not None
            people.append(old)
        assert len(people) == COUNT + CHANGED
        for one in people:
            assert book.open(one, one.addresses[0]) == f"{one.id}@example.org"
            assert book.open_secret(one, one.addresses[1]) == f"secret of {one.id}"
        (webhook,) = await self.stores.status_webhooks.all()
        assert open_secret(sealer, webhook) == "whsec"
        optouts = OptOuts(self.stores.journal, sealer)
        # Nothing of it is missing in the store, which only says so after opening every name.
        assert await optouts.restore(self.stores.recipients, self.stores.suppressions) == 0


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path, request.param) as town:
        made = Site(town)
        await made.fill()
        yield made


async def test_everything_lies_under_the_new_key_in_the_end(site: Site) -> None:
    before = await site.stores.recipients.by_id(["r7"])
    site.stores.sealer.take(site.keys)

    assert await site.sealing().once()

    await site.check([NEW])
    assert await site.left() == 0
    (after,) = (await site.stores.recipients.by_id(["r7"])).values()
    assert after.version == before["r7"].version
    assert [a.digest for a in after.addresses] == [a.digest for a in before["r7"].addresses]


async def test_without_a_new_key_nothing_is_written(site: Site) -> None:
    before = (site.town.folder / "optouts.journal").read_bytes()
    assert await site.sealing().once()
    assert await site.left() == 0
    assert (site.town.folder / "optouts.journal").read_bytes() == before


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4, 5, 6])
async def test_a_crash_in_the_middle_goes_on_where_it_was(tmp_path: Path, killed_at: int) -> None:
    async with opened(tmp_path, "joint") as town:
        site = Site(town)
        await site.fill()
        site.stores.sealer.take(site.keys)
        with pytest.raises(Killed):
            await site.sealing(killed_at).once()
        done = await _under(site, NEW)
        assert done == min(COUNT, 200 * killed_at)
    async with opened(tmp_path, "joint") as town:
        site = Site(town)
        site.stores.sealer.take(site.keys)
        await site.check(site.keys)
        assert await site.sealing().once()
        await site.check([NEW])


async def _under(site: Site, key: bytes) -> int:
    sealer = AesSealer([key], SystemChance())
    people = await site.stores.recipients.by_number(range(1, COUNT + 1))
    return sum(sealer.newest(one.addresses[0].sealed) for one in people.values())


async def test_who_was_read_before_the_key_came_is_stored_under_it(site: Site) -> None:
    """A change that began before must not bring the older key back behind the run."""
    (before,) = (await site.stores.recipients.by_id(["r7"])).values()
    late = site.person(COUNT)
    site.stores.sealer.take(site.keys)
    assert await site.sealing().once()

    await site.stores.recipients.put([replace(before, version=before.version + 1, name="Ada")])
    await site.stores.recipients.put([late])
    await site.stores.recipients.durable()

    assert await site.left() == 0


async def test_an_erasure_under_way_holds_the_older_key(site: Site) -> None:
    sealed = site.stores.sealer.seal("ada", place="erased")
    job = Erasure(b"e" * 16, b"d" * 16, 1, 1, sealed, "erased-1")
    await site.stores.erasures.put(job)
    site.stores.sealer.take(site.keys)

    assert not await site.sealing().once()
    await site.stores.erasures.put(replace(job, sealed=None, done_ms=2))
    assert await site.sealing().once()


async def test_a_value_that_nothing_opens_stays_and_holds_nobody_up(site: Site) -> None:
    (one,) = (await site.stores.recipients.by_id(["r7"])).values()
    mail = one.addresses[0]
    damaged = replace(mail, sealed=mail.sealed[:-1] + bytes([mail.sealed[-1] ^ 1]))
    addresses = (damaged, *one.addresses[1:])
    await site.stores.recipients.put([replace(one, version=one.version + 1, addresses=addresses)])
    site.stores.sealer.take(site.keys)

    assert await site.sealing().once()

    (after,) = (await site.stores.recipients.by_id(["r7"])).values()
    assert after.addresses[0] == damaged
    assert site.stores.sealer.newest(after.addresses[1].sealed)
