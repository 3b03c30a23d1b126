"""The size check finds what is too long, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_sizes import FUNCTION_LINES_MAX, MODULE_LINES_MAX, problems, unused

PATH = Path("src/tocsin/app/x.py")


def function(lines: int, prefix: str = "") -> str:
    return f"{prefix}def long() -> None:\n" + "    pass\n" * (lines - 1)


def test_the_longest_module_and_function_allowed_pass() -> None:
    assert not list(problems(PATH, "a = 1\n" * MODULE_LINES_MAX, {}))
    assert not list(problems(PATH, function(FUNCTION_LINES_MAX), {}))


def test_a_module_of_one_line_more_is_refused() -> None:
    (found,) = problems(PATH, "a = 1\n" * (MODULE_LINES_MAX + 1), {})
    assert found == f"{PATH}: {MODULE_LINES_MAX + 1} lines, at most {MODULE_LINES_MAX}"


@pytest.mark.parametrize("prefix", ["", "async "])
def test_a_function_of_one_line_more_is_refused(prefix: str) -> None:
    (found,) = problems(PATH, function(FUNCTION_LINES_MAX + 1, prefix), {})
    assert found.startswith(f"{PATH}:1: long has {FUNCTION_LINES_MAX + 1} lines")


def test_a_listed_exception_holds_for_what_it_names_only() -> None:
    text = function(FUNCTION_LINES_MAX + 1)
    assert not list(problems(PATH, text, {f"{PATH}:long": "a table"}))
    assert list(problems(PATH, text, {f"{PATH}:other": "a table"}))
    assert list(problems(PATH, text, {str(PATH): "a table"}))


def test_an_exception_that_nothing_needs_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.py"
    short.write_text("a = 1\n", "utf-8")
    long = tmp_path / "long.py"
    long.write_text("a = 1\n" * (MODULE_LINES_MAX + 1), "utf-8")
    exceptions = {str(short): "", str(long): "", str(tmp_path / "gone.py"): ""}
    assert len(list(unused(exceptions))) == 2
