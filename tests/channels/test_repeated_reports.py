"""What mail services report, and nobody takes: they say it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import pytest

from tests.channels.vendor_bench import NOW_MS, bench
from tests.support.leaping import leaping, passes
from tocsin.channels.email.mailgun.simulator import MailgunSimulator
from tocsin.channels.email.playing.simulating import MailSimulating
from tocsin.channels.email.postmark.simulator import PostmarkSimulator
from tocsin.channels.email.sendgrid.simulator import SendGridSimulator
from tocsin.channels.email.ses.simulator import SesSimulator
from tocsin.errors import Unavailable
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Action, Deed

HOUR_S = 3_600
MINUTE_S = 60
REFERENCE = "dlv_" + "3" * 40


async def delivered(simulator: MailSimulating) -> Deed:
    """Return that a letter was, which it has taken."""
    id = await simulator._keep(
        reference=REFERENCE, to="ana@example.test", content={}, raw=b"x", answer="202", taken=True
    )
    return Deed(id, Action.DELIVER, NOW_MS)


class Listener:
    """Takes what is told, or does not, and notes when."""

    def __init__(self, fails: int) -> None:
        self.fails = fails
        self.heard_s: list[float] = []
        self.bodies: set[bytes] = set()
        self.taken: list[Callback] = []

    async def tell(self, callback: Callback) -> Response:
        now_s = asyncio.get_running_loop().time()
        self.heard_s.append(now_s)
        self.bodies.add(callback.body)
        if len(self.heard_s) <= self.fails:
            raise Unavailable("nobody listens")
        self.taken.append(replace(callback, received_ms=NOW_MS + int(now_s * 1_000)))
        return Response()


@pytest.mark.parametrize(
    ("make", "pauses_s"),
    [
        (SendGridSimulator, SendGridSimulator.pauses_s),
        (MailgunSimulator, [each * MINUTE_S for each in (10, 10, 15, 30, 60, 120, 240)]),
        (
            PostmarkSimulator,
            [each * MINUTE_S for each in (1, 5, 10, 10, 10, 15, 30, 60, 120, 360)],
        ),
        (SesSimulator, [20, 20, 20]),
    ],
)
def test_until_it_has_no_more_patience(
    make: Callable[[], MailSimulating], pauses_s: Sequence[float]
) -> None:
    async def main() -> list[float]:
        simulator, listener = make(), Listener(fails=100)
        with pytest.raises(Unavailable):
            await simulator.act(await delivered(simulator), listener.tell)
        await passes(72 * HOUR_S)
        await simulator.close()
        assert len(listener.bodies) == 1
        return listener.heard_s

    assert leaping(main()) == pytest.approx([0, *accumulate(pauses_s)])


def test_sendgrid_goes_on_for_most_of_a_day_in_pauses_that_grow() -> None:
    pauses_s = SendGridSimulator.pauses_s
    assert sorted(pauses_s) == list(pauses_s)
    assert 20 * HOUR_S < sum(pauses_s) <= 24 * HOUR_S


def test_until_it_is_taken_and_a_late_one_is_believed() -> None:
    """Nobody listened for almost all of the time that SendGrid tries."""

    async def main() -> None:
        async with bench("sendgrid") as one:
            listener = Listener(fails=len(SendGridSimulator.pauses_s))
            with pytest.raises(Unavailable):
                await one.simulator.act(await delivered(one.simulator), listener.tell)
            await passes(72 * HOUR_S)
            (taken,) = listener.taken
            assert taken.received_ms - NOW_MS > 20 * HOUR_S * 1_000
            (receipt,) = (await one.provider.read_callback(taken)).receipts
            assert (receipt.reference, receipt.state) == (REFERENCE, "delivered")

    leaping(main())


def test_what_is_taken_at_once_is_said_once() -> None:
    async def main() -> list[float]:
        simulator, listener = SendGridSimulator(), Listener(fails=0)
        await simulator.act(await delivered(simulator), listener.tell)
        await passes(72 * HOUR_S)
        await simulator.close()
        return listener.heard_s

    assert leaping(main()) == [0]


def test_who_closes_says_nothing_more() -> None:
    async def main() -> list[float]:
        simulator, listener = SendGridSimulator(), Listener(fails=100)
        with pytest.raises(Unavailable):
            await simulator.act(await delivered(simulator), listener.tell)
        await simulator.close()
        await passes(72 * HOUR_S)
        return listener.heard_s

    assert leaping(main()) == [0]
