"""What README and docs tell a reader to paste works, and prints what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Session, blocks, missing, pages
from tocsin.domain.delivery import mermaid

PAGES = list(pages())
REFUSED = re.compile(r'"status":[45]\d\d')
"""A problem document: `curl` succeeds all the same."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_works_when_it_is_pasted(page: Path, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for block in blocks(page.read_text("utf-8")):
            output = session.run(block)
            if block.kind != "sh live":
                assert_promised(block, output)
            assert REFUSED.search(output) is None, f"line {block.line}:\n{output}"
        for block, output in session.live_output():
            assert_promised(block, output)


def assert_promised(block: Block, output: str) -> None:
    absent = missing(block.promised, output)
    assert absent is None, f"line {block.line}: no {absent!r} in\n{output}"


def test_the_readme_and_the_tutorial_are_among_them() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/tutorial/first-hour.md"} <= names


def test_a_page_is_read_into_its_blocks() -> None:
    page = "x\n```sh run\na\n```\n\nThis comes:\n\n```text\nb…c\n```\n\n```sh\nnot run\n```\n"
    (block,) = blocks(page)
    assert (block.kind, block.script, block.promised) == ("sh run", "a\n", "b…c\n")


@pytest.mark.parametrize(
    ("output", "absent"),
    [
        ("a 1\nnoise\nb   2 x\n", None),
        ("b 2\na 1\n", "b …2"),
        ("a 1\n", "b …2"),
    ],
    ids=["other lines between", "wrong order", "one is not there"],
)
def test_promised_lines_are_looked_for_in_order(output: str, absent: str | None) -> None:
    assert missing("a 1\nb …2\n", output) == absent


def test_a_block_that_fails_fails_the_page(tmp_path: Path) -> None:
    (block,) = blocks("```sh run\nexit 3\n```\n")
    with Session(tmp_path) as session, pytest.raises(AssertionError):
        session.run(block)


def test_the_diagram_of_delivery_states_is_the_table_of_the_code() -> None:
    page = (ROOT / "docs/explain/delivery-states.md").read_text("utf-8")
    assert f"```mermaid\n{mermaid()}```" in page
