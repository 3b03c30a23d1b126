"""What the cases share: options, and servers on data folders of their own."""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import seed
from bench.server import Server

SEED_REPORT = "bench-seed.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asked for. None leaves a case its own value."""

    recipients: int
    connected: int
    seconds: float | None
    rate: float | None
    config: Path | None
    command: Sequence[str]
    batch_frames: bool
    acknowledge: bool
    depth: int = 10_000_000
    """Notifications that `deep` stores before it measures again."""


class Lab:
    """Starts servers for the cases. ``work`` holds their folders; ``keep`` the seeded one."""

    def __init__(self, options: Options, *, work: Path, keep: Path | None) -> None:
        self.options = options
        self._work = work
        self._seeded = (keep or work) / f"seeded-{options.recipients}"

    @contextmanager
    def empty(self, case: str) -> Iterator[Server]:
        """A server on a new, empty folder, which is left in place when the server stops."""
        with self._server(self._work / case) as server:
            yield server

    def folder(self, case: str) -> Path:
        """Where a case that needs no server keeps its data."""
        return self._work / case

    @contextmanager
    def seeded(self, case: str) -> Iterator[Server]:
        """A server on a copy of the seeded folder, which is deleted afterwards."""
        self.seed_report()
        target = self._work / case
        shutil.copytree(self._seeded, target, ignore=shutil.ignore_patterns("*.sock"))
        try:
            with self._server(target) as server:
                yield server
        finally:
            shutil.rmtree(target)

    @contextmanager
    def real(
        self, case: str, settings: Mapping[str, Mapping[str, Any]], server_type: type[Server]
    ) -> Iterator[Server]:
        """A server on a new, empty folder in real mode, with *settings* by table."""
        folder = self._work / case
        folder.mkdir(parents=True)
        (folder / "encryption.key").write_text(base64.b64encode(bytes(32)).decode())
        tables = {**settings, "keys": {"encryption_key_file": str(folder / "encryption.key")}}
        lines = ['mode = "real"']
        for table, values in tables.items():
            # TOML takes JSON's numbers, strings and arrays as they are.
            lines += [f"[{table}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items())]
        (folder / "tocsin.toml").write_text("\n".join(lines) + "\n")
        with server_type(
            folder / "data", config=folder / "tocsin.toml", command=self.options.command
        ) as server:
            yield server

    def seed_report(self) -> dict[str, Any]:
        """How seeding went; seeds now unless a kept folder of that size exists."""
        report_path = self._seeded / SEED_REPORT
        if report_path.exists():
            kept: dict[str, Any] = json.loads(report_path.read_text())
            return kept
        if self._seeded.exists():
            shutil.rmtree(self._seeded)  # seeding was interrupted
        self._seeded.parent.mkdir(parents=True, exist_ok=True)
        with self._server(self._seeded) as server:
            report = seed.prepare(server, self.options.recipients)
        files = [path for path in self._seeded.rglob("*") if path.is_file()]
        report["folder_mb"] = round(sum(path.stat().st_size for path in files) / 1e6, 1)
        report_path.write_text(json.dumps(report))
        return report

    def _server(self, data: Path) -> Server:
        return Server(data, config=self.options.config, command=self.options.command)
