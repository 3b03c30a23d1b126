"""What all played chat platforms keep."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.channels.chat_vendor import playing
from tocsin.ports.outcomes import Accepted, TryLater
from tocsin.ports.simulator import Dial


@pytest.mark.parametrize("name", ["discord", "slack", "telegram"])
async def test_a_message_whose_answer_got_lost_keeps_its_id_for_itself(name: str) -> None:
    async with playing(name) as chat:
        chat.simulator.dial([Dial.TAKE_AND_DROP])
        assert isinstance(await chat.send(chat.message()), TryLater)
        another = replace(chat.message(), reference="dlv_" + "4" * 40)
        assert isinstance(await chat.send(another), Accepted)
        kept = chat.simulator.messages()
        assert [each.replaces for each in kept] == [None, None]
