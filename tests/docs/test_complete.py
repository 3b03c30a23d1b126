"""What the documents claim about the code is there, and what is there is in the documents."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tocsin.channels.registry import Registry, folders
from tocsin.config import load
from tocsin.domain.preferences_read import read_preferences
from tocsin.domain.reasons import Outcome, Reason
from tocsin.domain.template_filters import FILTERS
from tools.pages import (
    Metric,
    metrics,
    providers_page,
    reasons_page,
    records_page,
    routes_page,
    templates_page,
)

ADRS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)
_SECTIONS = (
    "## Context",
    "## Decision",
    "## What we gave up",
    "## How we would notice that it was wrong",
)
# What a run of the benchmark writes is not there before.
_PATH = re.compile(r"`((?!bench/results/)(?:src|tests|docs|examples|tools|bench)/[\w./-]*[\w/])`")
_MODULE = re.compile(
    r"`((?:app|domain|gateway|adapters|wiring|roles|api|ports|config)/[\w/.]*\w\.py)`"
)


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_a_decision_says_all_that_it_must_on_one_page(path: Path) -> None:
    page = path.read_text("utf-8")
    assert re.search(r"(?m)^Status: (accepted|replaced by \[\d{4}\]\([\w.-]+\))\.$", page)
    assert [line for line in page.splitlines() if line.startswith("## ")] == list(_SECTIONS)
    assert len(page.splitlines()) <= 60
    assert f"]({path.name})" in text("docs/adr/README.md")


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))
    assert [path.read_text("utf-8")[:8] for path in ADRS] == [f"# {each:04}. " for each in numbers]
    listed = re.findall(r"(?m)^- \[(\d{4}) .*\]\((\d{4})-", text("docs/adr/README.md"))
    assert listed == [(f"{each:04}", f"{each:04}") for each in numbers]


@pytest.mark.parametrize("name", PAGES)
def test_the_files_that_a_page_names_exist(name: str) -> None:
    page = text(name)
    named = _PATH.findall(page) + [f"src/tocsin/{module}" for module in _MODULE.findall(page)]
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_the_tree_in_the_architecture_page_is_the_tree() -> None:
    page = text("ARCHITECTURE.md")
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / "src/tocsin").glob("*/**/__init__.py")
        if len(path.relative_to(ROOT / "src/tocsin").parts) <= 3
    } - {"src/tocsin/adapters"}
    # These layers are read as a whole: a folder in them is a module that grew, or a provider.
    whole = tuple(f"src/tocsin/{layer}/" for layer in ("channels", "domain", "ports"))
    missing = {each for each in packages if f"| `{each}` |" not in page}
    assert {each for each in missing if not each.startswith(whole)} == set()


def test_the_documents_are_as_short_as_they_promise() -> None:
    assert len(text("README.md").splitlines()) <= 150
    assert len(text("ARCHITECTURE.md").splitlines()) <= 300


def test_every_guarantee_is_tried_and_has_a_number_of_its_own() -> None:
    rows = re.findall(r"(?m)^\| G(\d+) \|.*\| (.+) \|$", text("docs/guarantees.md"))
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert [number for number, tried in rows if "`tests/" not in tried] == []
    promised = re.findall(r"(?m)^\| G(\d+) \|", text("ARCHITECTURE.md"))
    assert promised
    assert set(promised) <= {number for number, _ in rows}


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = text("docs/README.md") + text("docs/adr/README.md").replace("](", "](adr/")
    index += text("docs/reference/providers.md").replace("](../", "](")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    absent = [page for page in pages if f"]({page}" not in index and page != "README.md"]
    assert absent == []


def test_the_index_calls_each_page_by_its_title() -> None:
    called = re.findall(r"(?m)^- \[(.+)\]\((.+\.md)\)(?:$|:)", text("docs/README.md"))
    titles = [text(f"docs/{page}").split("\n", 1)[0] for _, page in called]
    assert [f"# {name}" for name, _ in called] == titles


def test_the_reference_names_everything() -> None:
    assert all(f"| `{each}` |" in reasons_page() for each in (*Reason, *Outcome))
    assert all(f"| `{name}` |" in templates_page() for name in FILTERS)
    assert "| `data_ref` |" in records_page()
    assert all(f"| `{name}` | [" in providers_page() for name in Registry(folders()).specs)
    assert "POST /v1/events" in routes_page()


def test_a_metric_is_found_where_it_is_defined(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        'a = Counter("x_y", "Says.", ("lane",), registry=r)\n'
        'b = GaugeMetricFamily("z", "Shows.", labels=["lane", "channel"])\n'
        'c = Family("w", "histogram", "Times.", ("file",))\n'
        "d = collections.Counter(words)\n",
        "utf-8",
    )
    assert metrics(tmp_path) == {
        Metric("x_y", "counter", "Says.", ("lane",)),
        Metric("z", "gauge", "Shows.", ("lane", "channel")),
        Metric("w", "histogram", "Times.", ("file",)),
    }


def fenced(name: str, language: str) -> str:
    """The first fence of that language on a page, also one inside a list."""
    found = re.search(rf"(?ms)^( *)```{language}\n(.*?)^\1```$", text(name))
    assert found is not None
    return textwrap.dedent(found.group(2))


def test_the_configuration_for_running_for_real_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text(fenced("docs/howto/real-mode.md", "toml"), "utf-8")
    config = load(path, {}).config
    assert (config.mode, config.http.trusted_proxies) == ("real", ("127.0.0.1",))


def test_the_preferences_that_are_shown_are_taken_as_they_are() -> None:
    shown = json.loads(fenced("docs/howto/preferences.md", "json"))
    read = read_preferences(shown)
    assert read.channels == {"sms": False}
    assert read.quiet_hours[0].days == (0, 1, 2, 3, 4)
