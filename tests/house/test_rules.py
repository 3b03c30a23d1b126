"""Each house rule catches what was planted for it and lets the near miss pass."""

from __future__ import annotations

import pytest

from tools.check_house import RULES, problems

# Spelt in halves, or this file would break the rules that it tests.
CAUGHT = {
    "registry": ["requirements/x.txt", "--index-" + "url https://mirror", "https://py" + "pi.org/"],
    "machine-path": ["docs/a.md", "cd /ho" + "me/ann/tocsin", "`/ro" + "ot/x`", "/wo" + "rk/main"],
    "sleep": ["tests/a.py", "await asyncio.sl" + "eep(1)", "from ti" + "me import sleep"],
    "mock": ["tests/a.py", "from unittest.mo" + "ck import patch", "import mo" + "ck"],
    "patch": ["tests/a.py", "monkeypatch.set" + "attr('tocsin.app.x', 1)"],
    "todo": ["src/a.py", "# TO" + "DO later", "# FIX" + "ME"],
    "bare-ignore": ["src/a.py", "a = 1  # no" + "qa: E501", "b = 2  # type: ig" + "nore[misc]"],
}

PASSED = [
    ("docs/a.md", "GET /v1/workflows and /workers, tests/ro" + "ot/x, $HOME/wo" + "rk/x"),
    ("tests/a.py", "await clock.sleep(1)"),
    ("tests/a.py", "await asyncio.sleep(0)"),
    ("tests/a.py", "monkeypatch.setenv('TOCSIN_MODE', 'real')"),
    ("src/a.py", "time.sl" + "eep(1)"),
    ("src/a.py", "a = 1  # no" + "qa: E501  # a URL is not broken"),
    ("src/a.py", "# pick from the todos"),
]


def test_each_rule_has_a_planted_violation() -> None:
    assert set(CAUGHT) == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("rule", "path", "line"),
    [(rule, path, line) for rule, (path, *lines) in CAUGHT.items() for line in lines],
)
def test_a_planted_violation_is_caught(rule: str, path: str, line: str) -> None:
    (found,) = problems(path, f"first\n{line}\n")
    assert found.startswith(f"{path}:2: ")
    assert found.endswith(f"[{rule}]")


@pytest.mark.parametrize(("path", "line"), PASSED)
def test_a_near_miss_passes(path: str, line: str) -> None:
    assert not list(problems(path, line))


@pytest.mark.parametrize("name", ["utils.py", "util.py", "helpers.py", "common.py"])
def test_a_module_named_for_nothing_is_refused(name: str) -> None:
    assert list(problems(f"src/tocsin/{name}", ""))
    assert not list(problems(f"src/tocsin/my{name}", ""))


def test_an_allowed_line_names_its_rule_and_its_reason() -> None:
    todo = "# TO" + "DO"
    assert not list(problems("a.py", f"{todo}  house: allow todo, quoted from a log"))
    assert list(problems("a.py", f"{todo}  house: allow sleep, quoted from a log"))
    assert list(problems("a.py", f"{todo}  house: allow todo"))
