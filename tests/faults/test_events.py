"""Every field of an event, with any value: a precise refusal, and no harm to its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.server import Server

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

FIELDS = (
    *("type", "id", "source", "subject", "time", "recipients", "to", "exclude", "actor", "data"),
    *("tenant", "locale", "cancellation_key", "expires_in", "strict_recipients", "traceparent"),
    *("specversion", "datacontenttype", "dataschema", "data_base64", "unknown_field"),
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["", "\x00", "a\nb", "\ud7ff\U0010ffff", "x" * 5_000, "2d", "-1s", "\u202e"]),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
RECIPIENTS = st.lists(
    st.one_of(
        TEXTS,
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("id", "email", "phone", "name", "timezone", "group", "everyone"), ANYTHING
            ),
        ),
    ),
    max_size=3,
)
EVENTS = st.dictionaries(
    st.sampled_from(FIELDS), ANYTHING, min_size=1, max_size=4
) | st.fixed_dictionaries({"recipients": RECIPIENTS, "exclude": RECIPIENTS})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("events") / "d") as server:
        server.start()
        yield server


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile=EVENTS)
def test_a_bad_event_is_refused_precisely_and_alone(
    server: Server, hostile: dict[str, Any]
) -> None:
    good = {"type": "good.one"}
    bad = {"type": "some.thing", **hostile}
    with server.caller() as call:
        answer = call("POST", "/v1/events", [good, bad, good])
        assert answer.status in {202, 207}, answer
        first, middle, last = answer.body["events"]
        assert "id" in first
        assert "id" in last
        alone = call("POST", "/v1/events", bad)
    if "id" in middle:
        assert alone.status == 202, alone
        return
    assert middle["code"], middle
    assert middle["errors"], middle
    for problem in middle["errors"]:
        assert problem["code"]
        assert problem["detail"]
        named = problem["pointer"].split("/")
        assert named == [""] or (named[0] == "" and named[1] in bad), problem
    assert alone.status in {400, 422}, alone
    assert alone.body["errors"] == middle["errors"]
