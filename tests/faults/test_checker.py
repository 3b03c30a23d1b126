"""The checker finds each thing that must not happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import compare
from tests.faults.history import History, Sent
from tests.faults.load import PEOPLE, READER, SILENT

Shown = dict[str, list[dict[str, Any]]]


def item(title: str) -> dict[str, Any]:
    return {"id": f"ntf_{title}", "title": title, "read_at": "2030-01-01T00:00:00Z"}


def told(path: Path) -> tuple[History, Shown]:
    """Return a history and the inboxes that agree with it."""
    history = History(path)
    history.sending(
        [
            Sent("ok", "order.critical", (READER, SILENT), known="ok"),
            Sent("perhaps", "order.bulk", (READER,)),
            Sent("refused", "order.bulk", (READER,), known="fail"),
            Sent("cancelled", "order.bulk", (READER,), key="c", known="ok"),
        ]
    )
    history.cancelled.add("c")
    history.states[READER, "ntf_ok"] = "read"
    history.close()
    return history, {person: [] for person in PEOPLE} | {READER: [item("ok")]}


def test_what_agrees_is_no_violation(tmp_path: Path) -> None:
    history, shown = told(tmp_path / "h")
    assert compare(history, shown) == []
    shown[READER].append(item("perhaps"))
    assert compare(history, shown) == []


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda shown: shown[READER].clear(), "lost ok"),
        (lambda shown: shown[READER].append(item("ok")), "has ok 2 times"),
        (lambda shown: shown[READER].extend([item("perhaps")] * 2), "has perhaps 2 times"),
        (lambda shown: shown[READER].append(item("refused")), "has refused 1 times"),
        (lambda shown: shown[READER].append(item("cancelled")), "has cancelled 1 times"),
        (lambda shown: shown[SILENT].append(item("ok")), "has ok 1 times"),
        (lambda shown: shown[PEOPLE[5]].append(item("ok")), "has ok 1 times"),
        (lambda shown: shown[READER].append(item("other")), "which nobody sent"),
        (lambda shown: shown[READER][0].update(read_at=None), "is not read"),
    ],
)
def test_each_violation_is_found(
    tmp_path: Path, spoil: Callable[[Shown], object], complaint: str
) -> None:
    history, shown = told(tmp_path / "h")
    spoil(shown)
    assert complaint in " ".join(compare(history, shown))
