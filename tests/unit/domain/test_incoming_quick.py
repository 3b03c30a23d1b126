"""The quick way to read an event never differs from the slow one, whatever is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.cloudevents import (
    EventLimits,
    IncomingEvent,
    _slow_cloudevent,
    _slow_shorthand,
    read_events,
)
from tocsin.domain.incoming_quick import (
    is_plain,
    quick_cloudevent,
    quick_cloudevents,
    quick_shorthand,
)
from tocsin.errors import Malformed

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MEDIA = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
TEXTS = st.text(max_size=8) | st.sampled_from(["a", 'say ":', "a\\", "", "x" * 300, "a\x00"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    "type": TEXTS,
    "id": TEXTS | st.none(),
    "source": TEXTS,
    "subject": TEXTS,
    "time": st.sampled_from(["2026-03-29T18:30:00Z", "2026-03-29", ""]),
    "data": VALUES,
    "actor": TEXTS,
    "tenant": TEXTS | st.just("acme"),
    "locale": st.sampled_from(["de", "x" * 36]),
    "traceparent": st.sampled_from([TRACE, "00", ""]),
}
SHORTHAND = st.fixed_dictionaries(
    {"type": TEXTS},
    optional={
        **{name: each for name, each in FIELDS.items() if name != "type"},
        "recipients": TEXTS | st.lists(TEXTS, max_size=3) | VALUES,
        "to": TEXTS,
        "cancellation_key": TEXTS,
        "expires_in": st.sampled_from(["2d", "0s", "x", "1h30m", "9999d"]),
        "strict_recipients": st.booleans() | st.none(),
    },
)
CLOUDEVENTS = st.fixed_dictionaries(
    {
        "specversion": st.sampled_from(["1.0", "1.0", "0.3"]),
        "id": TEXTS,
        "source": TEXTS,
        "type": TEXTS,
    },
    optional={
        **{name: each for name, each in FIELDS.items() if name not in {"id", "source", "type"}},
        "recipient": TEXTS,
        "cancellationkey": TEXTS,
        "expiresin": st.sampled_from(["2d", "0s", "x"]),
        "datacontenttype": st.sampled_from(["application/json", "text/xml"]),
    },
)


@given(SHORTHAND, st.booleans())
def test_the_quick_way_never_differs_from_the_slow_one(body: object, ascii_: bool) -> None:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=ascii_).encode(
        errors="surrogatepass"
    )
    found = quick_shorthand(text, is_plain(text))
    assert found is None or found == _slow_shorthand(text)


@given(CLOUDEVENTS)
def test_nor_does_it_for_cloudevents(body: object) -> None:
    text = json.dumps(body, separators=(",", ":")).encode()
    found = quick_cloudevent(text, is_plain(text))
    assert found is None or found == _slow_cloudevent(text)


@given(st.lists(CLOUDEVENTS, max_size=3))
def test_nor_does_a_whole_batch(events: list[object]) -> None:
    text = json.dumps(events, separators=(",", ":")).encode()
    found = quick_cloudevents(text, 3)
    alone = [json.dumps(each, separators=(",", ":")).encode() for each in events]
    assert found is None or found == tuple(_slow_cloudevent(each) for each in alone)


PLAIN = b'{"specversion":"1.0","id":"1","source":"s","type":"a","data":{"x":[{"y":1},{"y":2}]}}'


@pytest.mark.parametrize(
    "odd",
    [
        PLAIN.replace(b'"y":2', b'"y":2,"y":3'),
        PLAIN.replace(b'"id":"1"', b'"id":"1","id":"2"'),
        PLAIN.replace(b'"y":2', b'"y":"\\":"'),
        PLAIN.replace(b'"1.0"', b'"0.3"'),
        PLAIN.replace(b'"id":"1"', b'"id":"' + b"x" * 257 + b'"'),
        PLAIN.replace(b'"source"', b'"odd":1,"source"'),
        PLAIN.replace(b'"y":2', b'"y":2,"y":":"'),
        PLAIN.replace(b'{"y":1}', b"[" * 70 + b"]" * 70),
    ],
)
def test_one_odd_event_of_a_batch_is_looked_at_alone(odd: bytes) -> None:
    limits = EventLimits()
    media = "application/cloudevents-batch+json"
    assert quick_cloudevents(b"[%b,%b]" % (PLAIN, PLAIN), 2) is not None
    assert quick_cloudevents(b"[%b,%b]" % (PLAIN, odd), 2) is None
    assert quick_cloudevents(b"[%b,%b]" % (PLAIN, PLAIN), 1) is None
    items = read_events(media, {}, b"[%b,%b]" % (PLAIN, odd), limits).items
    assert items == (_slow_cloudevent(PLAIN), _slow_cloudevent(odd))


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_plain_events_go_the_quick_way(separators: tuple[str, str]) -> None:
    data = {"x": [{"y": 1}, {"y": 2}]}
    plain = {"type": "a", "id": "1", "source": "s", "data": data, "to": "ana"}
    text = json.dumps(plain, separators=separators).encode()
    assert quick_shorthand(text, is_plain(text)) is not None
    text = json.dumps(
        {"specversion": "1.0", "id": "1", "source": "s", "type": "a", "data": data},
        separators=separators,
    ).encode()
    assert quick_cloudevent(text, is_plain(text)) is not None


def test_empty_texts_and_white_space_in_data_keep_no_batch_from_the_quick_way() -> None:
    roomy = PLAIN.replace(b'"y":2', b'"y" : "", "":":"')
    assert quick_cloudevents(b"[%b, %b]" % (PLAIN, roomy), 2) == (
        _slow_cloudevent(PLAIN),
        _slow_cloudevent(roomy),
    )


@given(st.binary(max_size=60) | st.text('{}[]":,\\type0a \u2028', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for media in MEDIA:
        try:
            found = read_events(media, {}, body, EventLimits())
        except Malformed:
            continue
        assert all(isinstance(item, IncomingEvent) or item for item in found.items)
