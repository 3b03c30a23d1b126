"""Two lanes that meet the same newcomer at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from tests.contract.state_stores import SqliteStores
from tocsin.adapters.sealing import AesSealer
from tocsin.adapters.system import SystemChance
from tocsin.app.addresses import AddressBook
from tocsin.app.routing.audiences import Resolved
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.last_known import LastKnown
from tocsin.app.routing.people import PeopleStep
from tocsin.domain.audience import RecipientTerm
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Recipients

EVENT = Event(bytes(16), 1, "shop", "shop", "1", "order", bytes(16))


class Overtaken:
    """Recipients among whom somebody else creates one just before we do."""

    def __init__(self, recipients: Recipients, newcomer: str) -> None:
        self._recipients = recipients
        self._newcomer: str | None = newcomer

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        return await self._recipients.by_id(ids)

    async def put(self, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        if self._newcomer is not None:
            await self._recipients.put([Recipient(0, self._newcomer)])
            self._newcomer = None
        return await self._recipients.put(recipients)


async def test_a_newcomer_whom_another_lane_created_first_is_known(tmp_path: Path) -> None:
    stores = SqliteStores(tmp_path / "state.db", joint=True)
    await stores.open()
    recipients = await stores.recipients()
    await recipients.put([Recipient(0, "ana")])
    overtaken = cast("Recipients", Overtaken(recipients, "bo"))
    known = LastKnown(overtaken, await stores.suppressions(), recipients_max=10)
    step = PeopleStep(overtaken, known, AddressBook(AesSealer([bytes(32)], SystemChance())))
    entry = Input(0, 0, -1, EVENT, EVENT)
    run = Run(cast("Workflow", None), 0)
    resolved = Resolved([RecipientTerm(id) for id in ("ana", "bo", "cy")])

    await step.load([(entry, run, resolved)], now_ms=1, lane="transactional")

    assert [(id, one and one.id) for id, one in run.recipients] == [
        ("ana", "ana"),
        ("bo", "bo"),
        ("cy", "cy"),
    ]
    stores.close()
