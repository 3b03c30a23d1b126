"""
The rules of the house that no linter knows, checked in every file that git tracks.

Each rule has a name; a line that needs an exception says ``house: allow NAME, reason`` in itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """A pattern that no line may match, in the files whose path fits *where*."""

    name: str
    where: re.Pattern[str]
    pattern: re.Pattern[str]
    reason: str


def _rule(name: str, where: str, pattern: str, reason: str) -> Rule:
    return Rule(name, re.compile(where), re.compile(pattern), reason)


_ANY: Final = ""
_TESTS: Final = r"^tests/.*\.py$"
_PYTHON: Final = r"\.py$"

RULES: Final = (
    _rule(
        "registry",
        _ANY,
        r"(?i)\b(pypi\.org|pythonhosted\.org|test\.pypi|registry\.npmjs)|--(extra-)?index-url",  # house: allow registry, the rule
        "where packages come from is the machine's business",
    ),
    _rule(
        "machine-path",
        _ANY,
        r"(?<![\w./}~-])/(root|home/\w+|Users/\w+|work|opt/wheels|tmp/\w+)(/|\b)",
        "a path of one machine; take it from an argument, a variable or tmp_path",
    ),
    _rule(
        "sleep",
        _TESTS,
        r"\b(time|asyncio|anyio|trio)\.sleep\((?!0\))|^from (time|asyncio|anyio|trio) import .*\bsleep\b",
        "tests do not sleep: wait for a condition, or move the clock; a turn of the loop is sleep(0)",
    ),
    _rule(
        "mock",
        _PYTHON,
        r"unittest(\.| import )mock|\bmocker\b|^from mock import|^import mock\b",  # house: allow mock, the rule
        "fill the port with a small real object",
    ),
    _rule(
        "patch",
        _TESTS,
        r"""monkeypatch\.(setattr|delattr)\(\s*(["']tocsin|tocsin\b)""",
        "our own code is not patched: hand the object in",
    ),
    _rule(
        "todo",
        _ANY,
        r"\b(TODO|FIXME|XXX|HACK)\b",  # house: allow todo, the rule
        "finish it, or open an issue",
    ),
    _rule(
        "bare-ignore",
        _PYTHON,
        r"#\s*(type:\s*ignore(\[[\w,\s-]+\])?|noqa(:\s*[A-Z0-9,\s]+)?)\s*$",
        "say beside it why the rule does not hold here",
    ),
)

_FORBIDDEN_NAMES: Final = re.compile(r"(^|/)(utils?|helpers?|misc|common)\.py$")


def problems(path: str, text: str) -> Iterator[str]:
    """What breaks a rule in the file *text* at *path*, relative to the top."""
    if _FORBIDDEN_NAMES.search(path):
        yield f"{path}: name the module by what it holds [name]"
    rules = [rule for rule in RULES if rule.where.search(path)]
    for number, line in enumerate(text.splitlines(), start=1):
        for rule in rules:
            if rule.pattern.search(line) and f"house: allow {rule.name}, " not in line:
                yield f"{path}:{number}: {rule.reason} [{rule.name}]"


def tracked() -> list[Path]:
    """Every file that git knows and that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := Path(name)).is_file()]


def main() -> int:
    found: list[str] = []
    files = tracked()
    for path in files:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a recorded binary
        found += problems(path.as_posix(), text)
    print("\n".join(found) or f"{len(files)} files keep the house rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
