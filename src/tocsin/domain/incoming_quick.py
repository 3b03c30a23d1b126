"""The quick way to read an event: for what is plainly right, else None."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from tocsin.domain.audience import ID_CHARACTERS_MAX, TERMS_MAX
from tocsin.domain.durations import parse_duration
from tocsin.domain.incoming import IncomingEvent, good_trace
from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE, has_distinct_names, is_shallow, quick_json
from tocsin.domain.reading import DURATION_MAX_MS, KEY

_ABSENT: Final = msgspec.Raw(b"")
_JSON_TYPES: Final = frozenset({None, "application/json"})


class _Shorthand(msgspec.Struct, forbid_unknown_fields=True):
    """Every default but the data's is None, so that the fields that were sent can be counted."""

    type: str
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: str | None = None
    data: msgspec.Raw = _ABSENT
    recipients: str | list[str] | None = None
    to: str | list[str] | None = None
    actor: str | None = None
    tenant: str | None = None
    locale: str | None = None
    cancellation_key: str | None = None
    expires_in: str | None = None
    strict_recipients: bool | None = None
    traceparent: str | None = None


_Text = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]


class _CloudEvent(msgspec.Struct, forbid_unknown_fields=True):
    specversion: str
    id: _Text
    source: _Text
    type: _Text
    subject: _Text | None = None
    time: _Text | None = None
    data: msgspec.Raw = _ABSENT
    datacontenttype: _Text | None = None
    recipient: _Text | None = None
    actor: _Text | None = None
    tenant: _Text | None = None
    locale: _Text | None = None
    cancellationkey: _Text | None = None
    expiresin: _Text | None = None
    traceparent: _Text | None = None


_shorthand: Final = msgspec.json.Decoder(_Shorthand).decode
_cloudevent: Final = msgspec.json.Decoder(_CloudEvent).decode
_cloudevents: Final = msgspec.json.Decoder(list[_CloudEvent]).decode
_encode: Final = msgspec.json.Encoder().encode


class _Unsure(Exception):
    """Something that the slow way has to look at."""


def is_plain(body: bytes) -> bool:
    """
    Return whether every string in *body* surely may name something, if it is short enough.

    JSON has no control characters but escaped ones, so ASCII without escapes is printable, DEL
    aside.
    """
    return _is_printable(body) and b'""' not in body


def _is_printable(body: bytes) -> bool:
    """Return whether surely no string in *body* has an escape or a character to look at."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def quick_shorthand(text: bytes, plain: bool) -> IncomingEvent | None:
    """
    Return the event, or None when it has to be read the slow way.

    *plain* is what `is_plain` says of the request; no string is longer than all of them together.
    """
    try:
        sent = _shorthand(text)
        if sent.to is not None and sent.recipients is not None:
            return None
        audience = sent.recipients if sent.to is None else sent.to
        data = _data(sent, text, sent.data)
        if not plain or len(text) - len(data) > ID_CHARACTERS_MAX:
            text.decode()
            _check_texts(sent)
        return IncomingEvent(
            type=sent.type,
            id=sent.id,
            source=sent.source,
            subject=sent.subject,
            time_ms=None if sent.time is None else parse_instant(sent.time),
            data=data,
            audience=None if audience is None else _audience(audience),
            recipient=_single(audience),
            actor=sent.actor,
            tenant=_key(sent.tenant),
            locale=_locale(sent.locale),
            cancellation_key=sent.cancellation_key,
            expires_in_ms=None if sent.expires_in is None else _duration_ms(sent.expires_in),
            strict_recipients=sent.strict_recipients or False,
            trace=None if sent.traceparent is None else _trace(sent.traceparent),
        )
    except (*UNREADABLE, ValueError, _Unsure):
        return None


def quick_cloudevent(text: bytes, plain: bool) -> IncomingEvent | None:
    """Do for a CloudEvent what `quick_shorthand` does."""
    try:
        sent = _cloudevent(text)
        data = _data(sent, text, sent.data)
        if not plain or len(text) - len(data) > ID_CHARACTERS_MAX:
            text.decode()
            _check_texts(sent)
        return _incoming(sent, data)
    except (*UNREADABLE, ValueError, _Unsure):
        return None


def quick_cloudevents(body: bytes, events_max: int) -> tuple[IncomingEvent, ...] | None:
    """
    Return the events of a whole batch, or None when any has to be looked at alone.

    The batch is decoded in one call, and one more tells that no name in all of it comes twice.
    """
    if not _is_printable(body):
        return None
    try:
        sent = _cloudevents(body)
        if len(sent) > events_max or not has_distinct_names(body):
            return None
        return tuple([_incoming(each, _plain_data(bytes(each.data))) for each in sent])
    except (*UNREADABLE, ValueError, _Unsure):
        return None


def _plain_data(data: bytes) -> bytes:
    """Return the text of the data; raises `_Unsure`."""
    if not is_shallow(data):
        raise _Unsure
    return data if data and data != b"null" else b"{}"


def _incoming(sent: _CloudEvent, data: bytes) -> IncomingEvent:
    """Return the event; raises `_Unsure` or ValueError."""
    if sent.specversion != "1.0" or sent.datacontenttype not in _JSON_TYPES:
        raise _Unsure
    return IncomingEvent(
        type=sent.type,
        id=sent.id,
        source=sent.source,
        subject=sent.subject,
        time_ms=None if sent.time is None else parse_instant(sent.time),
        data=data,
        audience=None if sent.recipient is None else _audience(sent.recipient),
        recipient=sent.recipient,
        actor=sent.actor,
        tenant=None if sent.tenant is None else _key(sent.tenant),
        locale=None if sent.locale is None else _locale(sent.locale),
        cancellation_key=sent.cancellationkey,
        expires_in_ms=None if sent.expiresin is None else _duration_ms(sent.expiresin),
        trace=None if sent.traceparent is None else _trace(sent.traceparent),
    )


def _data(sent: Any, text: bytes, raw: msgspec.Raw) -> bytes:
    """
    Return the text of the data, once no object in *text* has a name twice.

    Names are counted by the bytes that end them, which nothing stands between (the caller looked).
    A string that holds such bytes makes the sums differ, and then the slow way looks exactly.
    """
    fields = astuple(sent)
    present = len(fields) - fields.count(None)
    data = bytes(raw)
    if not data:
        if text.count(b'":') != present - 1:
            raise _Unsure
        return b"{}"
    names = quick_json(data)
    if names < 0 or text.count(b'":') != present + names:
        raise _Unsure
    return b"{}" if data == b"null" else data


def _text(value: str) -> None:
    if not (0 < len(value) <= ID_CHARACTERS_MAX and value.isprintable()):
        raise _Unsure


def _check_texts(sent: Any) -> None:
    for value in astuple(sent):
        if isinstance(value, str):
            _text(value)
        elif isinstance(value, list):
            for each in value:
                _text(each)


def _key(value: str | None) -> str | None:
    if value is None or KEY.match(value):
        return value
    raise _Unsure


def _locale(value: str | None) -> str | None:
    if value is None or len(value) <= 35:
        return value
    raise _Unsure


def _trace(value: str) -> str:
    trace = good_trace(value)
    if trace is None:
        raise _Unsure
    return trace


@lru_cache(maxsize=256)
def _duration_ms(value: str) -> int:
    duration_ms = parse_duration(value)
    if 0 < duration_ms <= DURATION_MAX_MS and len(value) <= 40:
        return duration_ms
    raise _Unsure


def _audience(value: str | list[str]) -> bytes:
    ids = [value] if isinstance(value, str) else value
    if len(ids) > TERMS_MAX:
        raise _Unsure
    return _encode(ids)


def _single(value: str | list[str] | None) -> str | None:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value
