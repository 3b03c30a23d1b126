"""The played vendors of push, as a sandbox runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop

from tests.channels.push.support import Played, send
from tocsin.ports.outcomes import Accepted


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
