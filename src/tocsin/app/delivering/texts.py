"""What a delivery says: rendered right before the call, identical inputs once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.inputs import EMPTY_OBJECT, Input, Run
from tocsin.app.routing.rendering import context_of
from tocsin.domain.attachments import files_of
from tocsin.domain.audience import RecipientTerm
from tocsin.domain.items import action
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.domain.workflow import CompiledStep, Workflow
from tocsin.ports.message import Attachment, Button, Content
from tocsin.ports.provider import Channel

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_NO_OPTIONS: Final[Mapping[str, object]] = {}


class Texts:
    """
    The texts of one batch.

    A text follows from the event's data and the workflow's version, both of which never change, so
    every attempt says the same.
    """

    def __init__(self, channel: Channel, audiences: AudienceStep) -> None:
        self._channel = channel
        self._audiences = audiences
        self._shared: dict[tuple[bytes, str, int], Content] = {}
        self._own: dict[tuple[bytes, str], Mapping[str, bytes]] = {}
        self._decoded: dict[bytes, object] = {}

    def own(self, event: Event, workflow: Workflow, recipient: Recipient) -> bytes | None:
        """Return the data that the call gave for *recipient* alone, as JSON."""
        if event.audience is not None and b"{" not in event.audience:
            # Nothing but ids, as in nearly every call.
            return None
        key = (event.key, workflow.key)
        found = self._own.get(key)
        if found is None:
            found = self._own[key] = self._own_data(event, workflow)
        return found.get(recipient.id)

    def content(
        self,
        event: Event,
        workflow: Workflow,
        step: CompiledStep,
        recipient: Recipient,
        own: bytes | None,
    ) -> Content:
        """Return what *step* says to *recipient*; raises `RenderFailed`."""
        if own is not None or step.personal:
            return self._render(event, step, recipient, own)
        key = (event.key, workflow.key, step.index)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = self._render(event, step, recipient, None)
        return found

    def options(
        self,
        event: Event,
        step: CompiledStep,
        recipient: Recipient,
        provider: str,
        own: bytes | None,
    ) -> Mapping[str, object]:
        """Return what *step* says to *provider* alone; raises `RenderFailed`."""
        if provider not in step.options.tables:
            return _NO_OPTIONS
        return step.options.of(provider, self._context(event, step, recipient, own))

    def data(self, event: Event, own: bytes | None) -> bytes:
        """Return the event's data as JSON, with what the call gave for one recipient alone."""
        if own is None:
            return event.data
        data, added = self._data(event), _decoder.decode(own)
        if not isinstance(data, dict) or not isinstance(added, dict):
            return event.data
        return _encoder.encode({**data, **added})

    def _render(
        self, event: Event, step: CompiledStep, recipient: Recipient, own: bytes | None
    ) -> Content:
        context = self._context(event, step, recipient, own)
        fields = {name: template.render(context) for name, template in step.fields.items()}
        content = self._channel.shape(fields)
        if step.attachments:
            files = files_of(step.attachments, context)
            attached = tuple(
                Attachment(f.name, f.content_type, f.data, f.content_id) for f in files
            )
            content = replace(content, attachments=attached)
        if not step.actions:
            return content
        made = (action(label.render(context), url.render(context)) for label, url in step.actions)
        buttons = tuple(Button(each.label, each.url) for each in made if each is not None)
        return replace(content, buttons=buttons)

    def _context(
        self, event: Event, step: CompiledStep, recipient: Recipient, own: bytes | None
    ) -> Mapping[str, object]:
        data = self._data(event) if step.paths else EMPTY_OBJECT
        decoded = None if own is None else _decoder.decode(own)
        return context_of(event, data, step, recipient, decoded)

    def _data(self, event: Event) -> object:
        """Return the event's data as objects: decoded once for all who are told of it."""
        found = self._decoded.get(event.key)
        if found is None:
            found = self._decoded[event.key] = _decoder.decode(event.data)
        return found

    def _own_data(self, event: Event, workflow: Workflow) -> Mapping[str, bytes]:
        # Who is meant depends on the event and the workflow, not on where the event lies.
        entry = Input(0, 0, 0, event, event)
        return {
            term.id: term.data
            for term in self._audiences.terms(entry, Run(workflow, 0))
            if isinstance(term, RecipientTerm) and term.data is not None
        }
