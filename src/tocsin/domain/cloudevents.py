"""
Reading events: CloudEvents 1.0.2 (structured, batch, binary) and Tocsin's shorthand.

Each item is read twice over at most. The quick way decodes into a struct and takes what is plainly
right; whatever it is not sure of goes the slow way, which names every problem. Both give the same
event (a property test holds them together).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from tocsin.domain.incoming import (
    COMMON_FIELDS,
    TRIGGER_FIELDS,
    IncomingEvent,
    read_event,
    read_shorthand,
)
from tocsin.domain.incoming_quick import (
    is_plain,
    quick_cloudevent,
    quick_cloudevents,
    quick_shorthand,
)
from tocsin.domain.json_check import JsonRefused, read_json
from tocsin.domain.reading import Notes, Reader
from tocsin.errors import FieldProblem, Malformed, RequestRefused, TooLarge

__all__ = [
    "EventLimits",
    "Incoming",
    "IncomingEvent",
    "Item",
    "Problems",
    "media_type",
    "read_events",
    "read_trigger",
]

Problems = tuple[FieldProblem, ...]
Item = IncomingEvent | Problems


class Incoming(NamedTuple):
    """The events of one request in order: each an event, or what is wrong with it."""

    items: tuple[Item, ...]
    many: bool
    """Whether the request held a list, even of one."""


class EventLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may hold; the request as a whole is bounded where it is received."""

    event_bytes_max: int = 1_048_576
    events_max: int = 10_000


_EXTENSION: Final = re.compile(r"[a-z0-9]{1,50}\Z")
_NAMES: Final = {
    "cancellation_key": "cancellationkey",
    "expires_in": "expiresin",
    "recipients": "recipient",
}
_OURS: Final = COMMON_FIELDS | {*_NAMES.values(), "tracestate"}
_STANDARD: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "data_base64"}
    | {"datacontenttype", "dataschema"}
)
_SHORTHAND_ONLY: Final = frozenset({"to", "exclude", "strict_recipients", "send_at"})
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACES: Final = (b" ", b"\t", b"\n", b"\r")


def read_events(
    content_type: str, headers: Mapping[str, str], body: bytes, limits: EventLimits
) -> Incoming:
    """
    Read a request to ``/v1/events`` in any of its forms; header names are lower-case.

    Raises `Malformed` for what cannot be parsed and `TooLarge` above a limit.
    """
    media = media_type(content_type)
    if media == "application/cloudevents+json":
        return _one(body, limits, quick_cloudevent, _slow_cloudevent)
    if media == "application/cloudevents-batch+json":
        return _batch(body, limits)
    if "ce-specversion" in headers:
        _check_size(body, limits)
        return Incoming((_binary(media, headers, body),), many=False)
    if media != "application/json":
        known = "application/json, application/cloudevents+json, …-batch+json or ce- headers"
        raise Malformed(f"events come as {known}", code="unsupported_media_type")
    if body.lstrip(b" \t\r\n")[:1] == b"[":
        return _many(body, limits, quick_shorthand, _slow_shorthand)
    return _one(body, limits, quick_shorthand, _slow_shorthand)


def media_type(content_type: str) -> str:
    """Return the lower-case type of a Content-Type header; raises `Malformed` unless UTF-8."""
    media, _, parameters = content_type.partition(";")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise Malformed("JSON is sent in UTF-8 (RFC 8259)", code="unsupported_media_type")
    return media.strip().lower()


def _check_size(body: bytes, limits: EventLimits) -> None:
    if len(body) > limits.event_bytes_max:
        raise TooLarge(f"one event has at most {limits.event_bytes_max} bytes")


Quick = Callable[[bytes, bool], IncomingEvent | None]
Slow = Callable[[bytes], Item]


def _one(body: bytes, limits: EventLimits, quick: Quick, slow: Slow) -> Incoming:
    _check_size(body, limits)
    found = quick(body, is_plain(body)) if _can_count(body) else None
    if found is None:
        item = slow(body)
        if not isinstance(item, IncomingEvent) and item[0].code == "malformed":
            raise Malformed(item[0].detail)
        return Incoming((item,), many=False)
    return Incoming((found,), many=False)


def _batch(body: bytes, limits: EventLimits) -> Incoming:
    """Read a batch at once where nothing in it needs a second look, else event by event."""
    if len(body) <= limits.event_bytes_max:
        found = quick_cloudevents(body, limits.events_max)
        if found is not None:
            return Incoming(found, many=True)
    return _many(body, limits, quick_cloudevent, _slow_cloudevent)


def _many(body: bytes, limits: EventLimits, quick: Quick, slow: Slow) -> Incoming:
    try:
        parts = _items.decode(body)
    except RecursionError:
        raise Malformed("the list of events is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Said in our words, once more from the beginning: this is not the hot path.
        raise Malformed(_why_no_list(body)) from None
    if len(parts) > limits.events_max:
        raise TooLarge(f"one request has at most {limits.events_max} events")
    countable, plain = _can_count(body), is_plain(body)
    items: list[Item] = []
    for part in parts:
        text = bytes(part)
        if len(text) > limits.event_bytes_max:
            detail = f"one event has at most {limits.event_bytes_max} bytes"
            items.append((FieldProblem("", "too_large", detail),))
            continue
        found = quick(text, plain) if countable else None
        items.append(slow(text) if found is None else found)
    return Incoming(tuple(items), many=True)


def _can_count(body: bytes) -> bool:
    """Return whether names end in ``":`` without white space between, so that they can be counted."""
    # One byte is found many times faster than two, and most bodies have no white space of a kind.
    return not any(space in body and space + b":" in body for space in _SPACES)


def _why_no_list(body: bytes) -> str:
    try:
        read_json(body)
    except JsonRefused as refused:
        return refused.detail
    return "a list of events is needed here"


def _read_item(text: bytes, notes: Notes) -> tuple[dict[str, object], bytes] | None:
    """Return an item's fields and the text of its data; None after a note."""
    try:
        value = read_json(text)
    except JsonRefused as refused:
        notes.add("", refused.code, refused.detail)
        return None
    if not isinstance(value, dict):
        notes.add("", "wrong_type", "an event is an object")
        return None
    data = _fields.decode(text).get("data")
    return value, b"{}" if data is None or value["data"] is None else bytes(data)


def _finish(event: IncomingEvent | None, notes: Notes) -> Item:
    if notes.problems:
        return tuple(notes.problems)
    assert event is not None
    return event


def _slow_shorthand(text: bytes) -> Item:
    notes = Notes()
    read = _read_item(text, notes)
    event = None if read is None else read_shorthand(read[0], read[1], notes)
    return _finish(event, notes)


def _slow_cloudevent(text: bytes) -> Item:
    notes = Notes()
    read = _read_item(text, notes)
    event = None if read is None else _read_cloudevent(read[0], read[1], notes)
    return _finish(event, notes)


def _read_cloudevent(fields: dict[str, object], data: bytes, notes: Notes) -> IncomingEvent:
    reader = Reader(fields, "", notes, None)
    if reader.text("specversion", required=True) not in {None, "1.0"}:
        reader.note("specversion", "invalid_value", 'the version of CloudEvents is "1.0"')
    for name in ("id", "source"):
        reader.text(name, required=True)
    if fields.get("data_base64") is not None:
        reader.note("data_base64", "not_built", "binary data is not there yet; send data as JSON")
    content_type = reader.text("datacontenttype")
    if content_type is not None and not _is_json(content_type):
        reader.note("datacontenttype", "not_built", "only JSON data can be sent so far")
    reader.text("dataschema", characters_max=2_000)
    _check_extensions(reader)
    type_ = reader.text("type", required=True) or ""
    # What only the shorthand has means nothing here, even where the name is allowed.
    plain = {name: value for name, value in fields.items() if name not in _SHORTHAND_ONLY}
    return read_event(Reader(plain, "", notes, None), type_, data, _NAMES)


def _check_extensions(reader: Reader) -> None:
    for name, value in reader.fields.items():
        if name in _STANDARD:
            continue
        if not _EXTENSION.match(name):
            rule = "names of attributes are lower-case letters and digits (CloudEvents 3.1)"
            reader.note(name, "invalid_attribute", rule)
        elif name == "recipient":
            # One id only: an attribute of a CloudEvent is no list and no object.
            reader.text(name)
        elif name not in _OURS and isinstance(value, dict | list):
            reader.note(name, "wrong_type", "an attribute is a string, a number, true or false")


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media in {"application/json", "text/json"} or media.endswith("+json")


def _binary(media: str, headers: Mapping[str, str], body: bytes) -> Item:
    """Read the binary mode: attributes in ``ce-`` headers, percent-encoded (HTTP binding 3.1.3)."""
    notes = Notes()
    fields: dict[str, object] = {}
    for header, value in headers.items():
        if header.startswith("ce-"):
            fields[header[3:]] = _header_text(value, header[3:], notes)
    for name in ("data", "data_base64", "datacontenttype"):
        if fields.pop(name, None) is not None:
            notes.add(f"/{name}", "invalid_attribute", f"{name} is not sent as a header")
    if body and media:
        fields["datacontenttype"] = media
    data = body or b"{}"
    if _is_json(media):
        try:
            read_json(data)
        except JsonRefused as refused:
            notes.add("/data", refused.code, refused.detail)
    return _finish(_read_cloudevent(fields, data, notes), notes)


def _header_text(value: str, name: str, notes: Notes) -> str | None:
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        notes.add(f"/{name}", "malformed", "percent-encoded UTF-8 is needed here")
        return None


def read_object(body: bytes) -> dict[str, object]:
    """Read a body that is a JSON object, as strictly as an event; raises like `read_trigger`."""
    return _read_object(body, Notes())[0]


def _read_object(body: bytes, notes: Notes) -> tuple[dict[str, object], bytes]:
    read = _read_item(body, notes)
    if read is None:
        problem = notes.problems[0]
        refusal = Malformed if problem.code == "malformed" else RequestRefused
        raise refusal(problem.detail, errors=tuple(notes.problems))
    return read


def read_trigger(body: bytes, workflow: str) -> IncomingEvent:
    """
    Read the body of a trigger call: an event of the shorthand whose type is the workflow's key.

    Raises `Malformed` for what cannot be parsed and `RequestRefused` with every problem.
    """
    notes = Notes()
    read = _read_object(body, notes)
    event = read_event(Reader(read[0], "", notes, TRIGGER_FIELDS), workflow, read[1])
    notes.finish("the trigger cannot be read")
    return event
