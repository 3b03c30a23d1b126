"""
Run seeds by hand: ``python -m tests.simulation SEED [COUNT] [power]``.

One seed prints its whole trace, then what it violates; the exit code says whether it does.
"""

from __future__ import annotations

import os
import shutil
import sys

from tests.simulation.engine import Machine
from tests.simulation.power import PowerMachine
from tests.simulation.run import Templates, memory_folder, simulate


def main() -> int:
    """Run the seeds that the command line names."""
    first = int(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    machine = PowerMachine if "power" in sys.argv else Machine
    folder = memory_folder()
    failed = 0
    try:
        templates = Templates(folder)
        for seed in range(first, first + count):
            outcome = simulate(seed, templates, keep_lines=count == 1, machine=machine)
            for line in outcome.lines:
                sys.stdout.write(line[:2_000] + "\n")
            for violation in outcome.violations:
                sys.stdout.write(f"seed {seed}: {violation}\n")
            failed += bool(outcome.violations)
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(f"{failed} of {count} seeds violate something\n")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of texts are walked in the same order in every process then.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
