"""The import contracts of pyproject.toml catch each kind of import that they forbid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

SKELETON = (
    "errors.py",
    "config.py",
    "domain/plan.py",
    "ports/log.py",
    "app/route.py",
    "adapters/system.py",
    "adapters/sqlite/log.py",
    "adapters/memory/log.py",
    "channels/spec.py",
    "channels/email/smtp/provider.py",
    "channels/email/pigeon/provider.py",
    "channels/sms/crow/provider.py",
    "api/events.py",
    "gateway/socket.py",
    "wiring.py",
    "roles/router.py",
    "cli/up.py",
)

KEPT = {
    "cli/up.py": "import tocsin.roles.router",
    "roles/router.py": "import tocsin.wiring",
    "wiring.py": "import tocsin.adapters.sqlite.log, tocsin.api.events, tocsin.channels.spec",
    "api/events.py": "import tocsin.app.route",
    "app/route.py": "import tocsin.ports.log, tocsin.domain.plan, asyncio",
    "adapters/sqlite/log.py": "import tocsin.ports.log, sqlite3, os",
    "channels/email/smtp/provider.py": "import tocsin.channels.spec, tocsin.ports.log",
    "config.py": "import tocsin.domain.plan, os",
    "domain/plan.py": "import tocsin.errors, datetime",
}

PLANTED = [
    ("domain/plan.py", "asyncio"),
    ("domain/plan.py", "time"),
    ("domain/plan.py", "apsw"),
    ("domain/plan.py", "structlog"),
    ("domain/plan.py", "tocsin.config"),
    ("domain/plan.py", "tocsin.ports.log"),
    ("errors.py", "tocsin.domain.plan"),
    ("ports/log.py", "tocsin.app.route"),
    ("app/route.py", "tocsin.adapters.sqlite.log"),
    ("adapters/sqlite/log.py", "tocsin.app.route"),
    ("adapters/sqlite/log.py", "tocsin.adapters.memory.log"),
    ("adapters/sqlite/log.py", "tocsin.channels.spec"),
    ("channels/spec.py", "tocsin.app.route"),
    ("channels/email/smtp/provider.py", "tocsin.channels.email.pigeon.provider"),
    ("channels/email/smtp/provider.py", "tocsin.channels.sms.crow.provider"),
    ("api/events.py", "tocsin.gateway.socket"),
    ("api/events.py", "tocsin.adapters.sqlite.log"),
    ("roles/router.py", "tocsin.adapters.sqlite.log"),
    ("cli/up.py", "tocsin.adapters.sqlite.log"),
    ("roles/router.py", "tocsin.cli.up"),
    ("wiring.py", "tocsin.roles.router"),
]


def skeleton(folder: Path) -> Path:
    """A small Tocsin of empty modules whose imports are all allowed."""
    package = folder / "tocsin"
    for name in SKELETON:
        module = package / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(KEPT.get(name, "") + "\n", "utf-8")
    for inner in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (inner / "__init__.py").touch()
    return package


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run our contracts on the package in *folder*, which hides the installed one."""
    program = "import sys; from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "--config",
            str(TOP / "pyproject.toml"),
            "--no-cache",
            "--no-logo",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_allowed_is_kept(tmp_path: Path) -> None:
    skeleton(tmp_path)
    ran = lint(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


@pytest.mark.parametrize(("name", "imported"), PLANTED)
def test_a_planted_import_is_caught(tmp_path: Path, name: str, imported: str) -> None:
    package = skeleton(tmp_path)
    module = package / name
    module.write_text(f"{module.read_text('utf-8')}import {imported}\n", "utf-8")
    ran = lint(tmp_path)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    importer = "tocsin." + name.removesuffix(".py").replace("/", ".")
    assert f"{importer} -> {imported}" in ran.stdout


def test_a_new_folder_must_be_given_a_layer(tmp_path: Path) -> None:
    package = skeleton(tmp_path)
    (package / "extras.py").touch()
    assert lint(tmp_path).returncode == 1
