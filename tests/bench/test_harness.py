"""The parts around the load generator: verdicts, tables, measuring, settling, whole cases."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import seed
from bench.__main__ import main
from bench.native import CompilerMissing, program
from bench.process import tree, usage
from bench.profile import summary
from bench.report import Figure, Result, as_markdown, as_text, number
from bench.settle import outstanding, total

ROOT = Path(__file__).parents[2]
STUB = shlex.join([sys.executable, "-m", "tests.bench.stub"])


@pytest.mark.parametrize(
    ("value", "verdict"), [(60, "goal met"), (61, "short of goal"), (91, "not done")]
)
def test_a_figure_below_its_goal_is_good_when_less_is_better(value: float, verdict: str) -> None:
    figure = Figure(name="CPU", value=value, unit="µs", goal=60, floor=90)
    assert figure.verdict() == verdict


@pytest.mark.parametrize(
    ("value", "verdict"), [(20_000, "goal met"), (12_000, "short of goal"), (11_999, "not done")]
)
def test_a_figure_above_its_goal_is_good_when_more_is_better(value: float, verdict: str) -> None:
    figure = Figure(
        name="rate", value=value, unit="/s", goal=20_000, floor=12_000, more_is_better=True
    )
    assert figure.verdict() == verdict
    assert figure.limit(figure.floor) == "≥ 12,000 /s"


def test_a_figure_without_a_goal_has_no_verdict() -> None:
    assert Figure(name="RSS", value=1, unit="MB").verdict() == ""


@pytest.mark.parametrize(
    ("value", "text"), [(20_199.6, "20,200"), (3.14159, "3.14"), (60.0, "60"), (0.0012, "0.0012")]
)
def test_numbers_are_rounded_for_reading(value: float, text: str) -> None:
    assert number(value) == text


def test_a_result_is_printed_with_goals_notes_and_raw_numbers() -> None:
    figure = Figure(name="CPU each", value=43.21, unit="µs", goal=60, floor=90)
    result = Result(
        case="live", what="a load", figures=[figure], notes=["a note"], raw={"cpu_s": 1.5}
    )
    text = as_text(result)
    page = as_markdown([result], {"kernel": "Linux 6"})
    assert "goal ≤ 60 µs, not done unless ≤ 90 µs: goal met" in text
    assert "| `live` | CPU each | 43.2 µs | ≤ 60 µs | ≤ 90 µs | goal met |" in page
    for shown in (text, page):
        assert "a note" in shown
        assert '"cpu_s": 1.5' in shown


def test_usage_counts_children_and_what_ended_children_used() -> None:
    burn = "sum(range(8_000_000))"
    script = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', '{burn}'], check=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print('up', flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        used = usage(parent.pid)
        assert len(list(tree(parent.pid))) == used.processes == 2
        assert used.cpu_s > 0.05
        assert used.rss_bytes > 2_000_000
        parent.communicate(b"\n")


def test_people_are_as_described() -> None:
    people = [seed.recipient(number) for number in range(1, 12_001)]
    preferences = [person["preferences"] for person in people if "preferences" in person]
    assert sum("channels" in one for one in preferences) == 1_200
    assert sum("quiet_hours" in one for one in preferences) == 600
    assert len({person["timezone"] for person in people}) == 12
    assert people[0]["id"] == "u0000001"


@pytest.mark.parametrize(("total", "count"), [(1_000_000, 200), (7, 3), (5, 9)])
def test_a_sample_is_spread_and_holds_the_last(total: int, count: int) -> None:
    numbers = seed.spread_over(total, count)
    assert len(set(numbers)) == min(total, count)
    assert max(numbers) == total
    assert 1 <= min(numbers) <= total // len(numbers) + 1


def test_a_metric_is_added_up_over_its_labels() -> None:
    scrape = '# TYPE a counter\na_total{lane="x"} 3.0\na_total{lane="y"} 4.0\nab_total 9.0\n'
    assert total(scrape, "a_total") == 7


def test_outstanding_counts_waiting_pending_and_settling() -> None:
    audit = {"events": {"routed": 7, "waiting": 1}, "pending": 2, "settling": 4}
    assert outstanding(audit) == 7
    assert outstanding({"events": {"routed": 7}}) == 0


def test_a_profile_adds_up_lines_of_a_function(tmp_path: Path) -> None:
    stacks = tmp_path / "folded"
    stacks.write_text(
        "main (a.py:1);work (a.py:5) 3\nmain (a.py:2);work (a.py:9) 5\nmain (a.py:3) 2\n"
    )
    text = summary(stacks)
    assert "10 samples" in text
    assert " 80.0% work (a.py)" in text
    assert "100.0% main (a.py)" in text


def test_without_a_compiler_it_says_what_to_install() -> None:
    assert "apt-get install gcc" in str(CompilerMissing())


needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None, reason="the load generator is a C program"
)


@needs_cc
def test_a_program_is_compiled_once() -> None:
    first = program("load")
    made_at = first.stat().st_mtime_ns
    assert program("load") == first
    assert first.stat().st_mtime_ns == made_at


@pytest.fixture
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub is imported from the checkout, by a process that does not know pytest's path."""
    monkeypatch.chdir(ROOT)


@needs_cc
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("in_checkout")
def test_whole_cases_run_and_write_their_results(tmp_path: Path) -> None:
    work, report, page = tmp_path / "work", tmp_path / "out" / "r.json", tmp_path / "page.md"
    work.mkdir()
    status = main(
        [
            *("live", "single", "spread", "everyone"),
            *("--command", STUB, "--recipients", "60", "--connected", "10"),
            *("--seconds", "0.5", "--rate", "400", "--work", str(work)),
            *("--json", str(report), "--markdown", str(page), "--keep", str(tmp_path / "kept")),
        ]
    )
    assert status == 0
    document = json.loads(report.read_text())
    cases = {result["case"]: result for result in document["results"]}
    assert list(cases) == ["live", "single", "spread", "everyone"]
    assert cases["live"]["raw"]["generator"]["received"] == 200
    assert cases["spread"]["raw"]["deliveries_settled"] == 200
    assert cases["spread"]["raw"]["audit"]["events"]["routed"] == 200
    assert cases["everyone"]["raw"]["missing"] == 0
    assert document["machine"]["seeded"]["recipients"] == 60
    assert "| `everyone` |" in page.read_text()
    assert (tmp_path / "kept" / "seeded-60" / "bench-seed.json").exists()
    assert list(work.iterdir()) == []


@needs_cc
@pytest.mark.slow
@pytest.mark.usefixtures("in_checkout")
def test_a_case_that_cannot_run_is_named_and_the_others_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shlex.join([sys.executable, "-c", "raise SystemExit('no such engine')"])
    status = main(["idle", "--command", broken, "--json", str(tmp_path / "r.json")])
    assert status == 1
    assert "no such engine" in capsys.readouterr().err


def test_an_unknown_case_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["alive"])
    assert "no such case: alive; there are idle, live" in capsys.readouterr().err
