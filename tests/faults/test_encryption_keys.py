"""A key file that changes while the server runs, from the first key to one that it cannot lack."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.server import TOP, Server

FIRST, SECOND = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
SETTING = "TOCSIN_KEYS__ENCRYPTION_KEY_FILE"
ADDRESS = {"channel": "email", "address": "ada@example.org"}


def sealing(server: Server) -> list[str]:
    """Return the keys that the folder says it needs besides its first one."""
    found: list[str] = json.loads((server.data / "birth.json").read_bytes())["sealing"]
    return found


def test_a_new_key_is_taken_while_running_and_needed_from_then_on(tmp_path: Path) -> None:
    keys = tmp_path / "encryption.key"
    keys.write_text(f"{FIRST}\n")
    with Server(tmp_path / "d", **{SETTING: str(keys)}) as server:
        server.start()
        with server.caller() as call:
            assert call("PUT", "/v1/recipients/ada", {"name": "Ada"}).status == 201
            added = call("POST", "/v1/recipients/ada/addresses", ADDRESS)
            assert added.status == 201
        assert sealing(server) == []

        keys.write_text(f"{SECOND}\n{FIRST}\n")
        assert server.until(lambda: b"nothing_under_older" in server.log.read_bytes())
        assert len(sealing(server)) == 1
        server.end(signal.SIGKILL)

        keys.write_text(f"{FIRST}\n")
        refused = subprocess.run(
            [sys.executable, "-m", "tocsin", "up", "--data", str(server.data), "--port", "0"],
            env={SETTING: str(keys), "PYTHONPATH": f"{TOP / 'src'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert "1 cannot be found" in refused.stderr
        assert FIRST not in refused.stderr

        keys.write_text(f"{SECOND}\n{FIRST}\n")
        server.start()
        with server.caller() as call:
            found = call("GET", "/v1/recipients/ada/addresses")
        assert found.status == 200, found
        assert FIRST not in server.log.read_text()
        assert SECOND not in server.log.read_text()
