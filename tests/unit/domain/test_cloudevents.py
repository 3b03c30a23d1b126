"""Events in all their forms: what is read, and what is refused at which place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tocsin.domain.audience import ObjectTerm, RecipientTerm, decode_terms
from tocsin.domain.cloudevents import (
    EventLimits,
    IncomingEvent,
    media_type,
    read_events,
    read_trigger,
)
from tocsin.errors import Malformed, RequestRefused, TooLarge

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLOUDEVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order"}


def read(body: object, media: str = JSON, **headers: str) -> Any:
    """Return the items of a request, or its one item."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = read_events(media, headers, text, EventLimits())
    return list(found.items) if found.many else found.items[0]


def problems(item: object) -> list[tuple[str, str]]:
    assert isinstance(item, tuple)
    return [(each.pointer, each.code) for each in item]


def test_the_shorthand_in_full() -> None:
    event = read(
        {
            "type": "order.shipped",
            "id": "o-42-shipped",
            "source": "shop",
            "subject": "42",
            "time": "2026-03-29T18:30:00Z",
            "recipients": ["ana"],
            "exclude": {"object": {"collection": "muted", "id": "42"}},
            "actor": "store-7",
            "data": {"order": 42},
            "tenant": "acme",
            "locale": "de-AT",
            "cancellation_key": "o-42",
            "expires_in": "2d",
            "strict_recipients": True,
            "traceparent": TRACE,
        }
    )
    assert decode_terms(event.exclude) == (ObjectTerm("muted", "42"),)
    assert event == IncomingEvent(
        type="order.shipped",
        id="o-42-shipped",
        source="shop",
        subject="42",
        time_ms=1_774_809_000_000,
        data=b'{"order": 42}',
        audience=b'["ana"]',
        exclude=event.exclude,
        recipient="ana",
        actor="store-7",
        tenant="acme",
        locale="de-AT",
        cancellation_key="o-42",
        expires_in_ms=172_800_000,
        strict_recipients=True,
        trace=TRACE,
    )


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ({"type": "a"}, IncomingEvent(type="a")),
        ({"type": "a", "data": None}, IncomingEvent(type="a")),
        ({"type": "a", "data": [1]}, IncomingEvent(type="a", data=b"[1]")),
        ({"type": "a", "to": "ana"}, IncomingEvent(type="a", audience=b'["ana"]', recipient="ana")),
        ({"type": "a", "recipients": ["x", "y"]}, IncomingEvent(type="a", audience=b'["x","y"]')),
        ({"type": "a", "recipients": []}, IncomingEvent(type="a", audience=b"[]")),
        ({"type": "a", "id": None}, IncomingEvent(type="a")),
        # A trace that is no trace is left out, as the standard says.
        ({"type": "a", "traceparent": "00-1"}, IncomingEvent(type="a")),
        ({"type": "é", "id": "☃"}, IncomingEvent(type="é", id="☃")),
    ],
)
def test_only_the_type_is_needed(body: object, event: IncomingEvent) -> None:
    assert read(body) == event


def test_profile_fields_are_seen() -> None:
    event = read({"type": "a", "to": [{"id": "ana", "email": "a@example.org"}]})
    assert event.changes_profiles
    assert event.recipient == "ana"
    assert decode_terms(event.audience) == (RecipientTerm("ana", email="a@example.org"),)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"5", "", "wrong_type"),
        (b"{}", "/type", "missing"),
        (b'{"type": ""}', "/type", "empty"),
        (b'{"type": 5}', "/type", "wrong_type"),
        (b'{"type": "a", "tpye": "b"}', "/tpye", "unknown_field"),
        (b'{"type": "a", "specversion": "1.0"}', "/specversion", "wrong_media_type"),
        (b'{"type": "a", "send_at": "tomorrow"}', "/send_at", "invalid_time"),
        (b'{"type": "a", "send_at": 5}', "/send_at", "wrong_type"),
        (b'{"type": "a", "to": "x", "recipients": "y"}', "/to", "contradiction"),
        (b'{"type": "a", "recipients": [5]}', "/recipients/0", "wrong_type"),
        (b'{"type": "a", "to": [{"segment": "x"}]}', "/to/0/segment", "not_built"),
        (b'{"type": "a", "exclude": [""]}', "/exclude/0", "empty"),
        (b'{"type": "a", "time": "yesterday"}', "/time", "invalid_time"),
        (b'{"type": "a", "expires_in": "2 days"}', "/expires_in", "invalid_duration"),
        (b'{"type": "a", "tenant": "a b"}', "/tenant", "invalid_key"),
        (b'{"type": "a", "id": "a\\u0000b"}', "/id", "control_character"),
        (b'{"type": "a", "id": "a\\nb"}', "/id", "control_character"),
        (b'{"type": "a", "id": "\x7f"}', "/id", "control_character"),
        (b'{"type": "a", "id": "%s"}' % (b"x" * 257), "/id", "too_long"),
        (b'{"type": "a", "locale": "%s"}' % (b"x" * 36), "/locale", "too_long"),
        (b'{"type": "a", "type": "b"}', "", "duplicate_key"),
        (b'{"type": "a", "type" : "b"}', "", "duplicate_key"),
        (b'{"type":"a","type" :"b"}', "", "duplicate_key"),
        (b'{"type":"a","t\\u0079pe":"b"}', "", "duplicate_key"),
        (b'{"type":"a","type":"b","data":{"x":1}}', "", "duplicate_key"),
        (b'{"type":"a","data":{"x":1},"data":{"x":1}}', "", "duplicate_key"),
        (b'{"type":"a","data":{"x":1,"x":2}}', "", "duplicate_key"),
        (b'{"type":"a","data":{"x":1,"x"  :2}}', "", "duplicate_key"),
        (b'{"type":"a","data":[{"y":{"x":"\\":","x":2}}]}', "", "duplicate_key"),
        (b'{"type":"a","data":%s}' % (b"[" * 64 + b"]" * 64), "", "too_deep"),
    ],
)
def test_a_mistake_is_named_at_its_place(body: bytes, pointer: str, code: str) -> None:
    assert (pointer, code) in problems(read(body))
    # Among others in a list it harms nobody.
    first, bad, last = read(b'[{"type":"a"},' + body + b',{"type":"z"}]')
    assert (first, last) == (IncomingEvent(type="a"), IncomingEvent(type="z"))
    assert (pointer, code) in problems(bad)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"type":"a"',
        b'{"type":"a"}}',
        b'{"type":"a","data":NaN}',
        b'{"type":"a","data":Infinity}',
        b'{"type":"a","data":1e999}',
        b'{"type":"a","data":01}',
        b"{'type':'a'}",
        b'{"type":"\xff"}',
        b'{"type":"a","data":"\xff"}',
        b'{"type":"a","data":"\\ud800 alone"}',
        b'{"type":"a\tb"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_the_deepest_event_is_64_levels() -> None:
    for media, extra in ((JSON, {}), (STRUCTURED, CLOUDEVENT)):
        for levels, deep in ((63, False), (64, True), (9_000, True)):
            event = json.dumps({"type": "a", **extra, "data": "?"}).encode()
            item = read(event.replace(b'"?"', b"[" * levels + b"]" * levels), media)
            assert isinstance(item, tuple) is deep, levels


@pytest.mark.parametrize("body", [b"[", b"[{]", b'[{"type":"a"},]', b"[[[" * 3_000])
def test_a_list_that_cannot_be_parsed_is_malformed_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)
    with pytest.raises(Malformed):
        read(b'{"type":"a"}', BATCH)


def test_limits_are_named() -> None:
    limits = EventLimits(event_bytes_max=60, events_max=2)
    large = b'{"type":"a","data":"%s"}' % (b"x" * 60)
    with pytest.raises(TooLarge, match="60 bytes"):
        read_events(JSON, {}, large, limits)
    with pytest.raises(TooLarge, match="2 events"):
        read_events(JSON, {}, b"[1,2,3]", limits)
    good, bad = read_events(JSON, {}, b'[{"type":"a"},' + large + b"]", limits).items
    assert good == IncomingEvent(type="a")
    assert problems(bad) == [("", "too_large")]


def test_a_list_of_one_is_a_list() -> None:
    assert read_events(JSON, {}, b' [{"type":"a"}]', EventLimits()).many
    assert not read_events(JSON, {}, b'{"type":"a"}', EventLimits()).many
    assert read_events(BATCH, {}, b"[]", EventLimits()).items == ()


def test_a_cloudevent_in_full() -> None:
    body = {
        **CLOUDEVENT,
        "subject": "42",
        "time": "2026-03-29T20:30:00+02:00",
        "datacontenttype": "application/json; charset=utf-8",
        "dataschema": "https://example.org/order",
        "data": {"order": 42},
        "recipient": "ana",
        "actor": "store-7",
        "tenant": "acme",
        "cancellationkey": "o-42",
        "expiresin": "2d",
        "traceparent": TRACE,
        "tracestate": "a=b",
        "partitionkey": "7",
        "sampledrate": 5,
    }
    expected = IncomingEvent(
        type="order",
        id="1",
        source="/shop",
        subject="42",
        time_ms=1_774_809_000_000,
        data=b'{"order": 42}',
        audience=b'["ana"]',
        recipient="ana",
        actor="store-7",
        tenant="acme",
        cancellation_key="o-42",
        expires_in_ms=172_800_000,
        trace=TRACE,
    )
    assert read(body, STRUCTURED) == expected
    assert read([body, body], BATCH) == [expected, expected]


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"specversion": None}, "/specversion", "missing"),
        ({"specversion": "0.3"}, "/specversion", "invalid_value"),
        ({"id": None}, "/id", "missing"),
        ({"id": ""}, "/id", "empty"),
        ({"source": None}, "/source", "missing"),
        ({"type": None}, "/type", "missing"),
        ({"time": "2026-03-29"}, "/time", "invalid_time"),
        ({"datacontenttype": "text/xml"}, "/datacontenttype", "not_built"),
        ({"data_base64": "AA=="}, "/data_base64", "not_built"),
        ({"Bad_Name": "x"}, "/Bad_Name", "invalid_attribute"),
        ({"other": {"x": 1}}, "/other", "wrong_type"),
        ({"recipient": ["ana"]}, "/recipient", "wrong_type"),
        ({"recipient": {"id": "ana"}}, "/recipient", "wrong_type"),
        ({"expiresin": "soon"}, "/expiresin", "invalid_duration"),
        ({"cancellationkey": 5}, "/cancellationkey", "wrong_type"),
    ],
)
def test_a_cloudevent_keeps_to_its_specification(
    fields: dict[str, object], pointer: str, code: str
) -> None:
    assert (pointer, code) in problems(read({**CLOUDEVENT, **fields}, STRUCTURED))
    assert (pointer, code) in problems(read([{**CLOUDEVENT, **fields}], BATCH)[0])


def test_what_only_the_shorthand_has_is_an_unknown_extension_in_a_cloudevent() -> None:
    event = read({**CLOUDEVENT, "to": "ana", "exclude": "bo"}, STRUCTURED)
    assert (event.audience, event.exclude) == (None, None)


def binary(body: bytes = b'{"order":42}', media: str = JSON, **headers: str) -> Any:
    named = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "order"}
    named.update({f"ce-{name}": value for name, value in headers.items()})
    return read_events(media, named, body, EventLimits()).items[0]


def test_binary_mode_has_its_attributes_in_headers() -> None:
    assert binary(recipient="ana", subject="Euro%20%E2%82%AC%20%F0%9F%98%80") == IncomingEvent(
        type="order",
        id="1",
        source="/s",
        subject="Euro € 😀",
        data=b'{"order":42}',
        audience=b'["ana"]',
        recipient="ana",
    )
    assert binary(b"", "") == IncomingEvent(type="order", id="1", source="/s")


@pytest.mark.parametrize(
    ("item", "pointer", "code"),
    [
        (binary(b"{", JSON), "/data", "malformed"),
        (binary(b'{"a":1,"a":2}', JSON), "/data", "duplicate_key"),
        (binary(b"<x/>", "text/xml"), "/datacontenttype", "not_built"),
        (binary(subject="%ff"), "/subject", "malformed"),
        (binary(id="a%00b"), "/id", "control_character"),
        (binary(data="x"), "/data", "invalid_attribute"),
        (binary(specversion="2.0"), "/specversion", "invalid_value"),
    ],
)
def test_binary_mode_is_as_strict(item: object, pointer: str, code: str) -> None:
    assert (pointer, code) in problems(item)


@pytest.mark.parametrize("media", ["text/plain", "", "application/xml"])
def test_other_media_types_are_refused(media: str) -> None:
    with pytest.raises(Malformed) as refused:
        read({"type": "a"}, media)
    assert refused.value.code == "unsupported_media_type"


def test_a_content_type_may_name_utf_8_only() -> None:
    assert media_type("Application/JSON; charset=UTF-8") == "application/json"
    with pytest.raises(Malformed, match="UTF-8"):
        media_type('application/json; charset="latin1"')


def test_a_trigger_is_an_event_of_its_workflow() -> None:
    body = b'{"recipients": ["ana"], "data": {"x": 1}, "cancellation_key": "k"}'
    assert read_trigger(body, "order.shipped") == IncomingEvent(
        type="order.shipped",
        data=b'{"x": 1}',
        audience=b'["ana"]',
        recipient="ana",
        cancellation_key="k",
    )


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        (b"{", Malformed, "malformed"),
        (b"[]", RequestRefused, "wrong_type"),
        (b'{"to":1,"to":2}', RequestRefused, "duplicate_key"),
        (b'{"type":"x"}', RequestRefused, "unknown_field"),
        (b'{"send_at":"tomorrow"}', RequestRefused, "invalid_time"),
    ],
)
def test_a_bad_trigger_is_refused(body: bytes, error: type[RequestRefused], code: str) -> None:
    with pytest.raises(error) as refused:
        read_trigger(body, "order.shipped")
    assert code in [each.code for each in refused.value.errors]
