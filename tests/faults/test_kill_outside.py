"""kill -9 while messages leave the house: nothing is lost, and what repeats was unknown."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.history import History
from tests.faults.outside import Outside
from tests.faults.outside_checker import Counts, OutsideChecker
from tests.faults.outside_load import OutsideLoad, prepare
from tests.faults.server import Server, environment_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

# After "attempts" no call has been made and before "outcomes" it has, which nobody can tell later.
# A point after a "+" is passed while what the death before has left is taken over.
EVERYWHERE = (
    ("log.commit(attempts):after:9", "+orphans.kept:before:1", "claims.claim:before:4", "random"),
    ("log.commit(outcomes):before:12", "+orphans.kept:after:1", "claims.swap_many:after:3"),
    ("log.commit(outcomes):after:7", "timers.claim_arm:after:20", "waits.claim_put:after:3"),
    ("log.commit(attempts):before:15", "timers.fired:before:3", "waits.note:before:5", "random"),
    ("log.commit(outcomes):before:30", "+log.commit(attempts):after:1", "timers.fired:after:4"),
    ("waits.claim_drop:before:2", "claims.swap_many:before:6", "status_webhooks.tell:before:4"),
)
SPLIT_ONLY = (
    ("dead_letters.write:before:3", "dead_letters.write:after:9", "ledger.write:after:9"),
)
STORIES = [("joint", points) for points in EVERYWHERE]
STORIES += [("split", points) for points in (*EVERYWHERE, *SPLIT_ONLY)]
QUICK = {
    "TOCSIN_PROVIDERS__SMTP__RETRY_BASE": "100ms",
    "TOCSIN_PROVIDERS__WEBHOOK__RETRY_BASE": "100ms",
    "TOCSIN_STATUS_WEBHOOKS__RETRY_BASE": "100ms",
    # Its endpoint is played here, too.
    "TOCSIN_OUTBOUND__ALLOWED_NETWORKS": "127.0.0.0/8",
}

LEAST_ACCEPTED = 20
LONGEST_LIFE_S = 4.0


def test_at_least_forty_points_are_tried() -> None:
    assert sum(len(points) for _, points in STORIES) >= 40


@pytest.mark.parametrize(("layout", "points"), STORIES, ids=lambda value: str(value)[:40])
def test_all_that_was_promised_arrives_and_only_the_unknown_twice(
    tmp_path: Path, layout: str, points: tuple[str, ...]
) -> None:
    dice = random.Random(f"{layout} {points}")
    history = History(tmp_path / "history.jsonl")
    reached: list[str] = []
    folder = tmp_path / "outside"
    settings = environment_of(layout, TOCSIN_SANDBOX__FOLDER=str(folder), **QUICK)
    with Outside(folder) as outside, Server(tmp_path / "d", **settings) as server:
        server.start()
        prepare(server, outside)
        server.end()
        load = OutsideLoad(server, history, dice.randrange(1 << 30))
        checker = OutsideChecker(server, outside, history)
        for place, point in enumerate(points):
            if live_until(server, load, point.removeprefix("+"), dice):
                reached.append(point)
            if place + 1 < len(points) and points[place + 1].startswith("+"):
                continue
            server.start()
            load.resend()
            assert checker.check() == [], (point, server.log)
            server.end()
        assert outside.alive
    history.close()
    _tell(layout, history, checker.counts(), reached, points)


def live_until(server: Server, load: OutsideLoad, point: str, dice: random.Random) -> bool:
    """Run under load until the process kills itself at *point*, or is killed at some time."""
    server.start(crash_at=point)
    if not server.alive:
        return True
    load.begin()
    seconds = dice.uniform(0.5, 2.0) if point == "random" else LONGEST_LIFE_S
    load.go_on(LEAST_ACCEPTED, seconds)
    reached = not server.alive
    server.end()
    load.end()
    return reached


def _tell(
    layout: str, history: History, counts: Counts, reached: list[str], points: tuple[str, ...]
) -> None:
    acknowledged = sum(each.known == "ok" for each in history.events.values())
    assert acknowledged > 20, "there was hardly any load"
    assert counts.unknown, "every answer was heard"
    assert counts.repeats <= counts.unknown
    print(  # noqa: T201  # the figures are the point
        f"{layout}: {acknowledged} acknowledged events, {counts.deliveries} deliveries to the"
        f" outside, {counts.unknown} attempts of unknown outcome, {counts.repeats} repeats,"
        f" at their point {reached}, at some time {sorted(set(points) - set(reached))}"
    )
