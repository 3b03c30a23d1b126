"""``POST /v1/callbacks/{provider}`` over the HTTP side: who is heard, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.delivering.site import Site, Vendor, delivery_of, process
from tocsin.api.app import Api
from tocsin.app.receipts.guard import FORGED_BURST
from tocsin.domain.topics import RECEIPTS
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.wiring.http import build_driving


class Front:
    """A process with its HTTP side, and who calls back."""

    def __init__(self, site: Site, api: Api) -> None:
        self.site = site
        self._app = api.network()

    async def post(
        self, callback: Callback, provider: str = "pager", client: str = "192.0.2.9"
    ) -> httpx2.Response:
        return await self._of(client).post(
            f"/v1/callbacks/{provider}?from=x&from=y",
            content=callback.body,
            headers=dict(callback.headers),
        )

    def _of(self, client: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self._app, client=(client, 5000))
        return httpx2.AsyncClient(transport=transport, base_url="http://tocsin.test")

    def callback(self, *references: str, genuine: bool = True) -> Callback:
        simulator = self.site.simulator
        at_ms = self.site.services.wall_ms()
        return simulator.callback(references, ReceiptState.DELIVERED, at_ms, genuine=genuine)


@pytest.fixture(params=["joint", "split"])
async def front(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Front]:
    async with (
        Vendor().serving() as vendor,
        process(tmp_path, str(request.param), vendor) as site,
    ):
        await site.publish()
        site.start()
        driving = build_driving(
            site.services, asyncio.get_running_loop(), _spawns_nothing, lambda: False
        )
        yield Front(site, driving.api)


def _spawns_nothing(_work: object) -> None:
    raise AssertionError("no socket is opened here")


async def test_a_genuine_callback_is_told(front: Front) -> None:
    ana = await front.site.person("ana", "ana-pager")
    event = await front.site.send("ana", 1)
    await front.site.until_settled(event, ana, "sent")
    answer = await front.post(front.callback("dlv_" + delivery_of(event, ana).hex()))
    assert (answer.status_code, answer.content) == (204, b"")
    await front.site.until_settled(event, ana, "delivered")


async def test_a_forged_callback_is_401(front: Front) -> None:
    answer = await front.post(front.callback("dlv_" + "0" * 40, genuine=False))
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_an_unknown_provider_is_404(front: Front) -> None:
    answer = await front.post(front.callback("dlv_" + "0" * 40), provider="pigeon")
    assert answer.status_code == 404


async def test_a_body_above_the_limit_is_413(front: Front) -> None:
    size = front.site.services.config.http.request_bytes_max + 1
    answer = await front.post(
        front.site.simulator.signed(b"x" * size, front.site.services.wall_ms())
    )
    assert answer.status_code == 413


async def test_a_body_that_cannot_be_read_is_400(front: Front) -> None:
    answer = await front.post(front.site.simulator.signed(b"{", front.site.services.wall_ms()))
    assert answer.status_code == 400


@pytest.mark.parametrize("reference", ["dlv_" + "f" * 40, "somebody-elses", "dlv_", ""])
async def test_a_reference_that_nobody_knows_is_taken_and_tells_nothing(
    front: Front, reference: str
) -> None:
    assert (await front.post(front.callback(reference))).status_code == 204
    assert not await front.site.services.storage.ledger.settled_counts(0, 2**47)


async def test_forged_callbacks_are_soon_not_even_looked_at_and_others_still_are(
    front: Front,
) -> None:
    forged = front.callback("dlv_" + "0" * 40, genuine=False)
    statuses = Counter([(await front.post(forged)).status_code for _ in range(300)])
    assert set(statuses) == {401, 429}
    # Enough of them are looked at that a vendor behind the same proxy gets through in the end.
    assert FORGED_BURST <= statuses[401] < 300
    genuine = front.callback("dlv_" + "0" * 40)
    assert (await front.post(genuine, client="192.0.2.10")).status_code == 204


async def test_a_word_on_the_channel_is_answered_as_the_vendor_wants_it(front: Front) -> None:
    word = [{"ref": "", "state": "STOP", "at_ms": front.site.services.wall_ms(), "sender": "a-p"}]
    body = msgspec.json.encode(word)
    answer = await front.post(front.site.simulator.signed(body, front.site.services.wall_ms()))
    assert (answer.status_code, answer.content) == (200, b"heard")
    assert answer.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("at_ms", [1 << 70, -(1 << 70), 1 << 63, 0, -1, 253_402_300_800_000])
async def test_a_time_that_cannot_be_is_that_of_the_receipt(front: Front, at_ms: int) -> None:
    """What is no time must stop neither this callback nor what is appended beside it."""
    site = front.site
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "sent")
    reference = "dlv_" + delivery_of(event, ana).hex()
    said = [
        {"ref": reference, "state": "opened", "at_ms": at_ms},
        {"ref": "", "state": "STOP", "at_ms": at_ms, "sender": "a-pager"},
    ]
    signed = site.simulator.signed(json.dumps(said).encode(), site.services.wall_ms())
    assert (await front.post(signed)).status_code == 200
    history = await site.until_settled(event, ana, "opened")
    assert history[-1].at_ms == site.clock.now_ms()
    (entry,) = await site.services.stores.suppressions.page(None, 10)
    assert 0 <= entry.at_ms <= site.clock.now_ms()


async def test_a_delivery_that_is_yet_to_be_made_is_none_of_ours(front: Front) -> None:
    """Retention goes by the times of deliveries, and would stop before it."""
    log = front.site.services.storage.log
    assert (await front.post(front.callback("dlv_" + "f" * 40))).status_code == 204
    assert [log.end(RECEIPTS, each) for each in range(log.partitions)] == [0] * log.partitions
    early = "dlv_" + (front.site.clock.now_ms() + 3_600_000).to_bytes(6, "big").hex() + "0" * 28
    assert (await front.post(front.callback(early))).status_code == 204
    assert sum(log.end(RECEIPTS, each) for each in range(log.partitions)) == 1
