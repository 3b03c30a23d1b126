"""Inbox text, rendered when routed; identical inputs are rendered once."""

from __future__ import annotations

import msgspec

from tocsin.app.routing.inputs import EMPTY_OBJECT, Input, Run, data_of
from tocsin.domain.items import ItemAction, action, content
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.domain.workflow import CompiledStep

_decoder = msgspec.json.Decoder()


class RunText(msgspec.Struct, eq=False, gc=False):
    """The rendered texts of one run: each distinct one once."""

    _entry: Input
    _run: Run
    _created_at: str
    _shared: dict[int, int] = {}
    contents: list[bytes] = []

    def place(self, step: CompiledStep, recipient: Recipient) -> int:
        """Return the index in ``contents`` of what *step* says to *recipient*."""
        own = self._run.own_data.get(recipient.id)
        if step.personal or own is not None:
            return self._add(step, recipient, own)
        found = self._shared.get(step.index)
        if found is None:
            found = self._shared[step.index] = self._add(step, recipient, None)
        return found

    def _add(self, step: CompiledStep, recipient: Recipient, own: object) -> int:
        event = self._entry.event
        assert event is not None
        context = render_context(self._entry, step, recipient, own)
        fields = {name: template.render(context) for name, template in step.fields.items()}
        actions: tuple[ItemAction, ...] = ()
        if step.actions:
            made = (
                action(label.render(context), url.render(context)) for label, url in step.actions
            )
            actions = tuple(each for each in made if each is not None)
        workflow = self._run.workflow
        self.contents.append(
            content(
                fields,
                workflow=workflow.key,
                category=workflow.category,
                created_at=self._created_at,
                actor=event.actor,
                tenant=event.tenant,
                actions=actions,
            )
        )
        return len(self.contents) - 1


def render_context(
    entry: Input, step: CompiledStep, recipient: Recipient, own: object
) -> dict[str, object]:
    """Return the variables that templates see, of an input that is being routed."""
    event = entry.event
    assert event is not None
    data = data_of(entry) if step.paths else EMPTY_OBJECT
    return context_of(event, data, step, recipient, own)


def context_of(
    event: Event, data: object, step: CompiledStep, recipient: Recipient, own: object
) -> dict[str, object]:
    """Return the variables that templates see: plain JSON values, nothing else."""
    if isinstance(own, dict) and isinstance(data, dict):
        data = {**data, **own}
    context: dict[str, object] = {"data": data, "actor": event.actor, "tenant": event.tenant}
    if step.personal:
        context["recipient"] = recipient_variables(recipient)
    return context


def recipient_variables(recipient: Recipient) -> dict[str, object]:
    """Return what templates may know of a recipient: no address, no preference."""
    return {
        "id": recipient.id,
        "name": recipient.name,
        "locale": recipient.locale,
        "timezone": recipient.timezone,
        "attributes": _decoder.decode(recipient.attributes) if recipient.attributes else {},
    }
