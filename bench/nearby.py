"""A provider in this process, ``nearby``: what it costs to deliver, and nothing of any call."""

from collections.abc import Sequence

from tocsin.errors import Malformed
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, TryLater
from tocsin.ports.provider import Flags, ProviderSettings, ProviderSpec, ProviderTools
from tocsin.ports.receipts import Callback, Reading


class NearbySettings(ProviderSettings, frozen=True, kw_only=True):
    """Whether it is there."""

    away: bool = False


class Nearby:
    """`tocsin.ports.provider.Provider`: answers at once, that it took a message or was not there."""

    flags = Flags(per_host=True)

    def __init__(self, settings: NearbySettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self.taken: list[tuple[str, int]] = []
        """To whom, and which: the number that is the message's title."""
        self._away = settings.away

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        if self._away:
            return [TryLater(ProviderReason.UNREACHABLE)] * len(messages)
        self.taken += [(each.address, int(each.content.title)) for each in messages]
        return [Accepted()] * len(messages)

    async def read_callback(self, callback: Callback) -> Reading:
        del callback
        raise Malformed("it never calls back")

    async def close(self) -> None:
        """Nothing is open."""


SPEC = ProviderSpec(
    name="nearby",
    channel="webhook",
    settings=NearbySettings,
    build="bench.nearby:Nearby",
    simulator="tocsin.channels.webhook.http.simulator:WebhookSimulator",
)
