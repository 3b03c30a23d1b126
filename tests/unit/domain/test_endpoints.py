"""When an endpoint is given up, at the edges."""

from __future__ import annotations

import msgspec
import pytest

from tocsin.domain.endpoints import Patience, Turn, enabled, turn, turned
from tocsin.domain.recipient import Address

PATIENCE = Patience(failing_max_ms=100, failures_min=3)
FINE = Address(1, "webhook", b"sealed", b"digest")
FAILING = msgspec.structs.replace(FINE, failing_ms=1_000)
OFF = msgspec.structs.replace(FAILING, disabled_ms=1_100)


@pytest.mark.parametrize(
    ("address", "answered", "failures", "now_ms", "wanted"),
    [
        (FINE, True, 0, 1_000, Turn.NOTHING),
        (FINE, False, 1, 1_000, Turn.BEGINS),
        (FAILING, True, 0, 1_001, Turn.ENDS),
        (FAILING, False, 9, 1_099, Turn.NOTHING),
        (FAILING, False, 2, 1_100, Turn.NOTHING),
        (FAILING, False, 3, 1_100, Turn.DISABLED),
        (OFF, False, 9, 9_000, Turn.NOTHING),
        (OFF, True, 0, 9_000, Turn.NOTHING),
    ],
)
def test_a_turn_needs_time_and_failures(
    address: Address, *, answered: bool, failures: int, now_ms: int, wanted: Turn
) -> None:
    found = turn(address, answered=answered, failures=failures, now_ms=now_ms, patience=PATIENCE)
    assert found is wanted


@pytest.mark.parametrize(
    ("address", "done", "after"),
    [
        (FINE, Turn.BEGINS, msgspec.structs.replace(FINE, failing_ms=5)),
        (FAILING, Turn.BEGINS, FAILING),
        (FAILING, Turn.ENDS, FINE),
        (FINE, Turn.ENDS, FINE),
        (FAILING, Turn.DISABLED, msgspec.structs.replace(FAILING, disabled_ms=5)),
        # It answered meanwhile, or was written anew.
        (FINE, Turn.DISABLED, FINE),
        (OFF, Turn.DISABLED, OFF),
        (FAILING, Turn.NOTHING, FAILING),
    ],
)
def test_what_was_done_meanwhile_is_not_done_again(
    address: Address, done: Turn, after: Address
) -> None:
    assert turned(address, done, 5) == after


def test_who_is_enabled_begins_anew() -> None:
    assert enabled(OFF) == FINE
