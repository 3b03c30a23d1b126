"""The keys of a folder: which ones it needs, and what a changed file does while it is open."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tocsin.adapters.sealing import AesSealer
from tocsin.adapters.system import SystemChance
from tocsin.config import Config, Misconfigured
from tocsin.errors import Conflict
from tocsin.wiring.encryption_keys import admit, decoded, known_by, needs_only, needs_others
from tocsin.wiring.folder import birth_of, take
from tocsin.wiring.key_watch import KeyWatch

FIRST, SECOND, THIRD, OTHER = (bytes([n]) * 32 for n in range(1, 5))
WARNING = "encryption_keys_not_taken"


def written(*keys: bytes) -> str:
    return "\n".join(base64.b64encode(key).decode() for key in keys) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        yield take(Config(data=str(tmp_path / "data")), 0, stack)


def test_a_folder_knows_its_key_again(folder: Path) -> None:
    admit(folder, [FIRST], "the file")
    born = birth_of(folder)
    admit(folder, [FIRST], "the file")
    with pytest.raises(Conflict, match="the file: this is another key"):
        admit(folder, [SECOND], "the file")
    assert birth_of(folder) == born
    assert born.key == known_by(FIRST)
    assert born.sealing == ()


def test_the_first_key_stays_the_last_one(folder: Path) -> None:
    admit(folder, [FIRST], "the file")
    with pytest.raises(Conflict, match="must be there, as the last one"):
        admit(folder, [FIRST, SECOND], "the file")
    with pytest.raises(Conflict, match="must be there, as the last one"):
        admit(folder, [THIRD, SECOND], "the file")


def test_a_key_that_has_sealed_must_stay(folder: Path) -> None:
    admit(folder, [FIRST], "the file")
    admit(folder, [SECOND, FIRST], "the file")
    with pytest.raises(Conflict, match="1 cannot be found"):
        admit(folder, [THIRD, FIRST], "the file")
    with pytest.raises(Conflict, match="1 cannot be found"):
        admit(folder, [FIRST], "the file")
    admit(folder, [THIRD, SECOND, FIRST], "the file")
    assert birth_of(folder).sealing == tuple(map(known_by, (THIRD, SECOND, FIRST)))


def test_a_folder_that_begins_with_several_keys_needs_the_last_and_the_newest(
    folder: Path,
) -> None:
    admit(folder, [SECOND, FIRST], "the file")
    assert birth_of(folder).key == known_by(FIRST)
    assert birth_of(folder).sealing == (known_by(SECOND), known_by(FIRST))


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "nonsense", written(b"short"), written(FIRST, FIRST), written(FIRST) + "x"],
    ids=["empty", "blank", "no base64", "short", "twice", "rest"],
)
def test_what_are_no_keys_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        decoded(text, "the file")
    assert str(refused.value).count("the file") == 1
    assert not text.strip() or text.split(maxsplit=1)[0] not in str(refused.value)


class Site:
    """An open folder whose keys are in a file."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.path = folder, path
        path.write_text(written(FIRST))
        admit(folder, [FIRST], "the file")
        self.sealer = AesSealer([FIRST], SystemChance())
        self.watch = KeyWatch(self.sealer, folder, path, "the file", [FIRST])

    def change(self, text: str) -> bool:
        """Return whether the new content was taken."""
        self.path.write_text(text)
        return self.watch.look(self.path)


@pytest.fixture
def site(folder: Path, tmp_path: Path) -> Site:
    return Site(folder, tmp_path / "encryption.key")


def test_a_new_key_in_front_seals_from_then_on(site: Site) -> None:
    before = site.sealer.seal("ada", place="p")
    digest = site.sealer.digest("ada", place="p")

    assert not site.watch.look(site.path)
    assert site.sealer.newest(before)
    assert site.change(written(SECOND, FIRST))

    after = site.sealer.seal("ada", place="p")
    assert site.sealer.newest(after)
    assert not site.sealer.newest(before)
    assert site.sealer.open(before, place="p") == "ada"
    assert AesSealer([SECOND], SystemChance()).open(after, place="p") == "ada"
    assert site.sealer.digest("ada", place="p") == digest
    assert birth_of(site.folder).sealing == (known_by(SECOND), known_by(FIRST))
    assert not site.watch.look(site.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "ünsinn",
        written(OTHER),
        written(OTHER, SECOND),
        written(SECOND),
        written(FIRST),
        written(FIRST, SECOND),
        written(THIRD, FIRST),
    ],
)
def test_what_cannot_be_used_keeps_the_keys_and_is_told_once(site: Site, text: str) -> None:
    assert site.change(written(SECOND, FIRST))
    born = birth_of(site.folder)
    with capture_logs() as logs:
        assert not site.change(text)
        assert not site.watch.look(site.path)

    assert [line["event"] for line in logs] == [WARNING]
    assert all(word not in str(logs) for word in text.split())
    assert birth_of(site.folder) == born
    sealed = site.sealer.seal("ada", place="p")
    assert AesSealer([SECOND], SystemChance()).open(sealed, place="p") == "ada"


def test_a_file_that_is_gone_keeps_the_keys_and_one_that_is_back_is_taken(site: Site) -> None:
    site.path.unlink()
    with capture_logs() as logs:
        assert not site.watch.look(site.path)
        assert not site.watch.look(site.path)
        assert not site.change(written(FIRST))
        assert site.change(written(SECOND, FIRST))
    assert [line["event"] for line in logs] == [WARNING, "encryption_keys_taken"]


def test_a_key_of_before_opens_what_is_in_hand_until_the_end(site: Site) -> None:
    """Whoever has read a value before a key left the file can still open it."""
    before = AesSealer([THIRD], SystemChance()).seal("ada", place="p")
    site.sealer.take([THIRD, FIRST])
    site.sealer.take([SECOND, FIRST])
    assert site.sealer.open(before, place="p") == "ada"


def test_older_keys_can_go_when_nothing_needs_them(site: Site) -> None:
    assert not needs_others(site.folder, FIRST)
    site.change(written(SECOND, FIRST))
    site.change(written(THIRD, SECOND, FIRST))
    assert needs_others(site.folder, THIRD)

    needs_only(site.folder, THIRD)

    assert not needs_others(site.folder, THIRD)
    assert site.change(written(THIRD, FIRST))
    assert birth_of(site.folder).sealing == (known_by(THIRD),)
    with pytest.raises(Conflict, match="1 cannot be found"):
        admit(site.folder, [FIRST], "the file")


async def test_sealing_anew_goes_on_until_nothing_is_left(site: Site) -> None:
    said = iter([False, True])
    calls: list[bool] = []

    async def seal_anew() -> bool:
        calls.append(next(said))
        return calls[-1]

    await site.watch.renew(seal_anew)
    assert calls == []
    site.change(written(SECOND, FIRST))
    for _ in range(4):
        await site.watch.renew(seal_anew)

    assert calls == [False, True]
    assert birth_of(site.folder).sealing == (known_by(SECOND),)


async def test_a_key_that_came_meanwhile_is_not_forgotten(site: Site) -> None:
    async def overtaken() -> bool:
        site.change(written(THIRD, SECOND, FIRST))
        return True

    site.change(written(SECOND, FIRST))
    await site.watch.renew(overtaken)

    assert birth_of(site.folder).sealing[0] == known_by(THIRD)
    assert needs_others(site.folder, THIRD)


def test_digests_never_change_while_running(site: Site) -> None:
    with pytest.raises(ValueError, match="the last key stays the last"):
        site.sealer.take([FIRST, SECOND])
