"""What installs Tocsin: the make targets, the hashed requirements, the search for a Python."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))


def pinned(name: str) -> dict[str, int]:
    """Each requirement of a file with its number of hashes."""
    found: dict[str, int] = {}
    requirement = ""
    for line in (TOP / "requirements" / name).read_text("utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==\S+", line):
            requirement = match[1].lower()
            found[requirement] = 0
        elif line.strip().startswith("--hash=sha256:"):
            found[requirement] += 1
    return found


def bare(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("run.txt", PROJECT["project"]["dependencies"]),
        ("build.txt", PROJECT["dependency-groups"]["build"]),
        ("build.txt", PROJECT["build-system"]["requires"]),
        ("dev.txt", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_every_dependency_is_pinned_with_hashes(name: str, wanted: list[str]) -> None:
    found = pinned(name)
    assert bare(wanted) <= set(found)
    assert all(found.values())


def test_what_two_files_pin_is_the_same_version() -> None:
    versions: dict[str, set[str]] = {}
    for path in (TOP / "requirements").glob("*.txt"):
        for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", path.read_text("utf-8")):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_make_alone_lists_the_targets_that_the_readme_names() -> None:
    ran = subprocess.run(["make"], cwd=TOP, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in ran.stdout.splitlines() if line.startswith("  make ")}
    assert {"help", "up", "test", "check", "bench", "reference", "requirements", "clean"} == listed


def find_python(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOP / "tools" / "make_venv.sh"), str(folder / "venv")],
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def test_without_a_fitting_python_the_message_says_what_to_do(tmp_path: Path) -> None:
    too_old = script(tmp_path / "python3.8", "exit 1")
    ran = find_python(tmp_path, too_old)
    assert ran.returncode == 1
    assert "needs Python 3.11 or later" in ran.stderr
    assert "make up PYTHON=" in ran.stderr


def test_a_python_without_venv_is_told_apart(tmp_path: Path) -> None:
    bare_python = script(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    ran = find_python(tmp_path, bare_python)
    assert ran.returncode == 1
    assert "python3-venv" in ran.stderr
