"""Compiles the C programs of this folder, once per change of their source."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import gettempdir

SOURCES = {
    "load": ("main.c", "http.c", "socket.c", "reconnect.c", "event.c", "histogram.c", "report.c"),
    "calibrate": ("calibrate.c",),
    "mail_sink": ("mail_sink.c",),
    "hook_sink": ("hook_sink.c",),
}
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")


class CompilerMissing(Exception):
    """No C compiler on PATH."""

    def __init__(self) -> None:
        super().__init__(
            "the load generators are C programs and no compiler was found as `cc`: install one, "
            "for example with `apt-get install gcc libc6-dev` or `dnf install gcc glibc-devel`"
        )


def program(name: str) -> Path:
    """The path of a compiled program, compiling it unless this very source was compiled before.

    Raises CompilerMissing when it has to be compiled and cannot be.
    """
    folder = Path(__file__).parent
    sources = [folder / source for source in SOURCES[name]]
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for path in (*sources, folder / "load.h"):
        digest.update(path.read_bytes())
    target = _cache() / f"{name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        _compile(sources, target)
    return target


def _cache() -> Path:
    folder = Path(gettempdir()) / f"tocsin-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        # Programs are run from here: a folder that somebody else made must not be trusted.
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def _compile(sources: list[Path], target: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompilerMissing
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    subprocess.run([compiler, *FLAGS, "-o", partial, *sources], check=True)
    partial.rename(target)
