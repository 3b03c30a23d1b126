"""What every store of messages that may be edited guarantees."""

from __future__ import annotations

from tests.contract.state_stores import StateStores
from tocsin.ports.state import StandingMessage


def message(n: int, recipient: int = 7, provider_id: str = "1") -> StandingMessage:
    return StandingMessage(bytes([n]) * 16, recipient, "slack", provider_id, 5, 10)


async def test_the_last_message_of_each_key_stands_and_survives_a_restart(
    state: StateStores,
) -> None:
    standings = await state.standings()
    await standings.put([message(1), message(2, provider_id="a"), message(2, provider_id="b")])
    await standings.put([message(1, provider_id="c")])
    await state.reopen()

    found = await (await state.standings()).by_key([bytes([n]) * 16 for n in (1, 2, 3)])
    assert found == {
        bytes([1]) * 16: message(1, provider_id="c"),
        bytes([2]) * 16: message(2, provider_id="b"),
    }
    assert await (await state.standings()).by_key([]) == {}


async def test_one_recipients_go_when_she_is_erased(state: StateStores) -> None:
    standings = await state.standings()
    await standings.put([message(1), message(2), message(3, recipient=8)])

    assert await standings.erase(7) == 2
    assert await standings.erase(7) == 0
    assert list(await standings.by_key([bytes([n]) * 16 for n in (1, 2, 3)])) == [bytes([3]) * 16]
