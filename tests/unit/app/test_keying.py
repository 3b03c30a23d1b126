"""Events about one recipient go to one partition, wherever they name her."""

from __future__ import annotations

import msgspec
import pytest

from tocsin.app.accepting.keying import Keying
from tocsin.domain.incoming import IncomingEvent
from tocsin.domain.workflow import Workflow, compile_workflow
from tocsin.domain.workflow_read import read_document

SEED = 7


def workflow(path: str) -> Workflow:
    step = {"channel": "inbox", "title": "t", "body": "b"}
    document = {"key": "w", "on": ["x"], "audience": {"path": path}, "steps": [step]}
    return compile_workflow(read_document(document), 1)


def key_of(path: str, data: object, subject: str | None = None) -> int:
    event = IncomingEvent(type="x", data=msgspec.json.encode(data), subject=subject)
    return Keying(SEED).partition_key(event, "shop", "1", [workflow(path)])


def named(recipient: str) -> int:
    return Keying(SEED).partition_key(IncomingEvent(type="x", recipient=recipient), "a", "b", [])


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("data.to", {"to": "ana", "more": [1]}),
        ("data.order.customer", {"order": {"customer": "ana"}}),
        ("data.customers.0.id", {"customers": [{"id": "ana"}]}),
    ],
)
def test_whoever_a_path_leads_to_has_the_partition_of_a_call_that_names_her(
    path: str, data: object
) -> None:
    assert key_of(path, data) == named("ana")


@pytest.mark.parametrize("data", [{}, {"to": 5}, {"to": ["ana", "bea"]}, {"to": {"to": "ana"}}, []])
def test_what_names_nobody_alone_goes_by_its_subject_else_by_its_id(data: object) -> None:
    assert key_of("data.to", data, subject="ana") == named("ana")
    assert key_of("data.to", data) == named("shop\0001")
