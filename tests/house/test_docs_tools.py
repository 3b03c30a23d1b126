"""Generated pages that are stale and links that lead nowhere are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.cli import COMMANDS
from tocsin.config import settings
from tools.check_links import anchors, broken
from tools.reference import PAGES, commands_page, errors_page, stale, write


def test_pages_just_written_are_not_stale(tmp_path: Path) -> None:
    assert stale(tmp_path) == list(PAGES)
    write(tmp_path)
    assert stale(tmp_path) == []


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_changed_by_hand_is_stale(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    page = tmp_path / name
    page.write_text(page.read_text("utf-8") + "By hand.\n", "utf-8")
    assert stale(tmp_path) == [name]


def test_the_pages_name_every_command_setting_and_error() -> None:
    assert all(f"## `tocsin {name}`" in commands_page() for name in COMMANDS)
    assert "## `tocsin config show`" in commands_page()
    assert all(setting.variable in PAGES["settings.md"]() for setting in settings().values())
    assert "| `not_found` | 404 |" in errors_page()


PAGE = "# One\n\n## Two, `three` & four\n\n## One\n\n```\n# no heading\n[x](no/link)\n```\n"


def test_a_heading_gets_the_name_that_links_use() -> None:
    assert anchors(PAGE) == {"one", "two-three--four", "one-1"}


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("other.md", None),
        ("other.md#one-1", None),
        ("#here", None),
        ("https://example.com/absent", None),
        ("absent.md", "leads to no file"),
        ("other.md#absent", "leads to no heading"),
        ("#absent", "leads to no heading"),
    ],
)
def test_a_link_is_followed(tmp_path: Path, link: str, problem: str | None) -> None:
    (tmp_path / "other.md").write_text(PAGE, "utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n[a]({link}) and `[b](in/code)`\n", "utf-8")
    found = list(broken(page, page.read_text("utf-8")))
    assert found == ([f"{page}: {link} {problem}"] if problem else [])
