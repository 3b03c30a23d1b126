"""The mail server that a sandbox plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tocsin.channels.email.smtp.simulator import SmtpSimulator
from tocsin.ports.simulator import Taken


class _Watched(SmtpSimulator):
    looked = 0

    @property
    def taken(self) -> Sequence[Taken]:
        self.looked += 1
        return super().taken


async def test_a_new_connection_to_the_played_server_does_not_read_its_mailbox() -> None:
    """The library that speaks for it looks at all that its hooks have."""
    played = _Watched()
    await played.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", played.port)
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        await writer.wait_closed()
    finally:
        await played.close()
    assert not played.looked
