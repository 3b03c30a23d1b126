"""Who waits for room on a host's connections, and when another one is made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import pytest
from hyperframe.frame import GoAwayFrame, SettingsFrame

from tests.support.http2_wire import Wire
from tocsin.adapters.http2.connection import Connection
from tocsin.adapters.http2.host import Host, Room
from tocsin.adapters.http2.opening import OtherProtocol, Unreached
from tocsin.ports.transport import NoAnswerReason

LATER_S = 1_000.0


class Ending(Wire):
    """Ends as soon as it is told to."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def close(self) -> None:
        super().close()
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        raise AssertionError("it had ended")


class Openings:
    """Connections that take one call each; or what happens instead, one after the other."""

    def __init__(self, *instead: Exception) -> None:
        self.made: list[Connection] = []
        self.instead = deque(instead)

    async def __call__(self, changed: Callable[[Connection], None]) -> Connection:
        await asyncio.sleep(0)
        if self.instead:
            raise self.instead.popleft()
        connection = Connection(changed, streams_max=1, answer_bytes_max=1_000)
        connection.connection_made(Ending(connection))
        connection.data_received(SettingsFrame(0).serialize())
        self.made.append(connection)
        return connection


def roomy() -> Room:
    return Room(100, lambda _: None)


async def begun(host: Host) -> Connection:
    """Begin a call, as a client does."""
    due_s = asyncio.get_running_loop().time() + LATER_S
    connection = host.free() or await host.wait(due_s)
    connection.begin(b"", b"", due_s)
    return connection


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_connections_are_made_for_all_who_wait_though_nobody_else_comes() -> None:
    openings = Openings()
    host = Host(openings, connections_max=3, room=roomy())
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(begun(host)) for _ in range(5)]
    await settled()
    assert [each.done() for each in waiting] == [True] * 3 + [False] * 2
    assert len(openings.made) == 3
    await host.close()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_another_is_made_for_one_that_ends_though_the_rest_are_full() -> None:
    openings = Openings()
    host = Host(openings, connections_max=2, room=roomy())
    await asyncio.gather(begun(host), begun(host))
    waiting = asyncio.get_running_loop().create_task(begun(host))
    await settled()
    assert not waiting.done()
    openings.made[0].data_received(GoAwayFrame(0, last_stream_id=1).serialize())
    await settled()
    assert waiting.done()
    assert len(openings.made) == 3
    await host.close()


@pytest.mark.parametrize(
    "error", [Unreached(NoAnswerReason.TLS), OtherProtocol(), RuntimeError("no threads left")]
)
async def test_whatever_goes_wrong_who_waits_hears_of_it(error: Exception) -> None:
    openings = Openings(error)
    host = Host(openings, connections_max=1, room=roomy())
    said = await asyncio.gather(*(begun(host) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in said] == [type(error)] * 3
    assert await begun(host) in openings.made
    await host.close()


async def test_who_speaks_no_http_2_any_more_keeps_nobody_waiting() -> None:
    openings = Openings()
    host = Host(openings, connections_max=2, room=roomy())
    await begun(host)
    openings.instead.append(OtherProtocol())
    with pytest.raises(OtherProtocol):
        await begun(host)
    assert not host.speaks_http_2
    await host.close()


async def test_who_is_called_up_and_goes_away_lets_the_next_one_go() -> None:
    openings = Openings()
    host = Host(openings, connections_max=1, room=roomy())
    connection = await begun(host)
    loop = asyncio.get_running_loop()
    gone, behind = (loop.create_task(begun(host)) for _ in range(2))
    await settled()
    connection.give_up(1)
    gone.cancel()
    await settled()
    assert gone.cancelled()
    assert behind.done()
    await host.close()


async def test_a_connection_that_was_silent_for_long_is_not_used_again() -> None:
    """Whoever stands between may have forgotten it."""
    openings = Openings()
    host = Host(openings, connections_max=1, room=roomy())
    connection = await begun(host)
    connection.give_up(1)
    connection.heard_s -= 101
    assert await begun(host) is openings.made[1]
    assert connection.over
    await host.close()


async def test_a_host_that_is_closed_opens_nothing() -> None:
    openings = Openings()
    host = Host(openings, connections_max=2, room=roomy())
    await begun(host)
    await host.close()
    with pytest.raises(asyncio.CancelledError):
        await begun(host)
    assert len(openings.made) == 1


async def test_all_hosts_together_have_no_more_connections_than_there_is_room_for() -> None:
    told: list[int] = []
    room = Room(2, told.append)
    openings = Openings(Unreached(NoAnswerReason.TLS))
    first, second = (Host(openings, connections_max=5, room=room) for _ in range(2))
    with pytest.raises(Unreached):
        await begun(first)
    connection = await begun(first)
    await begun(first)
    assert told == [1, 0, 1, 2]
    loop = asyncio.get_running_loop()
    waiting = loop.create_task(begun(first))
    said = await asyncio.gather(begun(second), begun(second), return_exceptions=True)
    # Somebody else is to call that host, for now.
    assert [type(each) for each in said] == [OtherProtocol] * 2
    assert second.speaks_http_2
    assert not waiting.done()
    connection.data_received(GoAwayFrame(0, last_stream_id=1).serialize())
    connection.connection_lost(None)
    await settled()
    assert waiting.done()
    assert told == [1, 0, 1, 2, 1, 2]
    await first.close()
    await second.close()
    assert told[-1] == 0


async def test_who_waits_for_a_host_that_has_lost_its_room_waits_no_longer() -> None:
    room = Room(1, lambda _: None)
    openings = Openings()
    first, second = (Host(openings, connections_max=1, room=room) for _ in range(2))
    connection = await begun(first)
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(begun(first)) for _ in range(3)]
    await settled()
    # Its end is on its way, and its room is another's before anybody there looks.
    connection.data_received(GoAwayFrame(0, last_stream_id=1).serialize())
    await settled()
    said = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in said] == [OtherProtocol] * 3
    await first.close()
    await second.close()
