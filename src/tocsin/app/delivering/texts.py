"""What a delivery says: rendered right before the call, identical inputs once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.rendering import render_context
from tocsin.domain.attachments import files_of
from tocsin.domain.audience import RecipientTerm
from tocsin.domain.items import action
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import CompiledStep
from tocsin.ports.message import Attachment, Button, Content
from tocsin.ports.provider import Channel

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_NOTHING: Final[Mapping[str, bytes]] = {}


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

    def content(self, entry: Input, run: Run, step: CompiledStep, recipient: Recipient) -> Content:
        """Return what *step* says to *recipient*; raises `RenderFailed`."""
        own = self._own_data(entry, run).get(recipient.id)
        if own is not None or step.personal:
            decoded = None if own is None else _decoder.decode(own)
            return self._render(entry, step, recipient, decoded)
        assert entry.event is not None
        key = (entry.event.key, run.workflow.key, step.index)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = self._render(entry, step, recipient, None)
        return found

    def options(
        self, entry: Input, run: Run, step: CompiledStep, recipient: Recipient, provider: str
    ) -> Mapping[str, object]:
        """Return what *step* says to *provider* alone; raises `RenderFailed`."""
        if provider not in step.options.tables:
            return {}
        own = self._own_data(entry, run).get(recipient.id)
        decoded = None if own is None else _decoder.decode(own)
        context = render_context(entry, step, recipient, decoded)
        return step.options.of(provider, context)

    def data(self, entry: Input, run: Run, recipient: Recipient) -> bytes:
        """Return the event's data as JSON, with what the call gave for *recipient* alone."""
        event = entry.event
        assert event is not None
        own = self._own_data(entry, run).get(recipient.id)
        if own is None:
            return event.data
        data, added = _decoder.decode(event.data), _decoder.decode(own)
        if not isinstance(data, dict) or not isinstance(added, dict):
            return event.data
        return _encoder.encode({**data, **added})

    def _render(
        self, entry: Input, step: CompiledStep, recipient: Recipient, own: object
    ) -> Content:
        context = render_context(entry, step, recipient, own)
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

    def _own_data(self, entry: Input, run: Run) -> Mapping[str, bytes]:
        """Return the data that the call gave for single recipients, by id."""
        event = entry.event
        assert event is not None
        if event.audience is not None and b"{" not in event.audience:
            # Nothing but ids, as in nearly every call.
            return _NOTHING
        key = (event.key, run.workflow.key)
        found = self._own.get(key)
        if found is None:
            terms = self._audiences.terms(entry, run)
            found = self._own[key] = {
                term.id: term.data
                for term in terms
                if isinstance(term, RecipientTerm) and term.data is not None
            }
        return found
