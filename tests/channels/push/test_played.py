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
from tocsin.ports.outcomes import Accepted
from tocsin.ports.simulator import Stage


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
