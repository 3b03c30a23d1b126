"""The other ways to send: a trigger names its workflow, a message by hand brings its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.accepting.accept import Accept, Taken, refused
from tocsin.app.accepting.warnings import CallWarnings
from tocsin.app.callers import Principal
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.by_hand import SEND_KEY, document_for_send
from tocsin.domain.cloudevents import IncomingEvent, read_object, read_trigger
from tocsin.domain.names import no_such
from tocsin.domain.workflow import Workflow, compile_workflow
from tocsin.domain.workflow_read import show_document
from tocsin.errors import FieldProblem, RequestRefused

_BY_HAND: Final = ("content", "channels", "lane", "category")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Sent(NamedTuple):
    """What a call became, and what of it probably was not meant."""

    taken: Taken
    warnings: tuple[str, ...]


class Sending:
    """Accepts what does not come as an event of a type."""

    def __init__(self, accept: Accept, registry: WorkflowRegistry, warnings: CallWarnings) -> None:
        self._accept = accept
        self._registry = registry
        self._warnings = warnings

    async def trigger(
        self, caller: Principal, key: str, body: bytes, id_of: Sequence[str] | None
    ) -> Sent:
        """
        Run one workflow; durable on return.

        Raises `NotFound` when none is published under *key*, and `RequestRefused`.
        """
        workflow = self._registry.newest(key)
        if workflow is None:
            raise no_such("published workflow", key, self._registry.keys())
        return await self._take(caller, read_trigger(body, key), workflow, None, id_of)

    async def by_hand(self, caller: Principal, body: bytes, id_of: Sequence[str] | None) -> Sent:
        """Send a message without a workflow; durable on return. Raises `RequestRefused`."""
        value = read_object(body)
        document = document_for_send(*(value.get(name) for name in _BY_HAND))
        workflow = compile_workflow(document, 0)
        fields = _fields.decode(body)
        rest = {name: raw for name, raw in fields.items() if name not in _BY_HAND}
        event = read_trigger(msgspec.json.encode(rest), SEND_KEY)
        if event.audience is None:
            problem = FieldProblem("/recipients", "missing", "say who is to get the message")
            raise RequestRefused("the message cannot be sent", errors=(problem,))
        content = msgspec.json.encode(show_document(document))
        return await self._take(caller, event, workflow, content, id_of)

    async def _take(
        self,
        caller: Principal,
        event: IncomingEvent,
        workflow: Workflow,
        content: bytes | None,
        id_of: Sequence[str] | None,
    ) -> Sent:
        outcome = await self._accept.take(
            caller, [event], id_of=id_of, only=workflow, content=content
        )
        taken = outcome[0]
        if not isinstance(taken, Taken):
            raise refused(taken)
        return Sent(taken, await self._warnings.of(event, workflow))
