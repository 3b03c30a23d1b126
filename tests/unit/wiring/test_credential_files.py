"""Which files are looked at, and when they count as replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.channels.registry import Registry, folders
from tocsin.config.settings import section_of
from tocsin.wiring.credential_files import digests, files_of


def test_every_setting_that_names_files_says_so_by_its_name() -> None:
    """Or what it names would be read at the start only."""
    told = 0
    for spec in Registry(folders()).specs.values():
        for setting in section_of(spec.name, spec.settings).settings:
            if setting.description.startswith("File"):
                told += 1
                assert setting.key.endswith(("_file", "_files")), setting.name
    assert told


def test_files_are_found_by_the_settings_names() -> None:
    settings = SmtpSettings(
        host="mail.example.com",
        from_address="shop@example.com",
        ca_file="/ca.pem",
        dkim_selectors=("a", "b"),
        dkim_key_files=("/one.pem", "/two.pem"),
    )
    assert files_of(settings) == ["/ca.pem", "/one.pem", "/two.pem"]


def test_nothing_but_other_content_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    first = digests([str(file)])
    os.utime(file, (1, 1))
    assert digests([str(file)]) == first
    file.write_text("two")
    assert digests([str(file)]) != first
    assert "two" not in str(digests([str(file)]))


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As secrets are mounted: a folder behind a link is exchanged for another."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(name)
    link = tmp_path / "now"
    link.symlink_to(tmp_path / "one")
    first = digests([str(link / "key")])
    (tmp_path / "next").symlink_to(tmp_path / "two")
    (tmp_path / "next").rename(link)
    assert digests([str(link / "key")]) != first


@pytest.mark.parametrize("there", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_another_content_than_any(tmp_path: Path, there: str) -> None:
    path = tmp_path / there
    if there == "folder":
        path.mkdir()
    elif there == "pipe":
        os.mkfifo(path)
    file = tmp_path / "key"
    file.write_text("")
    found = digests([str(path), str(file)])
    assert found[str(path)] != found[str(file)]
    assert digests([str(path), str(file)]) == found
