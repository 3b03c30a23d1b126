"""The text of a broadcast for one reader: stored once, completed when it is read."""

from __future__ import annotations

import structlog

from tocsin.app.lookup import with_payload
from tocsin.app.routing.deciding import step_at
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.rendering import RunText
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.instants import show_instant
from tocsin.domain.items import body, content
from tocsin.domain.records import Broadcast, Event
from tocsin.domain.template_values import RenderFailed
from tocsin.errors import NotFound
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Log
from tocsin.ports.state import Recipients

logger = structlog.get_logger(__name__)


class BroadcastTexts:
    """Completes broadcasts: with the reader's id, and where needed with her name."""

    def __init__(
        self, log: Log, workflows: RunWorkflows, recipients: Recipients, blobs: Blobs
    ) -> None:
        self._log = log
        self._workflows = workflows
        self._recipients = recipients
        self._blobs = blobs

    async def body(self, broadcast: Broadcast, number: int) -> bytes:
        """Return the item's JSON text for the recipient with *number*."""
        key = notification_key(EventKey(broadcast.event), broadcast.index, number)
        if not broadcast.personal:
            return body(key, broadcast.body)
        return body(key, await self._rendered(broadcast, number))

    async def _rendered(self, broadcast: Broadcast, number: int) -> bytes:
        event = await self.event(broadcast)
        recipient = (await self._recipients.by_number([number]))[number]
        version = broadcast.version
        workflow = await self._workflows.version(broadcast.workflow, version, event.content)
        entry = Input(0, 0, 0, event, event)
        text = RunText(entry, Run(workflow, broadcast.index), show_instant(broadcast.visible_ms))
        try:
            place = text.place(step_at(workflow, broadcast.step), recipient)
        except RenderFailed as error:
            # It was decided and is counted, so it is shown by its name: leaving it out would
            # leave her with a count that she can never read away.
            logger.warning("broadcast_not_rendered", workflow=workflow.key, reason=str(error))
            return content(
                {"title": workflow.key},
                workflow=workflow.key,
                category=workflow.category,
                created_at=show_instant(broadcast.visible_ms),
                actor=event.actor,
                tenant=event.tenant,
            )
        return text.contents[place]

    async def event(self, broadcast: Broadcast) -> Event:
        """Return the event's record, with its payload."""
        lane, partition, position = broadcast.event_place
        batch = await self._log.read(f"events.{lane}", partition, position, records_max=1)
        record = batch.records[0] if batch.records else None
        if not isinstance(record, Event) or record.key != broadcast.event:
            raise NotFound("the event of this broadcast is not kept any more")
        return await with_payload(record, self._blobs)
