"""What is accepted while the disk fills up, and the file that is given up in need."""

from __future__ import annotations

import pytest

from tocsin.adapters.system import VirtualClock
from tocsin.app.accepting.room import DiskRoom, Level, Watermarks
from tocsin.domain.lanes import LANES
from tocsin.errors import StorageFull, StorageLow

MARKS = Watermarks(low=10, bulk=5, stop=2)


class Shelf:
    """Fills `tocsin.ports.system.Disk` with numbers: 1,000 bytes in all."""

    def __init__(self, used: int, *, ballast_bytes: int = 50) -> None:
        self.ballast_bytes = ballast_bytes
        self.used = used
        self.ballast = False
        self.full = False

    def room(self) -> tuple[int, int]:
        return 1_000 - self.used - (self.ballast_bytes if self.ballast else 0), 1_000

    def keep_ballast(self) -> None:
        if self.full:
            raise StorageFull("no room")
        self.ballast = True

    def drop_ballast(self) -> bool:
        had, self.ballast = self.ballast, False
        return had


def looked(shelf: Shelf, marks: Watermarks = MARKS) -> DiskRoom:
    room = DiskRoom(shelf, marks, VirtualClock(0))
    room.look()
    return room


def refused(room: DiskRoom) -> set[str]:
    """Return the lanes that are not accepted."""
    found: set[str] = set()
    for lane in LANES:
        try:
            room.check([lane])
        except StorageLow:
            found.add(lane)
    return found


@pytest.mark.parametrize(
    ("used", "level", "lanes"),
    [
        (0, Level.FINE, set()),
        (900, Level.FINE, set()),
        (901, Level.LOW, set()),
        (950, Level.LOW, set()),
        (951, Level.BULK_STOPPED, {"bulk"}),
        (980, Level.BULK_STOPPED, {"bulk"}),
        (981, Level.STOPPED, set(LANES)),
        (1_000, Level.STOPPED, set(LANES)),
    ],
)
def test_each_level_begins_below_its_mark(used: int, level: Level, lanes: set[str]) -> None:
    room = looked(Shelf(used, ballast_bytes=0))
    assert room.level is level
    assert refused(room) == lanes
    assert (room.warning() is None) == (level is Level.FINE)


def test_a_request_with_bulk_among_others_is_refused_whole() -> None:
    with pytest.raises(StorageLow, match="lane bulk"):
        looked(Shelf(960)).check(["critical", "bulk"])


def test_marks_of_zero_stop_nothing() -> None:
    assert refused(looked(Shelf(1_000), Watermarks(0, 0, 0))) == set()


def test_the_ballast_is_given_up_at_the_last_level_and_made_again_when_all_is_well() -> None:
    shelf = Shelf(0)
    room = looked(shelf)
    assert shelf.ballast
    shelf.used = 935
    room.look()
    assert (room.level, shelf.ballast) == (Level.STOPPED, False)
    room.look()
    assert room.level is Level.LOW
    # With the ballast it would not be well any more, so it is not taken yet.
    shelf.used = 860
    room.look()
    assert (room.level, shelf.ballast) == (Level.FINE, False)
    shelf.used = 800
    room.look()
    assert shelf.ballast


def test_a_ballast_that_cannot_be_made_is_done_without() -> None:
    shelf = Shelf(0)
    shelf.full = True
    assert looked(shelf).level is Level.FINE
    assert not shelf.ballast
