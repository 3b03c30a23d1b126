"""The shop of `examples/shop`: what its orders become, and the whole of it, run."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.shop.generate import COLUMNS, orders
from examples.shop.replay import CANCELLED, STEPS, events_of, in_order
from tests.docs.pages import ROOT
from tocsin.domain.cloudevents import EventLimits, IncomingEvent, read_events
from tocsin.domain.workflow import compile_workflow
from tocsin.domain.workflow_read import read_document

SHOP = ROOT / "examples/shop"
ROW = dict.fromkeys(COLUMNS, "") | {
    "order_id": "o1",
    "customer_id": "ana",
    "status": "delivered",
    "purchased_at": "2024-05-01T10:00:00+00:00",
    "approved_at": "2024-05-01T11:00:00+00:00",
    "estimated_delivery": "2024-05-20",
}


def test_every_filled_date_is_one_event_in_the_order_of_the_columns() -> None:
    found = list(events_of(ROW))
    assert [(each["id"], each["time"]) for each in found] == [
        ("o1/order.placed", ROW["purchased_at"]),
        ("o1/order.approved", ROW["approved_at"]),
    ]
    assert found[0]["data"] == {
        "order_id": "o1",
        "customer_id": "ana",
        "estimated_delivery": "2024-05-20",
    }


@pytest.mark.parametrize("status", ["canceled", "unavailable"])
def test_an_order_that_came_to_nothing_ends_with_its_last_date(status: str) -> None:
    """The last date by time, which need not be the last column."""
    row = ROW | {"status": status, "handed_to_carrier_at": "2024-05-01T10:30:00+00:00"}
    last = list(events_of(row))[-1]
    assert (last["type"], last["time"]) == (CANCELLED, ROW["approved_at"])
    assert last["data"]["status"] == status


def test_events_are_sorted_by_instant_and_equal_ones_stay_in_the_order_of_the_file() -> None:
    """10:00 in Berlin is before 09:00 in London."""
    rows = [
        ROW | {"order_id": "b", "approved_at": "2024-05-01T09:00:00+00:00"},
        ROW | {"order_id": "a", "approved_at": "2024-05-01T09:00:00+00:00"},
        ROW | {"order_id": "c", "approved_at": "2024-05-01T10:00:00+02:00"},
    ]
    approved = [each["id"] for each in in_order(rows) if each["type"] == "order.approved"]
    assert approved == ["c/order.approved", "b/order.approved", "a/order.approved"]


def test_the_same_seed_gives_the_same_orders_and_another_one_others() -> None:
    first = list(orders(200, seed=3))
    assert first == list(orders(200, seed=3))
    assert first != list(orders(200, seed=4))
    assert len({row["order_id"] for row in first}) == 200
    assert len({row["customer_id"] for row in first}) < 200


def test_what_is_sent_is_accepted_and_every_type_has_its_workflow() -> None:
    """Each event is read without a problem, fits the workflow's schema, and fills its text."""
    documents = [tomllib.loads(path.read_text("utf-8")) for path in SHOP.glob("workflows/*.toml")]
    workflows = {each["key"]: compile_workflow(read_document(each), 1) for each in documents}
    warehouse = f"{CANCELLED}.warehouse"
    assert set(workflows) == {kind for _, kind in STEPS} | {CANCELLED, warehouse}
    for event in in_order(orders(300, seed=5)):
        body = json.dumps(event).encode()
        incoming = read_events("application/cloudevents+json", {}, body, EventLimits())
        assert isinstance(incoming.items[0], IncomingEvent), incoming.items[0]
        workflow = workflows[event["type"]]
        assert workflow.check_data is not None
        assert workflow.check_data(event["data"]) == ()
        fields = workflow.steps[0].fields
        title = (fields.get("title") or fields["subject"]).render({"data": event["data"]})
        assert event["data"]["order_id"][:8] in title


@pytest.fixture
def brief() -> Iterator[Path]:
    """A folder with a short name: that of a socket in it may have some hundred bytes at most."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_example_runs_and_everything_is_accounted_for(tmp_path: Path, brief: Path) -> None:
    """`run.sh` starts a sandbox of its own, sends each order twice at its time, asks the audit."""
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS)
    writer.writeheader()
    rows = list(orders(30, seed=9))
    writer.writerows(rows)
    file = tmp_path / "orders.csv"
    file.write_text(table.getvalue(), "utf-8")
    done = subprocess.run(
        ["bash", str(SHOP / "run.sh"), str(file)],
        cwd=ROOT,
        env={
            **os.environ,
            "BIN": str(Path(sys.executable).parent),
            "PYTHONPATH": str(ROOT / "src"),
            "TMPDIR": str(brief),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    events = len(in_order(rows))
    assert f"accepted={events} duplicates={events} refused=0" in done.stdout
    lines = Counter(
        re.findall(r"(?m)^events transactional: accepted=(\d+) routed=(\d+) ", done.stdout)
    )
    assert lines == {(str(events), str(events)): 1}
    assert done.stdout.count("Balanced: ") == 2
    assert "and did not get it by email because it was read at" in done.stdout
    assert "and was sent it by email at" in done.stdout
