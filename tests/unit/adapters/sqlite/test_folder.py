"""The lock on a data folder, against a real second process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tocsin.adapters.sqlite.folder import LOCK_NAME, FolderInUse, FolderLock, Holder

HOLD = """
import sys
from pathlib import Path
from tocsin.adapters.sqlite.folder import FolderLock
lock = FolderLock(Path(sys.argv[1]), started_ms=5)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with FolderLock(tmp_path, started_ms=1), pytest.raises(FolderInUse):
        FolderLock(tmp_path, started_ms=2)
    FolderLock(tmp_path, started_ms=3).release()
    holder = msgspec.json.decode((tmp_path / LOCK_NAME).read_bytes(), type=Holder)
    assert holder.started_ms == 3


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": "src"},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse, match=f"process {other.pid};"):
            FolderLock(tmp_path, started_ms=6)
        other.send_signal(signal.SIGKILL)
        other.wait()
        # The lock died with its process, although the file still names it.
        FolderLock(tmp_path, started_ms=7).release()
