"""CPU time and memory of a process and all its descendants, from /proc."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Sums over a process tree. CPU includes threads and children that have ended."""

    user_s: float
    system_s: float
    rss_bytes: int
    processes: int

    @property
    def cpu_s(self) -> float:
        """User and system seconds together."""
        return self.user_s + self.system_s


def usage(pid: int) -> Usage:
    """What the tree under ``pid`` has used until now."""
    tick = os.sysconf("SC_CLK_TCK")
    user = system = rss = count = 0
    for member in tree(pid):
        # comm may hold spaces and parentheses; the fields after it do not.
        stat = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        user += int(stat[11]) + int(stat[13])
        system += int(stat[12]) + int(stat[14])
        rss += _rss_bytes(member)
        count += 1
    return Usage(user_s=user / tick, system_s=system / tick, rss_bytes=rss, processes=count)


def tree(pid: int) -> Iterator[int]:
    """``pid`` and its living descendants."""
    yield pid
    for task in (PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def _rss_bytes(pid: int) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
