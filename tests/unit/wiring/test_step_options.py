"""What the folders say of a step's options, when a workflow is written."""

from __future__ import annotations

from functools import partial

import pytest

from tocsin.app.step_options import check_step_options
from tocsin.channels.registry import Registry, folders
from tocsin.domain.workflow_read import read_document
from tocsin.errors import RequestRefused
from tocsin.wiring.step_options import options_problem

CHECK = partial(options_problem, Registry(folders()))


def document(options: object) -> object:
    return {"key": "a", "steps": [{"channel": "push", "title": "t", "options": options}]}


@pytest.mark.parametrize(
    "options",
    [
        {"apns": {"interruption_level": "passive", "data": {"a": [1]}}},
        {"fcm": {"android": {"notification": {"color": "#ff0000"}}}},
        # What is filled in later is looked at when it is sent.
        {"webpush": {"urgency": "{{ data.urgency }}"}, "apns": {"badge": "{{ data.n }}"}},
    ],
)
def test_what_a_vendor_takes_is_let_through(options: object) -> None:
    check_step_options(read_document(document(options)), CHECK)


@pytest.mark.parametrize(
    ("options", "place", "says"),
    [
        ({"apns": {"interuption_level": "passive"}}, "apns", "interuption_level"),
        ({"apns": {"interruption_level": "loud"}}, "apns", "interruption_level"),
        ({"fcm": {"android": {"ttl": "soon"}}}, "fcm", "android.ttl"),
        ({"apn": {}}, "apn", "did you mean apns?"),
        ({"smtp": {}}, "smtp", "there are: apns, fcm, webpush"),
    ],
)
def test_a_mistake_is_named_at_its_place(options: object, place: str, says: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_step_options(read_document(document(options)), CHECK)
    (problem,) = refused.value.errors
    assert problem.pointer == f"/steps/0/options/{place}"
    assert problem.code == "invalid_options"
    assert says in problem.detail
