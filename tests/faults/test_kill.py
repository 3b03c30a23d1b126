"""kill -9 at named points and at any time: what was acknowledged stands, and stands once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.load import Load, prepare
from tests.faults.server import Server, environment_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

# In both layouts. Where a step is one transaction, what would follow from it is passed in it.
EVERYWHERE = (
    ("before-commit:30", "log.append:after:5", "dedup.claim:after:9", "after-commit:77"),
    ("log.commit:before:12", "idempotency.begin:after:6", "feed.publish:before:8", "random"),
    ("log.commit:after:20", "log.append:before:9", "idempotency.finish:before:4", "random"),
    ("fanouts.claim_create:after:1", "feed.publish:after:3", "recipients.put:after:3", "random"),
    ("fanouts.claim_advance:before:2", "idempotency.finish:after:3", "after-commit:1", "random"),
    ("fanouts.claim_advance:after:1", "blobs.put:after:2", "before-commit:150", "random"),
    ("merging:before-commit:4", "claims.put_tombstone:after:2", "random"),
    ("merging:after-commit:7", "dedup.claim:before:4", "merging:before-commit:19", "random"),
    ("timers.claim_arm:before:3", "timers.claim_arm:after:4", "timers.fired:before:2", "random"),
)
SPLIT_ONLY = (
    ("inbox.write:before:10", "ledger.write:after:12", "log.commit:before:31", "random"),
    ("ledger.write:before:7", "inbox.write:after:15", "log.commit:after:37", "random"),
)
STORIES = [("joint", points) for points in EVERYWHERE]
STORIES += [("split", points) for points in (*EVERYWHERE, *SPLIT_ONLY)]

LEAST_ACCEPTED = 60
LONGEST_LIFE_S = 4.0


def test_at_least_sixty_points_are_tried() -> None:
    assert sum(len(points) for _, points in STORIES) >= 60


@pytest.mark.parametrize(("layout", "points"), STORIES, ids=lambda value: str(value)[:40])
def test_nothing_acknowledged_is_lost_or_shown_twice(
    tmp_path: Path, layout: str, points: tuple[str, ...]
) -> None:
    dice = random.Random(f"{layout} {points}")
    history = History(tmp_path / "history.jsonl")
    ready: list[float] = []
    reached: list[str] = []
    with Server(tmp_path / "d", **environment_of(layout)) as server:
        server.start()
        prepare(server)
        load = Load(server, history, dice.randrange(1 << 30))
        load.follower.catch_up(0)
        server.end()
        for point in points:
            if live_until(server, load, point, dice):
                reached.append(point)
            server.start()
            ready.append(server.ready_s)
            load.resend()
            assert check(server, history, load.follower) == [], (point, server.log)
            server.end()
    history.close()
    acknowledged = sum(each.known == "ok" for each in history.events.values())
    assert acknowledged > 50, "there was hardly any load"
    timed = [point for point in points if point.startswith("timers.")]
    assert not timed or set(timed) & set(reached), "nothing waited for a timer"
    print(  # noqa: T201  # the figures are the point
        f"{layout}: ready after {max(ready):.1f} s at most, {acknowledged} acknowledged events,"
        f" at their point {reached}, at some time {sorted(set(points) - set(reached))}"
    )


def live_until(server: Server, load: Load, point: str, dice: random.Random) -> bool:
    """Run under load until the process kills itself at *point*, or is killed at some time."""
    server.start(crash_at=point)
    if not server.alive:
        return True
    load.begin()
    seconds = dice.uniform(0.3, 1.5) if point == "random" else LONGEST_LIFE_S
    load.go_on(LEAST_ACCEPTED, seconds)
    reached = not server.alive
    server.end()
    load.end()
    return reached
