"""A data folder that is none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tocsin.config import Config, Misconfigured
from tocsin.wiring.folder import take


def test_a_file_in_place_of_the_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("not a folder")
    with ExitStack() as stack, pytest.raises(Misconfigured, match="cannot be used: File exists"):
        take(Config(data=str(place)), 0, stack)


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with ExitStack() as stack, pytest.raises(Misconfigured, match="Not a directory"):
        take(Config(data=str(place / "below")), 0, stack)
