"""The played vendors of push, as a sandbox runs them."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
import uvloop

from tests.channels.push.support import Played, send
from tocsin.channels.push.fcm.simulator import FcmSimulator
from tocsin.channels.simulating_h2 import TlsSimulating
from tocsin.ports.outcomes import Accepted, Refused, TryLater
from tocsin.ports.simulator import Dial, Stage


@pytest.mark.parametrize("name", ["apns", "fcm", "webpush"])
def test_they_play_on_the_loop_of_a_real_server(tmp_path: Path, name: str) -> None:
    """Transports of that loop are none of asyncio's, which a check of types would not forgive."""

    async def play() -> None:
        played = Played(name, tmp_path)
        provider = await played.start()
        try:
            for n in range(3):
                assert isinstance(await send(provider, played.message(n)), Accepted)
        finally:
            await played.close()

    uvloop.run(play())


@pytest.mark.parametrize("name", ["apns", "fcm", "webpush"])
async def test_what_a_connection_that_ends_did_not_look_at_goes_out_on_another(
    tmp_path: Path, name: str
) -> None:
    played = Played(name, tmp_path)
    provider = await played.start()
    try:
        assert isinstance(played.simulator, TlsSimulating)
        played.simulator.calls_max = 7
        waiting = [played.message(n) for n in range(300)]
        while waiting:
            outcomes = await asyncio.gather(*(send(provider, each) for each in waiting))
            later = [each for each in outcomes if not isinstance(each, Accepted)]
            # Who meets one connection that ends after another is told so, and comes again.
            assert all(isinstance(each, TryLater) and each.known for each in later)
            pairs = zip(waiting, outcomes, strict=True)
            waiting = [each for each, outcome in pairs if not isinstance(outcome, Accepted)]
        taken = [each.reference for each in played.simulator.taken]
        assert len(taken) == len(set(taken)) == 300
        assert played.simulator.ended > 1
    finally:
        await played.close()


@pytest.mark.parametrize("name", ["apns", "fcm", "webpush"])
async def test_what_is_refused_unseen_goes_out_again(tmp_path: Path, name: str) -> None:
    played = Played(name, tmp_path)
    provider = await played.start()
    try:
        assert isinstance(played.simulator, TlsSimulating)
        # With a token, where one is needed, so that what is refused is a message.
        assert isinstance(await send(provider, played.message(1)), Accepted)
        played.simulator.refuse_next = 1
        assert isinstance(await send(provider, played.message(2)), Accepted)
        # Who is refused time and again is told that it was not taken.
        played.simulator.refuse_next = 2
        later = await send(provider, played.message(3))
        assert isinstance(later, TryLater)
        assert later.known
        assert isinstance(await send(provider, played.message(3)), Accepted)
        references = [played.message(n).reference for n in (1, 2, 3)]
        assert [reference for (reference,) in played.simulator.calls] == references
    finally:
        await played.close()


async def test_what_was_begun_is_answered_on_a_connection_that_ends(tmp_path: Path) -> None:
    played = Played("apns", tmp_path)
    provider = await played.start()
    try:
        assert isinstance(played.simulator, TlsSimulating)
        assert isinstance(await send(provider, played.message(1)), Accepted)
        played.simulator.dial([Dial.STALL, Dial.REFUSE])
        played.simulator.bad_max = 1
        async with asyncio.TaskGroup() as tasks:
            begun = tasks.create_task(send(provider, played.message(2)))
            await played.simulator.until_called(2)
            assert isinstance(await send(provider, played.message(3)), Refused)
            assert played.simulator.ended == 1
            assert isinstance(await send(provider, played.message(4)), Accepted)
            assert not begun.done()
            played.simulator.release()
        assert isinstance(begun.result(), Accepted)
        assert len(played.simulator.calls) == 4
    finally:
        await played.close()


async def test_who_is_mistaken_too_often_is_sent_away_by_apple(tmp_path: Path) -> None:
    played = Played("apns", tmp_path)
    provider = await played.start()
    try:
        assert isinstance(played.simulator, TlsSimulating)
        # That a device is gone is no mistake.
        played.simulator.dial([*[Dial.DEAD_ADDRESS] * 10, *[Dial.REFUSE] * 20])
        played.simulator.bad_max = 5
        for n in range(14):
            await send(provider, played.message(n))
        assert played.simulator.ended == 0
        outcomes = [await send(provider, played.message(n)) for n in range(14, 30)]
        assert all(isinstance(each, Refused) for each in outcomes)
        assert played.simulator.ended == 4
    finally:
        await played.close()


def test_who_they_are_outlives_a_restart(tmp_path: Path) -> None:
    shown = []

    async def play() -> None:
        played = Played("fcm", tmp_path)
        await played.start()
        shown.append(str(played.settings["service_account"]).partition('"client_email"')[0])
        await played.close()

    proofs = []
    for _ in range(2):
        uvloop.run(play())
        proofs.append([each.read_bytes() for each in sorted((tmp_path / "tls").iterdir())])
    assert shown[0] == shown[1]
    assert proofs[0] == proofs[1]


def left_behind() -> list[str]:
    """What is let go of only because nobody has it any more."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    return [str(each.message) for each in said]


async def test_one_that_cannot_listen_leaves_no_folder_behind() -> None:
    gc.collect()
    with pytest.raises(OverflowError):
        await FcmSimulator().start(Stage(port=65_536))
    assert left_behind() == []


async def test_one_whose_closing_is_broken_off_leaves_no_folder_behind() -> None:
    gc.collect()
    await _broken_off()
    assert left_behind() == []


async def _broken_off() -> None:
    simulator = FcmSimulator()
    await simulator.start()
    async with asyncio.TaskGroup() as tasks:
        closing = tasks.create_task(simulator.close())
        await asyncio.sleep(0)
        closing.cancel()
    assert closing.cancelled()
