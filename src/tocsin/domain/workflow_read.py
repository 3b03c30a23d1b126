"""Reading and showing a workflow's document, with every problem at its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.domain.attachments import read_attachments, show_attachment
from tocsin.domain.channels import ACTING, ATTACHING, CHANNEL_FIELDS, INBOX, WAKING
from tocsin.domain.durations import format_duration
from tocsin.domain.intervals import DelayStep, IntervalStep, WaitStep
from tocsin.domain.intervals_read import (
    check_intervals,
    interval_kind,
    read_interval,
    show_interval,
)
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.reading import Notes, Reader, step_into, text_problem
from tocsin.domain.rules import AudienceRule, read_rule, show_rule
from tocsin.domain.step_options import read_options
from tocsin.domain.template_syntax import SOURCE_CHARACTERS_MAX
from tocsin.domain.workflow import DEFAULT_CATEGORY, Action, ChannelStep, WorkflowDocument

STEPS_MAX: Final = 20
TYPES_MAX: Final = 16
ACTIONS_MAX: Final = 3
KINDS_NOT_BUILT: Final = ("digest", "throttle", "branch")
"""Kinds of steps that are named in the documents and come later; `_read_step` is their place."""

_FIELDS: Final = frozenset(
    {"key", "name", "on", "category", "lane", "required", "audience", "expires_in", "schema"}
    | {"channels", "steps", "tracking"}
)
_SAID: Final = frozenset({"title", "body"})


def read_document(value: object) -> WorkflowDocument:
    """
    Read and check a document.

    Raises `RequestRefused` with every problem, as `NotBuilt` when the only problem is that it uses
    what a later version brings.
    """
    notes = Notes()
    reader = Reader(value, "", notes, _FIELDS)
    key = reader.key("key", required=True) or ""
    expires_in_ms = reader.duration_ms("expires_in")
    schema = reader.get("schema")
    if schema is not None and not isinstance(schema, dict):
        reader.note("schema", "wrong_type", "an object is needed here")
    document = WorkflowDocument(
        key=key,
        name=reader.text("name") or "",
        on=_read_types(reader, key),
        category=reader.key("category") or DEFAULT_CATEGORY,
        lane=_read_lane(reader),
        required=bool(reader.flag("required")),
        audience=_read_audience(reader),
        expires_in_ms=expires_in_ms,
        schema=schema if isinstance(schema, dict) else None,
        channels=reader.flags("channels", CHANNEL_FIELDS),
        tracking=reader.flags("tracking", ("opens", "clicks")),
        steps=_read_steps(reader, expires_in_ms),
    )
    notes.finish("the workflow's document has mistakes")
    return document


def _read_types(reader: Reader, key: str) -> tuple[str, ...]:
    types = reader.items("on", count_max=TYPES_MAX)
    place = reader.at("on")
    for number, each in enumerate(types):
        if not isinstance(each, str) or text_problem(each) is not None:
            reader.notes.add(step_into(place, number), "invalid_type", "an event's type is needed")
    if "on" in reader.fields and types == []:
        reader.note("on", "empty", "leave it out, or name at least one type of event")
    return tuple(dict.fromkeys(map(str, types))) or (key,)


def _read_lane(reader: Reader) -> Lane:
    lane = reader.text("lane")
    for known in LANES:
        if lane == known:
            return known
    if lane is None:
        return "transactional"
    reader.note("lane", "invalid_value", f"the lanes are {', '.join(LANES)}")
    return "transactional"


def _read_audience(reader: Reader) -> AudienceRule | None:
    value = reader.get("audience")
    return None if value is None else read_rule(value, reader.at("audience"), reader.notes)


def _read_steps(
    reader: Reader, expires_in_ms: int | None
) -> tuple[ChannelStep | IntervalStep, ...]:
    items = reader.items("steps", count_max=STEPS_MAX)
    if not items and isinstance(reader.get("steps"), list | None):
        reader.note("steps", "empty", "at least one step is needed")
    place = reader.at("steps")
    read = [_read_step(item, step_into(place, n), reader.notes) for n, item in enumerate(items)]
    steps = [step for step in read if step is not None]
    if len(steps) < len(items):
        return tuple(steps)
    saying = [(n, step) for n, step in enumerate(steps) if isinstance(step, ChannelStep)]
    _check_names(saying, place, reader.notes)
    speaking = [(n, step) for n, step in saying if "" not in step.fields.values()]
    if speaking and not speaking[0][1].fields:
        detail = "the first step needs a text of its own: a title and a body"
        reader.notes.add(step_into(place, speaking[0][0]), "missing", detail)
    names = [step.name if isinstance(step, ChannelStep) else None for step in steps]
    intervals = {n: step for n, step in enumerate(steps) if not isinstance(step, ChannelStep)}
    check_intervals(names, intervals, expires_in_ms, place, reader.notes)
    return tuple(steps)


def _read_step(value: object, pointer: str, notes: Notes) -> ChannelStep | IntervalStep | None:
    if interval_kind(value):
        return read_interval(value, pointer, notes)
    for kind in KINDS_NOT_BUILT:
        if isinstance(value, dict) and kind in value:
            detail = (
                f"steps of the kind {kind} are not there yet; delay, wait and channel steps are"
            )
            notes.add(step_into(pointer, kind), "not_built", detail)
            return None
    channel = value.get("channel") if isinstance(value, dict) else None
    known = CHANNEL_FIELDS.get(channel) if isinstance(channel, str) else None
    allowed = {"channel", "name"} | (known or frozenset())
    if channel != INBOX:
        allowed |= {"options"}
    if known is not None:
        allowed |= {"actions"} if channel in ACTING else frozenset()
        allowed |= {"attachments"} if channel in ATTACHING else frozenset()
    reader = Reader(value, pointer, notes, None if known is None else allowed)
    if known is None:
        reader.note("channel", "unknown_channel", f"the channels are {', '.join(CHANNEL_FIELDS)}")
        return None
    return ChannelStep(
        channel=str(channel),
        name=reader.key("name") or str(channel),
        fields=_read_texts(reader, known, may_be_empty=channel in WAKING),
        actions=_read_actions(reader),
        options=read_options(reader.get("options"), reader.at("options"), notes),
        attachments=read_attachments(reader),
    )


def _read_texts(reader: Reader, known: frozenset[str], *, may_be_empty: bool) -> dict[str, str]:
    texts = {}
    for name in reader.fields:
        if name not in known:
            continue
        if may_be_empty and name in _SAID and reader.get(name) == "":
            texts[name] = ""
            continue
        text = reader.text(name, characters_max=SOURCE_CHARACTERS_MAX, lines=True)
        if text is not None:
            texts[name] = text
    return texts


def _read_actions(reader: Reader) -> tuple[Action, ...]:
    place = reader.at("actions")
    actions = []
    for number, item in enumerate(reader.items("actions", count_max=ACTIONS_MAX)):
        inner = Reader(item, step_into(place, number), reader.notes, {"label", "url"})
        label = inner.text("label", characters_max=1_000, required=True)
        url = inner.text("url", characters_max=2_000, required=True)
        if label is not None and url is not None:
            actions.append(Action(label, url))
    return tuple(actions)


def _check_names(steps: Sequence[tuple[int, ChannelStep]], place: str, notes: Notes) -> None:
    seen: set[str] = set()
    for number, step in steps:
        if step.name in seen:
            detail = f"another step is called {step.name!r}; give this one a name of its own"
            notes.add(step_into(step_into(place, number), "name"), "duplicate_name", detail)
        seen.add(step.name)


def show_document(document: WorkflowDocument) -> dict[str, object]:
    """Return the JSON document that `read_document` reads as *document*."""
    shown: dict[str, object] = {
        "key": document.key,
        "on": list(document.on),
        "category": document.category,
        "lane": document.lane,
        "required": document.required,
    }
    if document.name:
        shown["name"] = document.name
    if document.audience is not None:
        shown["audience"] = show_rule(document.audience)
    if document.expires_in_ms is not None:
        shown["expires_in"] = format_duration(document.expires_in_ms)
    if document.schema is not None:
        shown["schema"] = document.schema
    if document.channels:
        shown["channels"] = dict(document.channels)
    if document.tracking:
        shown["tracking"] = dict(document.tracking)
    shown["steps"] = [_show_step(step) for step in document.steps]
    return shown


def _show_step(step: ChannelStep | IntervalStep) -> dict[str, object]:
    if isinstance(step, DelayStep | WaitStep):
        return show_interval(step)
    shown: dict[str, object] = {"channel": step.channel, **step.fields}
    if step.name != step.channel:
        shown["name"] = step.name
    if step.actions:
        shown["actions"] = [{"label": each.label, "url": each.url} for each in step.actions]
    if step.options:
        shown["options"] = step.options
    if step.attachments:
        shown["attachments"] = [show_attachment(each) for each in step.attachments]
    return shown
