"""The command line: ``python -m bench [case ...]`` and ``python -m bench profile``."""

import argparse
import resource
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import calibrate, native
from bench.cases import CASES, UNSEEDED
from bench.lab import Lab, Options
from bench.profile import ProfilerMissing, profile
from bench.report import Result, as_markdown, as_text, write_json
from bench.server import DEFAULT_COMMAND

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> int:
    """0 when every case ran, whatever it measured; 1 when one could not run; 2 for wrong use."""
    parser = _parser()
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.cases) - set(CASES))
    if unknown and given.cases != ["profile"]:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    try:
        native.program("load")
    except native.CompilerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    # The server inherits it: how many sockets it holds should not depend on the shell.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-", dir=given.work) as work:
        lab = Lab(_options(given), work=Path(work), keep=given.keep)
        if given.cases == ["profile"]:
            return _profile(lab, given)
        return _run(lab, given, Path(work), list(arguments))


def _run(lab: Lab, given: argparse.Namespace, work: Path, arguments: list[str]) -> int:
    machine = calibrate.machine(arguments)
    for name, value in machine.items():
        print(f"{name}: {value}")
    if set(given.cases or CASES) - UNSEEDED:
        print(f"seeded: {lab.seed_report()}", flush=True)
    results: list[Result] = []
    failed: list[str] = []
    for case in given.cases or CASES:
        calibration = calibrate.calibrate(work)
        print(f"\ncalibration: {calibration}", flush=True)
        try:
            result = CASES[case](lab)
        except Exception as error:  # noqa: BLE001 - one broken case must not cost the others' hours
            print(f"\n{case} could not run: {error!r}", file=sys.stderr)
            failed.append(case)
            continue
        result.raw["calibration"] = calibration
        print(as_text(result), flush=True)
        results.append(result)
    _write(given, results, _summary(lab, machine, results))
    return 1 if failed else 0


def _summary(lab: Lab, machine: dict[str, Any], results: list[Result]) -> dict[str, Any]:
    if any(result.case not in UNSEEDED for result in results):
        machine = {**machine, "seeded": lab.seed_report()}
    calibrations = {result.case: result.raw["calibration"] for result in results}
    return {**machine, "calibration before each case": calibrations}


def _write(given: argparse.Namespace, results: list[Result], machine: dict[str, Any]) -> None:
    write_json(given.json, results, machine)
    print(f"\nwritten: {given.json}")
    if given.markdown is not None:
        given.markdown.write_text(as_markdown(results, machine))
        print(f"written: {given.markdown}")


def _profile(lab: Lab, given: argparse.Namespace) -> int:
    given.stacks.parent.mkdir(parents=True, exist_ok=True)
    try:
        print(profile(lab, given.stacks))
    except ProfilerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    print(f"\nfolded stacks, for a flame graph: {given.stacks}")
    return 0


def _options(given: argparse.Namespace) -> Options:
    return Options(
        recipients=given.recipients,
        connected=min(given.connected, given.recipients),
        seconds=given.seconds,
        rate=given.rate,
        config=given.config,
        command=shlex.split(given.command),
        batch_frames=not given.plain_frames,
        acknowledge=given.acknowledge,
        depth=given.depth,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("cases", nargs="*", metavar="case", help=f"{', '.join(CASES)} (all), or profile alone")
    add("--recipients", type=_positive, default=1_000_000, help="people to store (1000000)")
    add("--connected", type=_positive, default=1_000, help="people with a socket (1000)")
    add("--depth", type=_positive, default=10_000_000, help="deep: notifications (10000000)")
    add("--seconds", type=float, help="instead of each case's own duration")
    add("--rate", type=float, help="events a second, instead of the case's own")
    add("--config", type=Path, help="configuration file for the server")
    add("--command", default=shlex.join(DEFAULT_COMMAND), help="the server's command")
    add("--plain-frames", action="store_true", help="do not ask for tocsin.v1.batch")
    add("--acknowledge", action="store_true", help="answer every item with `received`")
    add("--keep", type=Path, help="folder to keep the seeded data in, for the next run")
    # Not the system's temporary folder, which may be memory, where a flush costs nothing.
    add("--work", type=Path, default=RESULTS, help="folder for the cases' data (bench/results)")
    add("--json", type=Path, default=RESULTS / "latest.json", help="where results are written")
    add("--markdown", type=Path, help="also write a page with the table and the raw numbers")
    add("--stacks", type=Path, default=RESULTS / "profile.folded", help="profile: stacks go here")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
